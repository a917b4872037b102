/*
 * DATA: one message in is one message stored, whatever stands around the dot
 * and however it is cut (RFC 5321 4.1.1.4, 4.5.2); sizes, loops, trace header.
 */
#define _GNU_SOURCE
#include "t/unit/smtp_stored.h"

#define BEGIN                                                                  \
	"EHLO c.test\r\nMAIL FROM:<a@b.org>\r\nRCPT TO:<bob@example.org>\r\n"  \
	"DATA\r\n"
#define EVIL                                                                   \
	"MAIL FROM:<evil@b.org>\r\nRCPT TO:<alice@example.org>\r\n"            \
	"DATA\r\nsmuggled\r\n.\r\n"
static struct buf want = { .max = 1 << 21 };

/* ---- smuggling ---- */

static const struct view ends[] = { { "\r", 1 }, { "\n", 1 }, { "\r\n", 2 },
	{ "\0", 1 }, { "\r\r\n", 3 }, { "", 0 } };

/* Content as it must be stored: dots taken off, bare LF made CRLF, up to the
 * end; written as simply as can be, to be compared with the real thing.
 * Returns how many octets of v the content and its end take; 0: no end. */
static size_t
reference(struct view v, struct buf *out)
{
	bool line_start = true;

	buf_clear(out);
	for (size_t i = 0; i < v.n; i++) {
		bool crlf = i > 0 && v.p[i - 1] == '\r' && v.p[i] == '\n';

		if (line_start && v.p[i] == '.') {
			if (v.n - i >= 3 && memcmp(v.p + i, ".\r\n", 3) == 0)
				return i + 3;
			line_start = false;
			continue;
		}
		if (v.p[i] == '\n' &&
		    (out->n == 0 || out->p[out->n - 1] != '\r'))
			buf_addc(out, '\r');
		buf_addc(out, v.p[i]);
		line_start = crlf;
	}
	return 0;
}

static void
smuggling_one(struct view before, struct view after, int mode)
{
	size_t start;

	buf_clear(&in);
	buf_adds(&in, BEGIN);
	start = in.n;
	buf_adds(&in, "x");
	buf_addv(&in, before);
	buf_addc(&in, '.');
	buf_addv(&in, after);
	buf_adds(&in, EVIL);
	fake.mode = mode;
	fake_session(buf_view(&in));
	size_t used =
	    reference((struct view){ in.p + start, in.n - start }, &want);
	/* EVIL ends it at the latest; if the dot ended it, EVIL is a second
	 * message by right. */
	bool two = start + used < in.n;
	if (two) {
		ok(before.n >= 2 && after.n >= 2 && fake.delivered >= 1 &&
			memcmp(before.p + before.n - 2, "\r\n", 2) == 0 &&
			memcmp(after.p, "\r\n", 2) == 0,
		    "CRLF.CRLF ends, mode %d", mode);
		return;
	}
	ok(fake.delivered == 1 && strcmp(fake.rcpt, "bob@example.org") == 0 &&
		view_eq(stored(), buf_view(&want)),
	    "%zu octets, dot, %zu octets: one message, mode %d", before.n,
	    after.n, mode);
}

static void
smuggling(void)
{
	for (size_t a = 0; a < NELEM(ends); a++)
		for (size_t b = 0; b < NELEM(ends); b++)
			for (size_t c = 0; c < NELEM(ends); c++)
				for (size_t d = 0; d < NELEM(ends); d++) {
					char pre[8], post[8];
					memcpy(pre, ends[a].p, ends[a].n);
					memcpy(pre + ends[a].n, ends[b].p,
					    ends[b].n);
					memcpy(post, ends[c].p, ends[c].n);
					memcpy(post + ends[c].n, ends[d].p,
					    ends[d].n);
					struct view v = { pre,
						ends[a].n + ends[b].n };
					struct view w = { post,
						ends[c].n + ends[d].n };
					smuggling_one(v, w, BY_LINE);
					smuggling_one(v, w, BY_OCTET);
				}
}

/* ---- people whose programs send LF alone ---- */

#define LF_END "text\n.\n"
#define LF_EVIL                                                                \
	"MAIL FROM:<evil@b.org>\nRCPT TO:<alice@example.org>\n"                \
	"DATA\nsmuggled\n.\n"

static void
lf_good(void)
{
	for (int mode = BY_LINE; mode <= AT_ONCE; mode++) {
		fake.mode = mode;
		fake_session(
		    view_of("EHLO c\nMAIL FROM:<a@b.org>\n"
			    "RCPT TO:<bob@example.org>\nDATA\n"
			    "Subject: x\n\n..a\n" LF_END "MAIL FROM:<a@b.org>\n"
			    "RCPT TO:<alice@example.org>\n"
			    "DATA\n" LF_END "QUIT\n"));
		ok(fake.delivered == 2 && view_eqs(stored(), "text\r\n") &&
			strstr(buf_cstr(&fake.out), "\n221 2.0.0") != NULL,
		    "LF only: two messages, mode %d", mode);
	}
	fake.mode = BY_LINE;
	fake_session(view_of("EHLO c\nMAIL FROM:<a@b.org>\n"
			     "RCPT TO:<bob@example.org>\nDATA\n"
			     "Subject: x\n\n..a\n" LF_END));
	ok(view_eqs(stored(), "Subject: x\r\n\r\n.a\r\ntext\r\n"),
	    "LF only: what is stored");
}

