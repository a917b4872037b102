/*
 * The trace header, added fields, queue ids, log lines, and what a session
 * leaves behind (RFC 5321 4.4, RFC 3848, RFC 6409 8).
 */
#define _GNU_SOURCE
#include "t/unit/smtp_fake.h"

#include <fcntl.h>
#include <regex.h>
#include <time.h>

#include "common/date.h"
#include "smtpd/trace.h"
#include "t/unit/tap.h"

#define TO_BOB "MAIL FROM:<a@b.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
#define TO_TWO                                                                 \
	"MAIL FROM:<a@b.org>\r\nRCPT TO:<bob>\r\nRCPT TO:<alice>\r\nDATA\r\n"
#define TEXT "Subject: x\r\n\r\ntext\r\n.\r\n"
#define BOB "AUTH PLAIN AGJvYgBib2ItcGFzcw==\r\n"
#define DATE                                                                   \
	"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{1,2} (Jan|Feb|Mar|Apr|May|Jun|"  \
	"Jul|Aug|Sep|Oct|Nov|Dec) 2[0-9]{3} [0-2][0-9]:[0-5][0-9]:[0-6][0-9] " \
	"[+-][0-9]{4}( \\([A-Za-z0-9+-]+\\))?"
#define ID "[0-9A-F]{6,23}"

static struct buf big = { .max = 1 << 20 };

static bool
matches(const char *text, const char *pattern)
{
	regex_t re;
	bool found;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NEWLINE | REG_NOSUB) != 0)
		abort();
	found = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return found;
}

static void
with(enum listen_type type, bool cleartext, bool cert)
{
	static char anything;

	fake_listener.type = type;
	fake_listener.plaintext_auth = cleartext;
	fake_worker.tls = cert ? (void *)&anything : NULL;
}

static void
stored_is(const char *name, const char *input, const char *pattern)
{
	fake_session(view_of(input));
	if (!ok(matches(buf_cstr(&fake.content), pattern), "%s", name))
		printf("# %s\n", buf_cstr(&fake.content));
}

/* ---- the trace header ---- */

static void
received(void)
{
	stored_is("4.4: one recipient", "EHLO c.test\r\n" TO_BOB TEXT,
	    "^Received: from c\\.test \\(unknown \\[192\\.0\\.2\\.1\\]\\)\r$");
	ok(matches(buf_cstr(&fake.content),
	       "^\tby mail\\.example\\.org \\(pennypost\\) with ESMTP id " ID
	       "\r$"),
	    "4.4: by, with, id");
	ok(matches(buf_cstr(&fake.content),
	       "^\tfor <bob@example\\.org>; " DATE "\r$"),
	    "4.4: for; date");
	stored_is("7.2: no for with two", "EHLO c.test\r\n" TO_TWO TEXT,
	    "^\tby mail\\.example\\.org \\(pennypost\\) with ESMTP id " ID
	    ";\r$");
	ok(matches(buf_cstr(&fake.content), "^\t" DATE "\r$") &&
		strstr(buf_cstr(&fake.content), "for <") == NULL,
	    "but the date");
	stored_is(
	    "RFC 3848: HELO", "HELO c.test\r\n" TO_BOB TEXT, " with SMTP id ");
	with(LISTEN_MX, true, true);
	stored_is("RFC 3848: ESMTPA", "EHLO c\r\n" BOB TO_BOB TEXT,
	    " with ESMTPA id ");
	stored_is("RFC 3848: ESMTPS",
	    "EHLO c\r\nSTARTTLS\r\nEHLO c\r\n" TO_BOB TEXT, " with ESMTPS id ");
	ok(matches(buf_cstr(&fake.content),
	       "^\t\\(using TLSv1\\.3 with cipher TLS_AES_256_GCM_SHA384 "
	       "\\(256/256 bits\\)\\)\r$"),
	    "and how");
	stored_is("RFC 3848: ESMTPSA",
	    "EHLO c\r\nSTARTTLS\r\nEHLO c\r\n" BOB TO_BOB TEXT,
	    " with ESMTPSA id ");
	with(LISTEN_MX, false, false);
	strcpy(fake_worker.client, "2001:db8::1");
	stored_is("4.1.3: IPv6", "EHLO c\r\n" TO_BOB TEXT,
	    "\\(unknown \\[IPv6:2001:db8::1\\]\\)");
	strcpy(fake_worker.client, "127.0.0.1");
	stored_is("localhost has a name", "EHLO c\r\n" TO_BOB TEXT,
	    "\\(localhost \\[127\\.0\\.0\\.1\\]\\)");
	strcpy(fake_worker.client, "192.0.2.1");
	stored_is("a hostile HELO is harmless",
	    "EHLO x) by evil; (\xff<>\"\t\r\n" TO_BOB TEXT,
	    "^Received: from x\\?\\?by\\?evil\\?\\?\\?\\?\\?\\?\\? "
	    "\\(unknown ");
}

