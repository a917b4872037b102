/* Reports to senders: who wants one, what is returned, how it looks. */
#define _GNU_SOURCE /* memmem */
#include "spool/dsn.h"

#include <stdlib.h>
#include <string.h>

#include "common/unitext.h"
#include "common/utf8.h"
#include "spool/dsn_words.h"
#include "t/unit/tap.h"

/* ---- when ---- */

static void
test_wanted(void)
{
	static const struct {
		const char *params;
		bool failed, delayed, delivered;
	} cases[] = {
		{ "", true, true, false },
		{ "ORCPT=rfc822;a@b", true, true, false },
		{ "NOTIFY=NEVER", false, false, false },
		{ "NOTIFY=FAILURE", true, false, false },
		{ "NOTIFY=DELAY", false, true, false },
		{ "NOTIFY=SUCCESS", false, false, true },
		{ "NOTIFY=SUCCESS,FAILURE,DELAY", true, true, true },
		{ "ORCPT=rfc822;NOTIFY=x NOTIFY=FAILURE", true, false, false },
		{ "notify=never", false, false, false },
		{ "XNOTIFY=NEVER", true, true, false },
		{ "NOTIFY=SUCCESSFUL", false, false, false },
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct view v = view_of(cases[i].params);
		ok(dsn_wanted(v, DSN_FAILED) == cases[i].failed &&
			dsn_wanted(v, DSN_DELAYED) == cases[i].delayed &&
			dsn_wanted(v, DSN_DELIVERED) == cases[i].delivered &&
			dsn_wanted(v, DSN_RELAYED) == cases[i].delivered &&
			dsn_wanted(v, DSN_EXPANDED) == cases[i].delivered,
		    "RFC 3461 4.1: \"%s\"", cases[i].params);
	}
	ok(dsn_wants_all(view_of(""), true), "4.3: without RET, all");
	ok(dsn_wants_all(view_of("RET=FULL ENVID=x"), true), "RET=FULL");
	ok(!dsn_wants_all(view_of("ENVID=x RET=HDRS"), true), "RET=HDRS");
	ok(!dsn_wants_all(view_of("RET=FULL REQUIRETLS"), true),
	    "RFC 8689 5: REQUIRETLS, as RET=HDRS");
	ok(!dsn_wants_all(view_of("RET=FULL"), false),
	    "6.2: the header only, when nothing failed");
}

/* ---- the header ---- */

static void
test_header(void)
{
	static const struct {
		const char *name, *in;
		size_t n;
	} cases[] = {
		{ "up to the empty line", "A: 1\r\nB: 2\r\n\r\nbody: x\r\n",
		    12 },
		{ "with continuation lines", "A: 1\r\n\t2\r\n 3\r\n\r\n", 14 },
		{ "nothing", "", 0 },
		{ "no header at all", "\r\nA: 1\r\n", 0 },
		{ "a body without an empty line",
		    "A: 1\r\nhello you\r\nB: 2\r\n", 6 },
		{ "a blank is no name", "A: 1\r\n: 2\r\n", 6 },
		{ "a continuation of nothing", " 1\r\nA: 2\r\n", 0 },
		{ "a line that is not whole", "A: 1\r\nB: 2", 6 },
		{ "a name outside ASCII", "A: 1\r\n\xc3\xa4: 2\r\n", 6 },
	};
	size_t big = DSN_HEADER_MAX + 4000;
	char *p = malloc(big);

	for (size_t i = 0; i < NELEM(cases); i++)
		ok(dsn_header(view_of(cases[i].in)).n == cases[i].n,
		    "header: %s", cases[i].name);
	for (size_t i = 0; i < big; i++)
		p[i] = "A: 345678\n"[i % 10];
	size_t n = dsn_header((struct view){ p, big }).n;
	ok(n == DSN_HEADER_MAX / 10 * 10, "header: bounded, whole lines (%zu)",
	    n);
	free(p);
}

/* ---- the report ---- */

static struct buf out;
static bool utf8;

static struct envelope
envelope_of(const char *sender, const char *params)
{
	return (struct envelope){ .id = view_of("4F2A9C0017E3"),
		.arrived_us = 1795170030250000,
		.sender = view_of(sender),
		.params = view_of(params) };
}

static struct dsn
report_of(const struct envelope *e, const struct dsn_rcpt *r, unsigned n,
    const char *content)
{
	return (struct dsn){ .id = "4F2A9C0017E4FFFF",
		.hostname = "mail.example.org",
		.to = e->sender,
		.now = 1795170130,
		.until = 1795602030,
		.random = 0x1234,
		.of = e,
		.rcpt = r,
		.rcpt_n = n,
		.content = view_of(content),
		.return_all = true };
}