/* A single CR, wherever it is, and LF.LF ends nothing. */
static void
lf_turned(void)
{
	static const char *const starts[] = {
		"EHLO c\r\nMAIL FROM:<a@b.org>\nRCPT TO:<bob>\nDATA\n",
		"EHLO c\nMAIL FROM:<a@b.org>\r\nRCPT TO:<bob>\nDATA\n",
		"EHLO c\nMAIL FROM:<a@b.org>\nRCPT TO:<bob>\r\nDATA\n",
		"EHLO c\nMAIL FROM:<a@b.org>\nRCPT TO:<bob>\nDATA\r\n",
		"NO\rOP\nEHLO c\nMAIL FROM:<a@b.org>\nRCPT TO:<bob>\nDATA\n",
		"EHLO c\nMAIL FROM:<a@b.org>\nRCPT TO:<bob>\nDATA\na\r\n",
		"EHLO c\nMAIL FROM:<a@b.org>\nRCPT TO:<bob>\nDATA\na\rb\n",
		"EHLO c\nMAIL FROM:<a@b.org>\nRCPT TO:<bob>\nDATA\na\n.\r",
		"EHLO c\nMAIL FROM:<a@b.org>\nRCPT TO:<bob>\nDATA\na\n.\r\n",
	};

	for (size_t i = 0; i < NELEM(starts); i++)
		for (int mode = BY_LINE; mode <= BY_OCTET; mode++) {
			buf_clear(&in);
			buf_adds(&in, starts[i]);
			buf_adds(&in, LF_END LF_EVIL "x\r\n.\r\n");
			fake.mode = mode;
			fake_session(buf_view(&in));
			ok(fake.delivered == 1 &&
				strcmp(fake.rcpt, "bob") == 0 &&
				strstr(buf_cstr(&fake.content), "smuggled") !=
				    NULL,
			    "turned to CRLF, %zu: one message, mode %d", i,
			    mode);
		}
	fake.mode = BY_LINE;
	fake_session(view_of("EHLO c\nMAIL FROM:<a@b.org>\nRCPT TO:<bob>\n"
			     "DATA\n" LF_END "NOOP\r\n"
			     "MAIL FROM:<a@b.org>\nRCPT TO:<bob>\n"
			     "DATA\n" LF_END LF_EVIL "x\r\n.\r\n"));
	ok(fake.delivered == 2 &&
		strstr(buf_cstr(&fake.content), "smuggled") != NULL,
	    "turned behind a message, and back");
}

static void
lf_rejected(void)
{
	fake_settings.bare_newline_reject = true;
	fake_session(view_of("EHLO c\nQUIT\r\n"));
	ok(strstr(buf_cstr(&fake.out), "\n500 5.5.2 Lines") != NULL,
	    "bare_newline reject: a command");
	for (int i = 0; i < 2; i++) {
		buf_clear(&in);
		buf_adds(&in, BEGIN);
		buf_adds(&in, i == 0 ? "a\nb\r\n.\r\n" : "\n.\n\r\n.\r\n");
		buf_adds(&in, "NOOP\r\n");
		fake_session(buf_view(&in));
		ok(strstr(buf_cstr(&fake.out),
		       "\n554 5.6.0 A line of the message ends in <LF>") !=
			    NULL &&
			fake.delivered + fake.queued == 0 &&
			count(buf_cstr(&fake.out), "250 2.0.0 Ok\r\n") == 1,
		    "bare_newline reject: content, %d", i);
	}
	fake_settings.bare_newline_reject = false;
}

/* ---- content ---- */

static void
content(
    const char *name, struct view text, const char *end, const char *reply_want)
{
	buf_clear(&in);
	buf_adds(&in, BEGIN);
	size_t start = in.n;
	buf_addv(&in, text);
	buf_adds(&in, end);
	buf_adds(&in, "NOOP\r\n");
	fake.mode = BY_LINE;
	fake_session(buf_view(&in));
	reference((struct view){ in.p + start, in.n - start }, &want);
	const char *out = strstr(buf_cstr(&fake.out), "354 ");
	const char *got = out == NULL ? "" : strchr(out, '\n') + 1;
	bool good = strncmp(got, reply_want, strlen(reply_want)) == 0 &&
		    count(got, "250 2.0.0 Ok\r\n") == 1;
	if (reply_want[0] == '2')
		good &=
		    fake.delivered == 1 && view_eq(stored(), buf_view(&want));
	else
		good &= fake.delivered + fake.queued == 0;
	if (!ok(good, "%s", name))
		printf("# %s", got);
}