/* RFC 6409 8.1, 8.2 */
static void
added_fields(void)
{
	static const char all[] =
	    "EHLO c\r\n" BOB TO_BOB
	    "Date: x\r\nMessage-ID: <y@z>\r\n\r\nb\r\n.\r\n";

	with(LISTEN_MX, true, false);
	stored_is("4.4: a relay adds neither Date nor Message-ID",
	    "EHLO c\r\n" TO_BOB TEXT, DATE "\r\nSubject: x\r\n\r\ntext\r\n$");
	with(LISTEN_SUBMISSION, true, false);
	stored_is("RFC 6409 8: both are added", "EHLO c\r\n" BOB TO_BOB TEXT,
	    "^Date: " DATE "\r$");
	ok(matches(buf_cstr(&fake.content),
	       "^Message-ID: <" ID "@mail\\.example\\.org>\r$") &&
		strstr(
		    buf_cstr(&fake.content), "\r\nSubject: x\r\n\r\ntext\r\n"),
	    "and the rest is as it was");
	fake_session(view_of(all));
	const char *c = buf_cstr(&fake.content);
	ok(strstr(c, "\nDate: x\r\nMessage-ID: <y@z>\r\n\r\nb\r\n") != NULL &&
		strstr(strstr(c, "Date: ") + 1, "Date: ") == NULL &&
		strstr(strstr(c, "Message-ID: ") + 1, "Message-ID: ") == NULL,
	    "what is there is left alone");
	stored_is("names in the body do not count",
	    "EHLO c\r\n" BOB TO_BOB "X: y\r\n\r\nDate: x\r\n.\r\n",
	    "^Date: " DATE "\r$");
	/* A large message goes to the file with them. */
	buf_clear(&big);
	buf_adds(&big, "EHLO c\r\n" BOB TO_BOB "Subject: l\r\n\r\n");
	while (big.n < 90000)
		buf_adds(&big, "line\r\n");
	size_t lines = big.n;
	buf_adds(&big, ".\r\n");
	fake_session(buf_view(&big));
	ok(matches(buf_cstr(&fake.content), "^Date: " DATE "\r$") &&
		fake.content.n > lines - 100 && fake.delivered == 1,
	    "also to a large message");
	with(LISTEN_MX, false, false);
}

/* ---- queue ids and dates ---- */

static void
ids(void)
{
	static char id[2][QUEUE_ID_MAX];
	bool good = true;

	trace_id(0, id[0]);
	for (unsigned i = 1; i < 10000; i++) {
		trace_id(0, id[i % 2]);
		good &= strcmp(id[0], id[1]) != 0 &&
			strcmp(id[i % 2], id[(i + 1) % 2]) > 0;
	}
	ok(good, "10,000 ids ascend");
	trace_id(UINT32_MAX, id[0]);
	ok(matches(id[0], "^[0-9A-F]{6,23}$"), "the longest id fits: %s",
	    id[0]);
	trace_id(1, id[0]);
	trace_id(2, id[1]);
	ok(strcmp(id[0] + 13, id[1] + 13) != 0, "another slot, another id");
}

