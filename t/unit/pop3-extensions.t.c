/* A POP3 session with what is configured or asked for: UTF-8 mode and
 * surrogates, LAST, EXPIRE, LOGIN-DELAY (pop3d/session.c and the commands). */
#define _GNU_SOURCE
#include "t/unit/pop3_client.h"

#include <time.h>

/* Says all of it, and gives what came and (log: 4096 octets) what was logged.
 */
static char *
dialogue(const char *text, char *log)
{
	struct client c;

	client_start(&c);
	say(&c, text);
	shutdown(c.fd, SHUT_WR);
	char *got = hear(&c, NULL, NULL);
	client_end(&c, log, 4096);
	return got;
}

#define IN "USER alice\r\nPASS alice-pass\r\n"

/* ---- UTF-8 mode (RFC 6856 2) ---- */

/* One of everything: a header that is not ASCII; a body only; a header of more
 * octets than are read at once, with lines that begin with dots and one that
 * is quoted; no end of the header, nor of its last line. */
static char *
foreign_mailbox(void)
{
	static const char *const head[] = {
		"From a@x Mon Jan  5 10:00:00 2026\n"
		"Subject: \xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\n"
		"From: \xc3\x89ric <\xc3\xa9@x.example>\nX-Odd: \xc3\xa9\n\n"
		"\xd0\xb4\xd0\xb0\n.dot\n>From x\n\n",
		"From b@x Mon Jan  5 10:00:01 2026\nSubject: two\n\n"
		"\xd0\xb4\xd0\xb0\n\n",
		"From c@x Mon Jan  5 10:00:02 2026\nSubject: three\n"
		".dot: \xc3\xa9\n.dot: a\n>From here: \xc3\xa9\n"
		">From here: b\n",
	};
	static const char tail[] =
	    "\n\xc3\xa9\n\nFrom d@x Mon Jan  5 10:00:03 2026\n"
	    "A: b\nSubject: \xc3\xa9";
	size_t cap = 200000, n = 0;
	char *box = malloc(cap);

	if (box == NULL)
		abort();
	for (size_t i = 0; i < NELEM(head); i++)
		n += (size_t)snprintf(box + n, cap - n, "%s", head[i]);
	for (int i = 0; i < 1500; i++)
		n += (size_t)snprintf(box + n, cap - n,
		    "X-%d: a line of the long header, %s\n", i,
		    i % 500 == 0 ? "\xe2\x82\xac" : "ASCII");
	snprintf(box + n, cap - n, "%s", tail);
	return box;
}

/* The message behind the n-th "+OK ... octets": its octets without the dots
 * that were stuffed; *ascii: its header.  -1: there is none. */
static long
retrieved(const char *got, unsigned n, unsigned long *said, bool *ascii)
{
	long octets = 0;
	bool body = false;
	const char *p = got;

	for (;; p = strchr(p, '\n') + 1) {
		if (strchr(p, '\n') == NULL)
			return -1;
		if (strncmp(p, "+OK ", 4) == 0 &&
		    strstr(p, " octets\r\n") == p + strcspn(p, "\r") - 7 &&
		    n-- == 1)
			break;
	}
	*said = strtoul(p + 4, NULL, 10);
	*ascii = true;
	for (p = strchr(p, '\n') + 1; strncmp(p, ".\r\n", 3) != 0;) {
		size_t len = strcspn(p, "\n") + 1;
		octets += (long)len - (*p == '.');
		body |= len == 2;
		for (size_t i = 0; i < len && !body; i++)
			*ascii &= (unsigned char)p[i] < 128;
		p += len;
	}
	return octets;
}

/* "\r\nN SIZE" in the list of LIST. */
static unsigned long
listed(const char *got, unsigned n)
{
	char want[20];
	const char *list = strstr(got, " messages (");

	list = list == NULL ? NULL : strstr(list + 1, " messages (");
	snprintf(want, sizeof(want), "\n%u ", n);
	list = list == NULL ? NULL : strstr(list, want);
	return list == NULL ? 0 : strtoul(list + strlen(want), NULL, 10);
}

