/* BDAT: the same message in chunks of any size; sizes, BINARYMIME
 * (RFC 3030). */
#define _GNU_SOURCE
#include "t/unit/smtp_stored.h"

/* The same message in chunks of every size, through every step of input. */
static void
chunks(void)
{
	static const char text[] =
	    "Subject: x\r\n\r\n.\r\n..\n.\r\nQUIT\r\n\0\r.\r\nend";
	static const char kept[] =
	    "Subject: x\r\n\r\n.\r\n..\r\n.\r\nQUIT\r\n\0\r.\r\nend";
	size_t n = sizeof(text) - 1;

	for (size_t step = 1; step <= n; step++)
		for (int mode = BY_LINE; mode <= AT_ONCE; mode++) {
			buf_clear(&in);
			buf_adds(&in, "EHLO c.test\r\nMAIL FROM:<a@b.org>\r\n"
				      "RCPT TO:<bob@example.org>\r\n");
			for (size_t at = 0; at < n; at += step) {
				size_t k = n - at < step ? n - at : step;
				buf_addf(&in, "BDAT %zu%s\r\n", k,
				    at + k == n ? " LAST" : "");
				buf_add(&in, text + at, k);
			}
			buf_adds(&in, "NOOP\r\n");
			fake.mode = mode;
			fake_session(buf_view(&in));
			ok(fake.delivered == 1 &&
				view_eq(stored(),
				    (struct view){ kept, sizeof(kept) - 1 }) &&
				count(buf_cstr(&fake.out),
				    "250 2.0.0 Ok\r\n") == 1,
			    "chunks of %zu, mode %d", step, mode);
		}
	fake.mode = BY_LINE;
}

/* Sends length octets in chunks of size, and looks for want in the last
 * reply before that to NOOP. */
static void
chunked(const char *name, const char *params, size_t length, size_t size,
    const char *each, const char *last)
{
	const char *out;
	unsigned n = 0;

	buf_clear(&in);
	buf_addf(&in,
	    "EHLO c.test\r\nMAIL FROM:<a@b.org>%s\r\n"
	    "RCPT TO:<bob@example.org>\r\n",
	    params);
	for (size_t at = 0; at < length; at += size, n++) {
		buf_addf(&in, "BDAT %zu\r\n", size);
		for (size_t i = 0; i < size; i++)
			buf_addc(&in, i % 64 == 63 ? '\n' : 'Q');
	}
	buf_adds(&in, "BDAT 0 LAST\r\nNOOP\r\n");
	fake.mode = AT_ONCE;
	fake_session(buf_view(&in));
	fake.mode = BY_LINE;
	out = buf_cstr(&fake.out);
	if (!ok(count(out, each) == (strcmp(each, last) == 0 ? n + 1 : n) &&
		    count(out, last) > 0 &&
		    count(out, "250 2.0.0 Ok\r\n") == 1 &&
		    fake.delivered == (last[0] == '2'),
		"RFC 3030: %s", name))
		printf("# %u chunks: %s\n", n, out);
}

static void
chunk_limits(void)
{
	chunked("to the limit", "", 98304, 8192, "octets taken",
	    "250 2.0.0 Ok: queued");
	chunked("one chunk over the limit", "", 131072, 131072, "552 5.3.4",
	    "552 5.3.4");
	chunked("a chunk of much more", "", 1000000, 1000000, "552 5.3.4",
	    "552 5.3.4");
	fake.spool_status = ERR_NOSPACE;
	chunked("no room", "", 70000, 70000, "452 4.3.1", "452 4.3.1");
	fake.spool_status = OK;
	fake_settings.bare_newline_reject = true;
	chunked("bare_newline reject", "", 100, 100, "554 5.6.0", "554 5.6.0");
	fake_settings.bare_newline_reject = false;
}

static void
binary_mime(void)
{
	static const char message[] =
	    "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
	    "Content-Transfer-Encoding: binary\r\n\r\na\nb\r\n.\r\n\0\xff"
	    "\r\n--x--\r\n";
	static const char want_text[] =
	    "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\nYQpiDQouDQoA/w=="
	    "\r\n--x--\r\n";

	for (int mode = BY_LINE; mode <= AT_ONCE; mode++) {
		buf_clear(&in);
		buf_addf(&in,
		    "EHLO c.test\r\nMAIL FROM:<a@b.org> body=binarymime\r\n"
		    "RCPT TO:<bob@example.org>\r\nBDAT 70\r\n");
		buf_add(&in, message, 70);
		buf_addf(&in, "BDAT %zu LAST\r\n", sizeof(message) - 71);
		buf_add(&in, message + 70, sizeof(message) - 71);
		fake.mode = mode;
		fake_session(buf_view(&in));
		ok(fake.delivered == 1 && view_eqs(stored(), want_text),
		    "RFC 3030 3: BINARYMIME, mode %d", mode);
	}
	fake.mode = BY_LINE;
	buf_clear(&in);
	buf_adds(&in, "EHLO c\r\nMAIL FROM:<a@b> BODY=BINARYMIME\r\n"
		      "RCPT TO:<bob>\r\nBDAT 3000 LAST\r\nContent-Type:");
	for (int i = 0; i < 3000 - 13; i++)
		buf_addc(&in, 'x');
	buf_adds(&in, "NOOP\r\n");
	fake_session(buf_view(&in));
	ok(strstr(buf_cstr(&fake.out), "\n554 5.6.3 ") != NULL &&
		fake.delivered == 0,
	    "what cannot be converted is refused");
}

int
main(void)
{
	stored_start();
	chunks();
	chunk_limits();
	binary_mime();
	return done_testing();
}