static void
dates(void)
{
	static const struct {
		const char *zone, *want;
		int64_t at;
	} cases[] = {
		{ "UTC0", "Wed, 15 Jul 2020 16:31:24 +0000 (UTC)", 1594830684 },
		{ "CET-1CEST,M3.5.0,M10.5.0/3",
		    "Wed, 15 Jul 2020 18:31:24 +0200 (CEST)", 1594830684 },
		{ "NST3:30", "Thu, 1 Jan 1970 00:00:00 -0330 (NST)", 12600 },
		{ "<+0545>-5:45", "Thu, 1 Jan 1970 05:45:00 +0545 (+0545)", 0 },
	};
	char text[DATE_MAX];

	for (size_t i = 0; i < NELEM(cases); i++) {
		setenv("TZ", cases[i].zone, 1);
		tzset();
		mail_date(cases[i].at, text, sizeof(text));
		ok(strcmp(text, cases[i].want) == 0, "RFC 5322 3.3: %s", text);
	}
}

/* ---- the log ---- */

static void
logged(const char *name, const char *input, const char *pattern)
{
	fake_log_text();
	fake_session(view_of(input));
	const char *text = fake_log_text();
	if (!ok(matches(text, pattern), "log: %s", name))
		printf("# %s\n", text);
}

struct logged {
	const char *name, *in, *want;
};

static void
all_logged(const struct logged *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		logged(cases[i].name, cases[i].in, cases[i].want);
}

#define C "unknown\\[192\\.0\\.2\\.1\\]"

static void
log_of_messages(void)
{
	static const char message[] =
	    "EHLO c.test\r\nMAIL FROM:<a@b.org>\r\n"
	    "RCPT TO:<Bob>\r\nDATA\r\nmessage-id:\r\n <x1@b.org>\r\n\r\n.\r\n"
	    "QUIT\r\n";
	static const struct logged cases[] = {
		{ "connect", message, "^smtpd: connect from " C "$" },
		{ "client", message, "^smtpd: " ID ": client=" C "$" },
		{ "message-id", message,
		    "^cleanup: " ID ": message-id=<x1@b\\.org>$" },
		{ "from", message,
		    "^qmgr: " ID ": from=<a@b\\.org>, size=[0-9]+, nrcpt=1 "
		    "\\(queue active\\)$" },
		{ "to", message,
		    "^local: " ID
		    ": to=<bob@example\\.org>, orig_to=<Bob>, relay=local, "
		    "delay=[0-9.]+, delays=[0-9.]+/0/0/[0-9.]+, dsn=2\\.0\\.0, "
		    "status=sent \\(delivered to mailbox\\)$" },
		{ "removed", message, "^qmgr: " ID ": removed$" },
		{ "disconnect", message,
		    "^smtpd: disconnect from " C
		    " ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5$" },
		{ "no message-id", "HELO c\r\n" TO_BOB TEXT,
		    "^cleanup: " ID ": message-id=<>$" },
	};

	all_logged(cases, NELEM(cases));
}

static void
log_of_refusals(void)
{
	static const struct logged cases[] = {
		{ "counts",
		    "EHLO c\r\nMAIL FROM:<a@b.org>\r\nRCPT TO:<bob>\r\nRCPT "
		    "TO:<no>\r\nFROB\r\n",
		    " ehlo=1 mail=1 rcpt=1/2 unknown=0/1 commands=3/5$" },
		{ "relay denied",
		    "EHLO h\r\nMAIL FROM:<a@b>\r\nRCPT TO:<x@y>\r\n",
		    "^smtpd: NOQUEUE: reject: RCPT from " C
		    ": 550 5\\.7\\.1 <x@y>: Relay access denied; from=<a@b> "
		    "to=<x@y> proto=ESMTP helo=<h>$" },
		{ "user unknown",
		    "EHLO h\r\nMAIL FROM:<a@b>\r\nRCPT TO:<no>\r\n",
		    "^smtpd: NOQUEUE: reject: RCPT from " C
		    ": 550 5\\.1\\.1 <no>: Recipient address rejected: User "
		    "unknown in local recipient table; from=<a@b> to=<no> "
		    "proto=ESMTP helo=<h>$" },
		{ "lost connection", "EHLO h\r\n",
		    "^smtpd: lost connection after EHLO from " C "$" },
		{ "lost at once", "",
		    "^smtpd: lost connection after CONNECT from " C "$" },
		{ "injection by RCPT",
		    "EHLO h\r\nMAIL FROM:<a@b>\r\nRCPT TO:<\"x>: y; from=<z> "
		    "[192.0.2.66]\"@y>\r\n",
		    "550 5\\.7\\.1 <\\?x\\?: y; from=\\?z\\? "
		    "\\?192\\.0\\.2\\.66\\?\\?@y>: Relay" },
		{ "injection by Message-ID",
		    "HELO c\r\n" TO_BOB
		    "Message-ID: <x> client=evil[192.0.2.66]\r\n\r\n.\r\n",
		    "message-id=<x>$" },
	};

	all_logged(cases, NELEM(cases));
}

