/* The purported responsible address (RFC 4407), by table; the header in every
 * cut. */
#include "smtpd/pra.h"

#include <stdio.h>
#include <string.h>

#include "t/unit/tap.h"

#define RS "Resent-Sender: rs@x\r\n"
#define RF "Resent-From: rf@x\r\n"
#define S "Sender: s@x\r\n"
#define F "From: f@x\r\n"
#define RC "Received: by y\r\n"

/* clang-format off */
static const struct {
	const char *name, *header, *want;
} rows[] = {
	{ "step 4: From", F, "f@x" },
	{ "step 3: Sender", F S, "s@x" },
	{ "step 2: Resent-From", F S RF, "rf@x" },
	{ "step 1: Resent-Sender", F RF S RS, "rs@x" },
	{ "step 1: of another resending", RF RC RS F, "rf@x" },
	{ "step 1: Received in front of both", RC RF RS F, "rs@x" },
	{ "step 3: an empty Sender is none", "Sender: \r\n" F, "f@x" },
	{ "step 3: two", S S F, NULL },
	{ "step 4: two", F F, NULL },
	{ "step 2: the first of two", RF "Resent-From: other@x\r\n", "rf@x" },
	{ "none", "Subject: x\r\n", NULL },
	{ "in the body", "\r\n" F, NULL },
	{ "a display name", "From: Bob <b@x>\r\n", "b@x" },
	{ "folded", "From: \"B, <z@x>\"\r\n\t(c, \\) <y@x>)\r\n  < b@x >\r\n", "b@x" },
	{ "two mailboxes", "From: a@x, b@x\r\n", NULL },
	{ "two in brackets", "From: <a@x>, <b@x>\r\n", NULL },
	{ "nothing in brackets", "From: Bob <>\r\n", NULL },
	{ "no end of bracket", "From: Bob <b@x\r\n", NULL },
	{ "words behind", "From: <b@x> c@x\r\n", NULL },
	{ "no address", "From: Bob\r\n\tSmith\r\n", NULL },
	{ "comments only", "From: (a@x)\r\n", NULL },
	{ "an endless quote", "From: \"b@x\r\n", NULL },
	{ "outside ASCII", "From: j\xc3\xb6@x\r\n", "j\xc3\xb6@x" },
};
/* clang-format on */

int
main(void)
{
	static struct header_scan h;
	struct address a;

	for (size_t i = 0; i < NELEM(rows); i++) {
		struct view v = view_of(rows[i].header);
		bool good = true;
		for (size_t cut = 0; cut <= v.n && good; cut++) {
			header_init(&h);
			header_scan(&h, (struct view){ v.p, cut });
			header_scan(&h, (struct view){ v.p + cut, v.n - cut });
			header_scan(&h, view_of("\r\n"));
			good = pra_find(&h, &a) == (rows[i].want != NULL) &&
			       (rows[i].want == NULL ||
				   strcmp(a.text, rows[i].want) == 0);
		}
		ok(good, "RFC 4407 2, %s", rows[i].name);
	}
	header_init(&h);
	header_scan(&h, view_of("From: "));
	for (int i = 0; i < 1000; i++)
		header_scan(&h, view_of("b@x (x)"));
	header_scan(&h, view_of("\r\n"));
	ok(h.kept[HEADER_FROM].cut && !pra_find(&h, &a),
	    "a field of 7,000 octets");
	return done_testing();
}