static const char *
print(const struct dsn *d)
{
	buf_free(&out);
	buf_init(&out, 1 << 20);
	return dsn_print(&out, d, &utf8) ? buf_cstr(&out) : "";
}

static bool
has(const char *text)
{
	return out.n > 0 && memmem(out.p, out.n, text, strlen(text)) != NULL;
}

static unsigned
times(const char *text)
{
	unsigned n = 0;
	const char *p = buf_cstr(&out);

	for (; (p = strstr(p, text)) != NULL; p++)
		n++;
	return n;
}

#define MESSAGE                                                                \
	"Received: from x\r\nSubject: The\r\n\tminutes\r\n"                    \
	"Message-ID: <a1@example.org>\r\n\r\nsecret body\r\n"

static const struct dsn_rcpt failed = { .action = DSN_FAILED,
	.address = { "bob@example.net", 15 },
	.original = { "rob@example.net", 15 },
	.code = "5.1.1",
	.text = { "550 5.1.1 No such user", 22 },
	.remote = { "mx.example.net[192.0.2.7]:25", 28 } };

static void
test_failed(void)
{
	struct envelope e =
	    envelope_of("alice@example.org", "RET=FULL ENVID=QQ+2B314+20x");
	struct dsn_rcpt r = failed;

	r.params = view_of("NOTIFY=FAILURE ORCPT=rfc822;Rob+2Bx@example.net");
	struct dsn d = report_of(&e, &r, 1, MESSAGE);
	setenv("TZ", "UTC", 1);
	print(&d);
	ok(!utf8 && utf8_valid(buf_view(&out)), "a plain report");
	ok(strncmp(out.p, "Date: Fri, 20 Nov 2026 ", 10) == 0 &&
		has("\r\nFrom: Mail Delivery System "
		    "<MAILER-DAEMON@mail.example.org>\r\n"
		    "To: <alice@example.org>\r\n"
		    "Subject: Undelivered Mail Returned to Sender\r\n"
		    "Message-ID: <4F2A9C0017E4FFFF@mail.example.org>\r\n"
		    "In-Reply-To: <a1@example.org>\r\n"
		    "References: <a1@example.org>\r\n"
		    "Auto-Submitted: auto-replied\r\n"),
	    "RFC 3834: its header");
	ok(has("multipart/report; report-type=delivery-status;\r\n"
	       "\tboundary=\"4F2A9C0017E4FFFF.0000000000001234\"\r\n") &&
		times("--4F2A9C0017E4FFFF.0000000000001234\r\n") == 3 &&
		times("--4F2A9C0017E4FFFF.0000000000001234--\r\n") == 1,
	    "RFC 6522: three parts");
	ok(has("    Subject: The minutes\r\n") &&
		has("It could NOT be delivered") &&
		has("\r\n<rob@example.net>\r\n    There is no such mailbox."),
	    "people read what was sent to whom, and why not");
	ok(has("    The server mx.example.net[192.0.2.7]:25 said: "
	       "550 5.1.1 No such user\r\n"),
	    "and what the other server said");
	ok(has("\r\n\r\nOriginal-Envelope-Id: QQ+314 x\r\n"
	       "Reporting-MTA: dns; mail.example.org\r\n"
	       "Arrival-Date: "),
	    "RFC 3461 6.3 (a), (b)");
	ok(has("\r\n\r\nOriginal-Recipient: rfc822;Rob+x@example.net\r\n"
	       "Final-Recipient: rfc822;bob@example.net\r\n"
	       "Action: failed\r\nStatus: 5.1.1\r\n"
	       "Remote-MTA: dns; mx.example.net\r\n"
	       "Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n"
	       "Last-Attempt-Date: "),
	    "RFC 3464 2.3, 3461 6.3 (d)");
	ok(has("\r\nContent-Type: message/rfc822\r\n\r\n" MESSAGE "\r\n--"),
	    "the message, as it was");
	d.return_all = false;
	print(&d);
	ok(!has("secret body") &&
		has("\r\nContent-Type: text/rfc822-headers\r\n\r\n"
		    "Received: from x\r\nSubject: The\r\n\tminutes\r\n"
		    "Message-ID: <a1@example.org>\r\n\r\n--") &&
		!has("Original-Recipient: rfc822;rob"),
	    "or its header");
}