static void
log_of_logins(void)
{
	with(LISTEN_MX, true, false);
	logged("AUTH", "EHLO c\r\n" BOB TO_BOB TEXT,
	    "^smtpd: " ID ": client=" C ", sasl_method=PLAIN, "
	    "sasl_username=bob$");
	logged("AUTH failed", "EHLO c\r\nAUTH PLAIN AGJvYgB4\r\n",
	    "^smtpd: warning: " C ": SASL PLAIN authentication failed: "
	    "authentication failure, sasl_username=bob$");
	logged("AUTH failed thrice",
	    "EHLO c\r\nAUTH PLAIN AGJvYgB4\r\n"
	    "AUTH PLAIN AGJvYgB4\r\nAUTH PLAIN AGJvYgB4\r\n",
	    "^smtpd: too many errors after AUTH from " C "$");
	with(LISTEN_MX, false, false);
	fake.mode = AT_ONCE;
	logged("improper pipelining", "EHLO c\r\n" TO_BOB TEXT,
	    "^smtpd: improper command pipelining after DATA from " C
	    ": Subject: x");
	fake.mode = BY_LINE;
}
#undef C

/* ---- limits of a session, and what it leaves ---- */

static void
limits(void)
{
	struct buf b = { .max = 1 << 20 };

	buf_adds(&b, "EHLO c\r\nMAIL FROM:<a@b>\r\n");
	for (int i = 0; i < 101; i++)
		buf_adds(&b, "RCPT TO:<bob>\r\n");
	buf_adds(&b, "DATA\r\n.\r\nQUIT\r\n");
	fake_session(buf_view(&b));
	ok(strstr(buf_cstr(&fake.out), "452 4.5.3") != NULL &&
		strstr(buf_cstr(&fake.out), "queued as") != NULL &&
		fake.delivered == 1 && fake.lookups == 100,
	    "4.5.3.1.10: 452 after 100 recipients, and those get it");
	buf_clear(&b);
	for (int i = 0; i < 30; i++)
		buf_adds(&b, "FROB\r\n");
	fake_settings.errors_max = 20;
	ok(!fake_session(buf_view(&b)) &&
		strstr(buf_cstr(&fake.out), "421 4.7.0 Too many errors\r\n") &&
		strstr(fake_log_text(), "too many errors after UNKNOWN from "),
	    "errors_max: 421 instead of the 20th 500");
	unsigned lines = 0;
	for (size_t i = 0; i < fake.out.n; i++)
		lines += fake.out.p[i] == '\n';
	ok(lines == 21, "one reply each: %u lines", lines);
	fake_settings.errors_max = 1000;
	buf_free(&b);
}