static void
test_utf8(void)
{
	char *box = foreign_mailbox(), log[4096];
	char *list_first, *retr_first, *raw;

	put_mailbox(box);
	list_first = dialogue(IN "LIST\r\nRETR 1\r\nRETR 2\r\nRETR 3\r\n"
				 "RETR 4\r\nTOP 1 1\r\nSTAT\r\nQUIT\r\n",
	    log);
	retr_first = dialogue(IN "RETR 1\r\nRETR 2\r\nRETR 3\r\nRETR 4\r\n"
				 "LIST 3\r\nLIST\r\nSTAT\r\nQUIT\r\n",
	    log);
	raw = dialogue("UTF8\r\n" IN "LIST\r\nRETR 1\r\nRETR 2\r\nRETR 3\r\n"
		       "RETR 4\r\nSTAT\r\nQUIT\r\n",
	    log);
	unsigned long sum = 0, raw_sum = 0;
	for (unsigned i = 1; i <= 4; i++) {
		unsigned long said = 0, said2 = 0, said3 = 0;
		bool ascii = false, ascii2 = false, ascii3 = false;
		long n = retrieved(list_first, i, &said, &ascii);
		long n2 = retrieved(retr_first, i, &said2, &ascii2);
		long n3 = retrieved(raw, i, &said3, &ascii3);
		ok(n > 0 && (unsigned long)n == listed(list_first, i) &&
			said == (unsigned long)n,
		    "message %u: %ld octets, LIST %lu, RETR %lu", i, n,
		    listed(list_first, i), said);
		ok(n2 == n && said2 == said && listed(retr_first, i) == said,
		    "the same when RETR comes before LIST");
		ok(ascii && ascii2, "its header is ASCII");
		ok(n3 > 0 && (unsigned long)n3 == listed(raw, i) &&
			said3 == (unsigned long)n3 && ascii3 == (i == 2),
		    "in UTF-8 mode as it is, %ld octets", n3);
		sum += (unsigned long)n;
		raw_sum += (unsigned long)n3;
	}
	char want[60];
	snprintf(want, sizeof(want), "\r\n+OK 4 %lu\r\n", sum);
	ok(strstr(list_first, want) != NULL && strstr(retr_first, want) != NULL,
	    "STAT behind LIST is its sum");
	snprintf(want, sizeof(want), "\r\n+OK 4 %lu\r\n", raw_sum);
	ok(strstr(raw, want) != NULL, "in UTF-8 mode, too");
	ok(strstr(list_first,
	       "\r\nSubject: =?utf-8?B?0J/RgNC40LLQtdGC?=\r\n"
	       "From: =?utf-8?B?w4lyaWMgPMOpQHguZXhhbXBsZT4=?=\r\n"
	       " <invalid@internationalized-address.invalid>\r\n\r\n"
	       "\xd0\xb4\xd0\xb0\r\n..dot\r\nFrom x\r\n.\r\n") != NULL,
	    "RFC 6858 2: the surrogate");
	const char *top = strstr(list_first, "+OK The top of message 1");
	ok(top != NULL &&
		strstr(top, ".invalid>\r\n\r\n\xd0\xb4\xd0\xb0\r\n.\r\n") !=
		    NULL,
	    "RFC 6858 4: TOP counts the lines of the surrogate");
	ok(strstr(raw, "\r\nSubject: \xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5"
		       "\xd1\x82\r\nFrom: \xc3\x89ric <\xc3\xa9@x.example>\r\n"
		       "X-Odd: \xc3\xa9\r\n\r\n") != NULL,
	    "RFC 6856 2.1: the message");
	free(list_first);
	free(retr_first);
	free(raw);
	free(box);
	put_mailbox(two);
}

/* RFC 6856 2.1: no STLS behind UTF8.  RFC 2595 4: and nothing that was said
 * before TLS counts behind it, the language neither. */
static void
test_stls(void)
{
	struct client c;
	char log[4096];

	have_tls = true;
	client_start(&c);
	free(hear(&c, "\r\n", NULL));
	answers(&c, "LANG de\r\n", "+OK de ");
	answers(&c, "USER alice\r\n", "+OK Bitte");
	answers(&c, "STLS\r\n", "+OK TLS-Aushandlung beginnen.");
	answers(&c, "PASS alice-pass\r\n", "-ERR USER comes first.");
	answers(&c, "UTF8\r\n", "+OK UTF-8 mode is on.");
	answers(&c, "QUIT\r\n", "+OK Goodbye.");
	client_end(&c, log, sizeof(log));
	client_start(&c);
	free(hear(&c, "\r\n", NULL));
	answers(&c, "UTF8\r\n", "+OK");
	answers(&c, "STLS\r\n", "-ERR STLS comes before UTF8.");
	answers(&c, "QUIT\r\n", "+OK");
	client_end(&c, log, sizeof(log));
	have_tls = false;
}