static void
test_others(void)
{
	struct envelope e = envelope_of("alice@example.org", "");
	struct dsn_rcpt r[] = { { .action = DSN_DELAYED,
				    .address = view_of("a@example.net"),
				    .code = "4.4.1",
				    .text = view_of("Connection refused") },
		{ .action = DSN_DELIVERED,
		    .address = view_of("b@example.net"),
		    .code = "2.0.0" },
		{ .action = DSN_RELAYED,
		    .address = view_of("c@example.net"),
		    .code = "2.0.0" },
		{ .action = DSN_EXPANDED,
		    .address = view_of("d@example.net"),
		    .code = "2.0.0" } };
	struct dsn d = report_of(&e, r, 4, MESSAGE);

	print(&d);
	ok(has("Subject: Delayed Mail (still being retried)\r\n") &&
		has("Action: delayed\r\nStatus: 4.4.1\r\n"
		    "Diagnostic-Code: x-pennypost; Connection refused\r\n"
		    "Last-Attempt-Date: ") &&
		times("Will-Retry-Until: ") == 1,
	    "a delay");
	ok(has("Final-Recipient: rfc822;b@example.net\r\nAction: delivered\r\n"
	       "Status: 2.0.0\r\n") &&
		has("Action: relayed\r\n") && has("Action: expanded\r\n"),
	    "success");
	ok(!has("Original-Recipient") && !has("Original-Envelope-Id") &&
		!has("Remote-MTA"),
	    "RFC 3461 6.3: nothing that was not given");
	d.rcpt = r + 1;
	d.rcpt_n = 1;
	d.hostname = "penny";
	r[1].address = view_of("erin");
	print(&d);
	ok(has("Final-Recipient: rfc822;erin@penny\r\n"),
	    "an address of this host gets its name");
	ok(has("Subject: Successful Mail Delivery Report\r\n") &&
		has("Reporting-MTA: x-local-hostname; penny\r\n"),
	    "6.3 (b): a host without a domain");
	e.sender = view_of("");
	d.to = view_of("postmaster@example.org");
	d.rcpt = &failed;
	print(&d);
	ok(has("To: <postmaster@example.org>\r\n") &&
		has("a message that names no sender") && !has("of yours"),
	    "the postmaster is told what he gets");
}

static void
test_utf8(void)
{
	struct envelope e = envelope_of("alice@example.org", "SMTPUTF8");
	struct dsn_rcpt r = { .action = DSN_FAILED,
		.address = view_of("j\xc3\xb6rg@example.net"),
		.params = view_of("ORCPT=utf-8;j\\x{F6}rg@example.net"),
		.code = "5.1.1" };
	struct dsn d = report_of(&e, &r, 1,
	    "Subject: \xc3\xbc\r\nMessage-ID: <\xc3\xbc@x>\r\n\r\nx\r\n");

	print(&d);
	ok(utf8 &&
		has("Content-Type: message/global-delivery-status\r\n"
		    "Content-Transfer-Encoding: 8bit\r\n") &&
		has("Original-Recipient: utf-8;j\xc3\xb6rg@example.net\r\n"
		    "Final-Recipient: utf-8;j\xc3\xb6rg@example.net\r\n") &&
		has("Content-Type: message/global\r\n"
		    "Content-Transfer-Encoding: 8bit\r\n") &&
		has("text/plain; charset=utf-8\r\n"
		    "Content-Transfer-Encoding: 8bit\r\n"),
	    "RFC 6533: to those who use it");
	ok(!has("In-Reply-To"), "no id that is not ASCII in our header");
	char far[400];
	memset(far, ' ', sizeof(far));
	memcpy(far, "\xc3\xb6", 2);
	r.address = (struct view){ far, sizeof(far) };
	e.params = view_of("");
	print(&d);
	ok(times("\\x{20}") < 160, "no line grows beyond 998 octets");
	r.address = view_of("j\xc3\xb6rg@example.net");
	d.return_all = false;
	print(&d);
	ok(!utf8 && has("Content-Type: message/delivery-status\r\n\r\n") &&
		has("Original-Recipient: utf-8;j\\x{F6}rg@example.net\r\n"
		    "Final-Recipient: utf-8;j\\x{F6}rg@example.net\r\n") &&
		has("Content-Type: text/rfc822-headers\r\n"
		    "Content-Transfer-Encoding: 8bit\r\n"),
	    "RFC 6533 3: to others in ASCII");
	e.sender = d.to = view_of("\xc3\xa4@example.org");
	print(&d);
	ok(utf8, "a sender outside ASCII needs SMTPUTF8");
}

/* ---- what is hostile ---- */