static void
after_it(void)
{
	ok(fake_session(view_of("EHLO c\r\n" TO_BOB TEXT "QUIT\r\n")),
	    "an anonymous plain session: the worker may go on");
	ok(fake_session(view_of("HELO c\r\n")), "also if it was cut off");
	ok(!fake_session(view_of("HELO c\r\nFROB\r\n")), "not after nonsense");
	ok(!fake_session(view_of("EHLO c\r\nMAIL FROM:<>\r\n"
				 "RCPT TO:<lost>\r\n")),
	    "not with a dead channel");
	with(LISTEN_MX, true, true);
	ok(!fake_session(view_of("EHLO c\r\n" BOB "QUIT\r\n")),
	    "not after AUTH");
	ok(!fake_session(view_of("EHLO c\r\nAUTH PLAIN\r\n*\r\nQUIT\r\n")),
	    "nor after half of it");
	ok(!fake_session(view_of("EHLO c\r\nSTARTTLS\r\nQUIT\r\n")),
	    "not after TLS");
	with(LISTEN_MX, false, false);
	ok(fake_session(view_of("EHLO c\r\nMAIL FROM:<a@b>\r\n"
				"RCPT TO:<bob>\r\n")) &&
		fake_session(view_of("EHLO c\r\nRCPT TO:<bob>\r\nDATA\r\n")) &&
		strstr(buf_cstr(&fake.out), "354") == NULL,
	    "nothing of a client is there for the next");
	fake.stop_after = 3;
	fake_session(view_of("EHLO c\r\nNOOP\r\nNOOP\r\nNOOP\r\n"));
	ok(strstr(buf_cstr(&fake.out), "421 4.3.2") != NULL &&
		strstr(buf_cstr(&fake.out), "250 2.0.0") != NULL,
	    "3.8: 421 when the server stops");
	fake.stop_after = 0;
	fake_worker.over_limit = true;
	fake_session(view_of("EHLO c\r\n"));
	ok(strncmp(buf_cstr(&fake.out), "421 4.7.0 ", 10) == 0,
	    "too many connections: 421 instead of the greeting");
	fake_worker.over_limit = false;
}

/* Who is known to the queue by the channel on which it is asked. */
static void
rights(void)
{
	fake_session(view_of("EHLO c\r\n" TO_TWO TEXT));
	ok(fake.queued == 1 && fake.queue_sock == -1,
	    "anonymous: the worker's own channel to the queue");
	with(LISTEN_MX, true, false);
	buf_clear(&big);
	buf_adds(&big, "EHLO c\r\n" BOB TO_TWO);
	while (big.n < 90000)
		buf_adds(&big, "line\r\n");
	buf_adds(&big, ".\r\n");
	fake_session(buf_view(&big));
	ok(fake.queued == 1 && fake.queue_sock != -1 &&
		fake.spool_sock == fake.queue_sock,
	    "authenticated: the channel that auth gave");
	ok(fcntl(fake.queue_sock, F_GETFD) == -1, "it ends with the session");
	with(LISTEN_MX, false, false);
}

/* RFC 5321 4.5.3.1.5, RFC 2034 4 */
static void
reply_text(void)
{
	struct session s = { .c = &fake_worker.conn, .set = &fake_settings };
	char text[2000];

	conn_open(s.c, -1);
	s.c->ops = &fake_ops;
	buf_clear(&fake.out);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	reply_more(&s, 250, "2.0.0", "a%c", '\n');
	reply(&s, 250, "2.0.0", "b\r\n550 c\t\x7f\xff");
	conn_flush(s.c);
	ok(strcmp(buf_cstr(&fake.out),
	       "250-2.0.0 a?\r\n250 2.0.0 b??550 c???\r\n") == 0,
	    "nothing in a reply can end its line");
	buf_clear(&fake.out);
	ok(reply(&s, 421, "4.7.0", "%s", text) == NEXT_CLOSE &&
		conn_flush(s.c) && fake.out.n == 512 &&
		memcmp(fake.out.p + 510, "\r\n", 2) == 0,
	    "a long one is cut to 512 octets");
}

static void
writes(void)
{
	fake.mode = AT_ONCE;
	fake_session(view_of("EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<bob>\r\n"
			     "RCPT TO:<alice>\r\nDATA\r\n"));
	ok(fake.writes == 2,
	    "RFC 2920 3.2: a group's replies in one write "
	    "(%u with the greeting)",
	    fake.writes);
	fake.mode = BY_LINE;
	fake_session(view_of("EHLO c\r\nQUIT\r\n"));
	ok(fake.writes == 3, "greeting, EHLO, QUIT: %u writes", fake.writes);
}

int
main(void)
{
	fake_start();
	fake_settings.errors_max = 1000;
	fake.mode = BY_LINE;
	received();
	added_fields();
	ids();
	log_of_messages();
	log_of_refusals();
	log_of_logins();
	limits();
	after_it();
	writes();
	rights();
	reply_text();
	dates();
	return done_testing();
}