/* RFC 2449 6.6: a group of commands, however it is cut, gets the replies that
 * the commands get one by one. */
static void
test_pipelining(void)
{
	static const struct {
		const char *line;
		bool list; /* the reply is one */
	} group[] = {
		{ "CAPA\r\n", true },
		{ "LANG fr\r\n", false },
		{ "UTF8\r\n", false },
		{ "FOO\r\n", false },
		{ "USER alice\r\n", false },
		{ "PASS alice-pass\r\n", false },
		{ "STAT\r\n", false },
		{ "LIST\r\n", true },
		{ "UIDL\r\n", true },
		{ "RETR 1\r\n", true },
		{ "TOP 2 1\r\n", true },
		{ "DELE 1\r\n", false },
		{ "RETR 1\r\n", false },
		{ "NOOP\r\n", false },
		{ "LANG\r\n", true },
		{ "RSET\r\n", false },
		{ "CAPA\r\n", true },
		{ "LANG *\r\n", false },
		{ "HELP\r\n", false },
		{ "QUIT\r\n", false },
	};
	char all[1000] = "", log[4096];
	struct client c;
	size_t n = 0;

	for (size_t i = 0; i < NELEM(group); i++)
		n += (size_t)snprintf(
		    all + n, sizeof(all) - n, "%s", group[i].line);
	char *whole = dialogue(all, log);
	client_start(&c);
	for (size_t at = 0; at < n; at += 7) {
		char some[8] = "";
		memcpy(some, all + at, n - at < 7 ? n - at : 7);
		say(&c, some);
		usleep(1000);
	}
	char *got = hear(&c, NULL, NULL);
	client_end(&c, log, sizeof(log));
	ok(strcmp(got, whole) == 0, "as one, and in pieces of seven octets");
	free(got);

	client_start(&c);
	size_t at = 0;
	bool good = true;
	for (size_t i = 0; i <= NELEM(group) && good; i++) {
		if (i > 0)
			say(&c, group[i - 1].line);
		got = hear(&c,
		    i > 0 && group[i - 1].list ? "\r\n.\r\n" : "\r\n", NULL);
		good = strncmp(whole + at, got, strlen(got)) == 0;
		at += good ? strlen(got) : 0;
		free(got);
	}
	client_end(&c, log, sizeof(log));
	ok(good && whole[at] == '\0', "the same as one by one");
	free(whole);
}

/* RFC 6856 2.2: the name of APOP, too. */
static void
test_apop_name(void)
{
	char log[4096], *got;

	settings.apop = true;
	settings.secrets = (char[]){ "secrets" };
	got = dialogue("APOP zo\xeb c4c9334bac560ecc979e58001b3e22fb\r\n"
		       "QUIT\r\n",
	    log);
	ok(strstr(got, "\r\n-ERR The name is not valid UTF-8.\r\n+OK") != NULL,
	    "APOP: a name in Latin-1 is refused");
	free(got);
	settings.apop = false;
}

/* ---- LAST (RFC 1460) ---- */

static void
test_last(void)
{
	struct client c;
	char log[4096];

	settings.last = true;
	client_start(&c);
	free(hear(&c, "\r\n", NULL));
	answers(&c, "LAST\r\n", "-ERR LAST comes after");
	say(&c, IN);
	free(hear(&c, "octets)\r\n", NULL));
	answers(&c, "LAST\r\n", "+OK 0\r\n");
	answers(&c, "LIST 2\r\n", "+OK");
	say(&c, "TOP 2 0\r\n");
	free(hear(&c, "\r\n.\r\n", NULL));
	answers(&c, "LAST\r\n", "+OK 0\r\n");
	say(&c, "RETR 1\r\n");
	free(hear(&c, "\r\n.\r\n", NULL));
	answers(&c, "LAST\r\n", "+OK 1\r\n");
	answers(&c, "RETR 3\r\n", "-ERR");
	answers(&c, "LAST\r\n", "+OK 1\r\n");
	answers(&c, "DELE 2\r\n", "+OK");
	answers(&c, "LAST\r\n", "+OK 2\r\n");
	say(&c, "RETR 1\r\n");
	free(hear(&c, "\r\n.\r\n", NULL));
	answers(&c, "LAST\r\n", "+OK 2\r\n");
	answers(&c, "LAST 1\r\n", "-ERR");
	answers(&c, "RSET\r\n", "+OK");
	answers(&c, "LAST\r\n", "+OK 0\r\n");
	answers(&c, "QUIT\r\n", "+OK");
	client_end(&c, log, sizeof(log));
	settings.last = false;
}