static void
contents(void)
{
	struct buf b = { .max = 1 << 21 };

	content("empty", view_of(""), ".\r\n", "250 ");
	content("one empty line", view_of("\r\n"), ".\r\n", "250 ");
	content(
	    "leading dots", view_of("..\r\n..x\r\n...\r\n"), ".\r\n", "250 ");
	content("a dot and a blank", view_of(". \r\n"), ".\r\n", "250 ");
	content("From_ lines", view_of("\r\nFrom x\r\n>From y\r\n"), ".\r\n",
	    "250 ");
	content("8-bit and NUL", (struct view){ "a\0\xff\x80\r\n", 6 }, ".\r\n",
	    "250 ");
	content("bare CR stays", view_of("a\rb\r\r\n"), ".\r\n", "250 ");
	content(
	    "bare LF becomes CRLF", view_of("a\nb\n\nc\r\n"), ".\r\n", "250 ");
	for (size_t n = 59000; n < 140000; n += 4987) {
		fake_settings.message_size_max = 200000;
		buf_clear(&b);
		buf_adds(&b, "Subject: long\r\n\r\n");
		while (b.n < n)
			buf_addf(&b, "line %zu\n.%s\r\n", b.n,
			    b.n % 3 == 0 ? "" : ".");
		content(
		    "in memory or in the file", buf_view(&b), ".\r\n", "250 ");
	}
	fake_settings.message_size_max = 100000;
	buf_clear(&b);
	for (int i = 0; i < 100; i++) {
		for (int j = 0; j < 998; j++)
			buf_addc(&b, 'x');
		buf_adds(&b, "\r\n");
	}
	content(
	    "RFC 1870 6.3: exactly the limit", buf_view(&b), ".\r\n", "250 ");
	content("an empty line more", buf_view(&b), "\r\n.\r\n", "552 5.3.4");
	while (b.n < 1000000)
		buf_adds(&b, "QUIT\r\nNOOP\r\n");
	content(
	    "much more, commands in it", buf_view(&b), ".\r\n", "552 5.3.4");
	fake.spool_status = ERR_NOSPACE;
	b.n = 80000;
	content("no room for the file", buf_view(&b), "\r\n.\r\n", "452 4.3.1");
	fake.spool_status = ERR_DOWN;
	content("no queue", buf_view(&b), "\r\n.\r\n", "451 4.3.0");
	fake.spool_status = OK;
	buf_free(&b);
}

static void
queue_failures(void)
{
	static const struct {
		enum status st;
		const char *want;
	} cases[] = { { ERR_NOSPACE, "452 4.3.1" }, { ERR_QUOTA, "452 4.3.1" },
		{ ERR_IO, "451 4.3.0" }, { ERR_DOWN, "451 4.3.0" },
		{ ERR_PERM, "550 5.7.1" } };

	for (size_t i = 0; i < NELEM(cases); i++) {
		fake.queue_status = cases[i].st;
		fake_session(view_of(
		    "HELO c\r\nMAIL FROM:<>\r\n"
		    "RCPT TO:<bob>\r\nRCPT TO:<alice>\r\nDATA\r\nx\r\n.\r\n"));
		ok(strstr(buf_cstr(&fake.out), cases[i].want) != NULL &&
			count(buf_cstr(&fake.out), "queued as") == 0,
		    "the queue says %s: %s", status_text(cases[i].st),
		    cases[i].want);
	}
	fake.queue_status = OK;
}

/* RFC 5321 6.3 */
static void
hops(unsigned n, const char *want_reply)
{
	buf_clear(&in);
	buf_adds(&in, BEGIN);
	for (unsigned i = 0; i < n; i++)
		buf_addf(&in, "%s: by %u\r\n\tfolded\r\n",
		    i % 2 ? "Received" : "RECEIVED ", i);
	buf_adds(&in, "\r\nReceived: in the body\r\n.\r\n");
	for (fake.mode = BY_LINE; fake.mode <= BY_OCTET; fake.mode++) {
		fake_session(buf_view(&in));
		ok(strstr(buf_cstr(&fake.out), want_reply) != NULL,
		    "6.3: %u hops: %s", n, want_reply);
	}
}

/* What becomes too large on its way is refused as what comes too large. */
static void
growth(void)
{
	struct buf b = { .max = 1 << 21 };

	fake_settings.message_size_max = 300000;
	for (size_t n = 0; n < 40000; n++)
		buf_addc(&b, '\n');
	content("40,000 CRs are added", buf_view(&b), "\r\n.\r\n", "250 ");
	while (b.n < 290000)
		buf_addc(&b, '\n');
	content("290,000 CRs are not", buf_view(&b), "\r\n.\r\n", "552 5.3.4");
	fake_settings.message_size_max = 100000;
	buf_free(&b);
}

int
main(void)
{
	stored_start();
	smuggling();
	lf_good();
	lf_turned();
	lf_rejected();
	contents();
	queue_failures();
	hops(100, "250 2.0.0");
	hops(101, "554 5.4.6");
	growth();
	return done_testing();
}