static void
test_hostile(void)
{
	char line[3000] = "X: ";
	struct envelope e = envelope_of("alice@example.org", "");
	struct dsn_rcpt r = failed;
	struct dsn d;

	r.text = view_of(
	    "550 one two three four five six seven eight nine ten eleven");
	d = report_of(&e, &r, 1, MESSAGE);
	print(&d);
	ok(has(" said: 550 one two three four\r\n    five"),
	    "long replies are wrapped for people");
	r.text = view_of("550 a\r\nBcc: eve@example.org\r\n\r\n.\r\n\x1b[2J");
	r.remote = view_of("mx\r\nX: y[1]");
	d = report_of(&e, &r, 1, MESSAGE);
	print(&d);
	ok(!has("\nBcc:") && !has("\nX: y") && !has("\x1b") &&
		has("550 a??Bcc: eve@example.org"),
	    "a reply with line ends stays one line");
	d = report_of(&e, &failed, 1,
	    "A: --4F2A9C0017E4FFFF.0000000000001234--\r\n\r\n"
	    "--4F2A9C0017E4FFFF.0000000000001235\r\n");
	print(&d);
	ok(has("boundary=\"4F2A9C0017E4FFFF.0000000000001236\"") &&
		times("4F2A9C0017E4FFFF.0000000000001236") == 5,
	    "a boundary that is not in the message");
	d = report_of(&e, &failed, 1, "A: 1\r\n\r\nx\ny\r\n");
	print(&d);
	ok(has("text/rfc822-headers") && !has("x\ny"),
	    "a message with a bare LF is not sent on");
	d.content = (struct view){ "A: \0\r1\r\n\r\n", 10 };
	print(&d);
	ok(has("text/rfc822-headers") && has("\r\nA: ??1\r\n"),
	    "nor a NUL or bare CR, not even in a header");
	memset(line + 3, 'a', 2000);
	memcpy(line + 2003, "\r\n\r\n", 5);
	d.content = view_of(line);
	print(&d);
	line[998] = '\0';
	ok(has(line) && (line[998] = 'a', line[999] = '\0', !has(line)),
	    "nor a line of more than 998 octets");
	d.content = view_of("not a header\r\n");
	print(&d);
	ok(has("text/rfc822-headers") || has("message/rfc822"),
	    "a message without a header");
	buf_free(&out);
	buf_init(&out, 300);
	ok(!dsn_print(&out, &d, &utf8) && out.bad, "no room: it says so");
}

static void
test_many(void)
{
	struct envelope e = envelope_of("alice@example.org", "");
	struct dsn_rcpt r[DSN_NOTED_MAX + 7];

	for (size_t i = 0; i < NELEM(r); i++)
		r[i] = failed;
	struct dsn d = report_of(&e, r, NELEM(r), MESSAGE);
	print(&d);
	ok(times("\r\n<rob@example.net>\r\n") == DSN_NOTED_MAX &&
		has("... and 7 more.\r\n") &&
		times("Action: failed") == NELEM(r),
	    "people need not read a list of 8,000");
}

/* ---- helpers ---- */

static void
test_unitext(void)
{
	char text[64];
	struct buf b;

	buf_init(&b, 200);
	unitext_encode(
	    &b, view_of("a\xc3\xb6\xe2\x82\xac\xf0\x9f\x98\x80+=\\ @"));
	ok(view_eqs(buf_view(&b),
	       "a\\x{F6}\\x{20AC}\\x{1F600}\\x{2B}\\x{3D}\\x{5C}\\x{20}@"),
	    "RFC 6533 3: unitext");
	ok(unitext_decode(buf_view(&b), text, sizeof(text)) &&
		strcmp(text, "a\xc3\xb6\xe2\x82\xac\xf0\x9f\x98\x80+=\\ @") ==
		    0,
	    "and back");
	static const char *const bad[] = { "\\", "\\x", "\\x{", "\\x{}",
		"\\x{41", "\\x{g}", "\\x{110000}", "\\x{D800}", "\\x{A}",
		"\\x{0}", "\\x{1234567}", "\xc3", "a\\y{41}" };
	for (size_t i = 0; i < NELEM(bad); i++)
		ok(!unitext_decode(view_of(bad[i]), text, sizeof(text)),
		    "not unitext: %s", bad[i]);
	ok(!unitext_decode(view_of("abcdef"), text, 6), "nor what is too long");
	buf_free(&b);
}

static void
test_words(void)
{
	ok(strstr(dsn_words("5.1.1"), "no such mailbox") != NULL &&
		strstr(dsn_words("5.1.10"), "no mail at all") != NULL &&
		strstr(dsn_words("4.4.1"), "does not answer") != NULL &&
		strstr(dsn_words("5.9.9"), "could not be delivered") != NULL &&
		dsn_words("") != NULL,
	    "plain words for each code");
}

int
main(void)
{
	buf_init(&out, 0);
	test_wanted();
	test_header();
	test_failed();
	test_others();
	test_utf8();
	test_hostile();
	test_many();
	test_unitext();
	test_words();
	buf_free(&out);
	return done_testing();
}