/* ---- EXPIRE (RFC 2449 6.7) ---- */

/* A message that came so many hours ago. */
static size_t
aged(char *p, size_t size, int hours, const char *name)
{
	time_t t = time(NULL) - (time_t)hours * 3600;
	struct tm tm;
	char date[40];

	if (gmtime_r(&t, &tm) == NULL)
		abort();
	strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", &tm);
	return (size_t)snprintf(
	    p, size, "From a@x %s\nSubject: %s\n\nx\n\n", date, name);
}

static void
test_expire(void)
{
	char box[2000], log[4096], *got;
	size_t n = 0, at[5];
	/* With `expire 2d` they live two days, and up to a third. */
	static const int hours[] = { 24 * 400, 1, 73, 71, 24 * 30 };

	for (size_t i = 0; i < NELEM(hours); i++) {
		at[i] = n;
		n += aged(box + n, sizeof(box) - n, hours[i], "x");
	}
	put_mailbox(box);
	got = dialogue(IN "QUIT\r\n", log);
	ok(seen->commits == 0, "expire never: nothing is removed");
	free(got);

	settings.expire_days = 2;
	got = dialogue("CAPA\r\n" IN "CAPA\r\nSTAT\r\n", log);
	ok(strstr(got, "\r\nEXPIRE 2\r\n") != NULL &&
		strstr(strstr(got, "EXPIRE 2") + 1, "\r\nEXPIRE 2\r\n") != NULL,
	    "announced, before and after login");
	ok(strstr(got, "+OK 5 ") != NULL, "all are there");
	ok(seen->commits == 0, "without QUIT nothing is removed");
	free(got);
	got = dialogue(IN "DELE 2\r\nRSET\r\nQUIT\r\n", log);
	ok(seen->commits == 1 && seen->dels == 3 &&
		seen->del[0].offset == at[0] && seen->del[1].offset == at[2] &&
		seen->del[2].offset == at[4],
	    "QUIT removes those that are too old");
	ok(strstr(got, "+OK Goodbye.\r\n") != NULL, "and says goodbye");
	ok(strstr(log, "Expired: 3 messages older than 2 days") != NULL &&
		strstr(log, "del=3/5") != NULL,
	    "it is logged");
	free(got);
	got = dialogue(IN "DELE 2\r\nDELE 1\r\nQUIT\r\n", log);
	ok(seen->dels == 4 && strstr(got, "+OK 2 messages deleted.") != NULL,
	    "beside those that were deleted");
	free(got);
	commit_status = ERR_BUSY;
	got = dialogue(IN "QUIT\r\n", log);
	ok(seen->dels == 3 && strstr(got, "+OK Goodbye.\r\n") != NULL &&
		strstr(log, "Expired:") == NULL,
	    "who deleted nothing is not told that it failed");
	free(got);
	commit_status = OK;
	settings.expire_days = 0;
	put_mailbox(two);
}

/* ---- LOGIN-DELAY (RFC 2449 6.5) ---- */

static void
test_login_delay(void)
{
	char log[4096], *got;

	got = dialogue("CAPA\r\nQUIT\r\n", log);
	ok(strstr(got, "LOGIN-DELAY") == NULL, "no delay, no announcement");
	free(got);
	settings.login_delay = 89500;
	got = dialogue("CAPA\r\nUSER early\r\nPASS alice-pass\r\n"
		       "USER early\r\nPASS wrong\r\nQUIT\r\n",
	    log);
	ok(strstr(got, "\r\nLOGIN-DELAY 90\r\n") != NULL,
	    "announced in full seconds");
	ok(strstr(got, "-ERR [LOGIN-DELAY] ") != NULL &&
		strstr(strstr(got, "[LOGIN-DELAY]"), "-ERR [AUTH]") != NULL,
	    "only who knows the password is told");
	free(got);
	settings.login_delay = 0;
}

int
main(void)
{
	clients_begin();
	test_utf8();
	test_stls();
	test_pipelining();
	test_apop_name();
	test_last();
	test_expire();
	test_login_delay();
	return clients_done();
}
