/* Status codes in plain words.  Runs in: queue. */
#include "spool/dsn_words.h"

#include <string.h>

/* By subject and detail; the first that is a prefix counts. */
/* clang-format off */
static const struct {
	const char *code, *words;
} table[] = {
	{ ".1.10", "The part behind the @ takes no mail at all." },
	{ ".1.2",  "The part behind the @ is not known. Please check how the address is spelt." },
	{ ".1.6",  "The mailbox has moved." },
	{ ".1.",   "There is no such mailbox. Please check how the address is spelt." },
	{ ".2.1",  "The mailbox is switched off, or takes no messages." },
	{ ".2.2",  "The mailbox is full." },
	{ ".2.3",  "The message is larger than this mailbox takes." },
	{ ".2.",   "There is trouble with the mailbox." },
	{ ".3.1",  "The recipient's mail server is full." },
	{ ".3.4",  "The message is too large." },
	{ ".3.",   "There is trouble with the recipient's mail server." },
	{ ".4.1",  "The recipient's mail server does not answer." },
	{ ".4.2",  "The connection to the recipient's mail server broke." },
	{ ".4.4",  "No mail server could be found for this address." },
	{ ".4.6",  "The message goes round in circles: an address forwards to itself." },
	{ ".4.",   "The recipient's mail server cannot be reached." },
	{ ".5.3",  "The message has too many recipients." },
	{ ".5.",   "The two mail servers did not understand each other." },
	{ ".6.",   "The message has a form that the recipient's mail server cannot take." },
	{ ".7.10", "The connection could not be encrypted as it has to be." },
	{ ".7.",   "The recipient's mail server refused the message by its rules." },
};
/* clang-format on */

const char *
dsn_words(const char *code)
{
	const char *rest = code[0] == '\0' ? "" : code + 1;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strncmp(rest, table[i].code, strlen(table[i].code)) == 0)
			return table[i].words;
	return "The message could not be delivered.";
}
