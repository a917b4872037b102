/* Binary MIME to base64: by table, in every cut, and octets decoded again. */
#include "smtpd/binary.h"

#include <string.h>

#include "common/base64.h"
#include "t/unit/cuts.h"

#define CTE "Content-Transfer-Encoding: "
#define MIXED "Content-Type: multipart/mixed; boundary=\"b b\"\r\n"

enum { ROOM = 1 << 20 };

/* clang-format off */
static const struct cuts_row rows[] = {
	{ "nothing", "", "" },
	{ "a text message", "Subject: x\r\n\r\nbody\r\n", "" },
	{ "another encoding", CTE "base64\r\n\r\nAAAA\r\n", "" },
	{ "RFC 2045 6.4: a leaf",
	  "A: 1\r\n" CTE "binary\r\nB: 2\r\n\r\nabc\r\n",
	  "A: 1\r\nB: 2\r\n" CTE "base64\r\n\r\nYWJjDQo=\r\n" },
	{ "no body", CTE "binary\r\n\r\n", CTE "base64\r\n\r\n" },
	{ "no line end", CTE "BiNaRy (a comment)\r\n\r\nab", CTE "base64\r\n\r\nYWI=\r\n" },
	{ "a CR last", CTE "binary\r\n\r\nab\r", CTE "base64\r\n\r\nYWIN\r\n" },
	{ "LF and CR are octets",
	  CTE "binary\r\n\r\na\nb\rc\r\r\nd",
	  CTE "base64\r\n\r\nYQpiDWMNDQpk\r\n" },
	{ "folded, name in any case",
	  "content-transfer-encoding:\r\n\t(x) binary\r\nC: 3\r\n\r\nab",
	  "C: 3\r\n" CTE "base64\r\n\r\nYWI=\r\n" },
	{ "twice", CTE "binary\r\n" CTE "binary\r\n\r\nab", CTE "base64\r\n\r\nYWI=\r\n" },
	{ "LF in the header", CTE "binary\n\nab", CTE "base64\r\n\r\nYWI=\r\n" },
	{ "RFC 2046 5.1: a multipart",
	  MIXED CTE "binary\r\n\r\npre\r\n--b b\r\n" CTE "binary\r\n\r\nab\r\n--b b\r\n\r\ntext\r\n"
	  "--b b--\r\npost\r\n",
	  MIXED CTE "8bit\r\n\r\npre\r\n--b b\r\n" CTE "base64\r\n\r\nYWI=\r\n--b b\r\n\r\ntext\r\n"
	  "--b b--\r\npost\r\n" },
	{ "an empty part",
	  MIXED "\r\n--b b\r\n" CTE "binary\r\n\r\n--b b\r\n" CTE "binary\r\n\r\n\r\n--b b--",
	  MIXED "\r\n--b b\r\n" CTE "base64\r\n\r\n--b b\r\n" CTE "base64\r\n\r\n--b b--" },
	{ "a CRLF of its own",
	  MIXED "\r\n--b b\r\n" CTE "binary\r\n\r\nab\r\n\r\n--b b--\r\n",
	  MIXED "\r\n--b b\r\n" CTE "base64\r\n\r\nYWINCg==\r\n--b b--\r\n" },
	{ "what looks like a boundary",
	  MIXED "\r\n--b b\r\n" CTE "binary\r\n\r\n--b bb\r\nx--b b\r\n\n--b b\n\r\n--b b \t\r\n\r\n",
	  MIXED "\r\n--b b\r\n" CTE "base64\r\n\r\nLS1iIGJiDQp4LS1iIGINCgotLWIgYgo=\r\n--b b \t\r\n\r\n" },
	{ "a part without a blank line",
	  MIXED "\r\n--b b\r\n" CTE "binary\r\n--b b--\r\n",
	  MIXED "\r\n--b b\r\n" CTE "8bit\r\n--b b--\r\n" },
	{ "nested; the inner one's end is missing",
	  MIXED "\r\n--b b\r\nContent-Type: multipart/x;\r\n  y=\"\\\";\"; boundary=i\r\n\r\n"
	  "--i\r\n" CTE "binary\r\n\r\nab\r\n--b b\r\n" CTE "binary\r\n\r\n--i\r\n--b b--\r\n",
	  MIXED "\r\n--b b\r\nContent-Type: multipart/x;\r\n  y=\"\\\";\"; boundary=i\r\n\r\n"
	  "--i\r\n" CTE "base64\r\n\r\nYWI=\r\n--b b\r\n" CTE "base64\r\n\r\nLS1p\r\n--b b--\r\n" },
	{ "behind the end of the inner one",
	  MIXED "\r\n--b b\r\nContent-Type: multipart/x; boundary=i\r\n\r\n--i\r\n\r\n--i--\r\n"
	  "--i\r\n" CTE "binary\r\n\r\n\x01\r\n--b b--\r\n", "" },
	{ "RFC 2046 5.2.1: an enclosed message",
	  "Content-Type: message/rfc822\r\n" CTE "binary\r\n\r\nA: 1\r\n" CTE "binary\r\n\r\nab",
	  "Content-Type: message/rfc822\r\n" CTE "8bit\r\n\r\nA: 1\r\n" CTE "base64\r\n\r\nYWI=\r\n" },
	{ "an encoded enclosed message is left alone",
	  "Content-Type: message/rfc822\r\n" CTE "base64\r\n\r\n" CTE "binary\r\n\r\nab", "" },
	{ "RFC 2046 5.1.5: a digest",
	  "Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\n" CTE "binary\r\n\r\nab\r\n--d--",
	  "Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\n" CTE "base64\r\n\r\nYWI=\r\n--d--" },
	{ "a multipart without boundary", "Content-Type: multipart/x\r\n" CTE "binary\r\n\r\nab",
	  "Content-Type: multipart/x\r\n" CTE "8bit\r\n\r\nab" },
	{ "RFC 2046 5.1.1: a boundary of 71",
	  "Content-Type: multipart/x; boundary=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	  "xxxxxxxxxxxxxxxxx\r\n\r\n", NULL },
};
/* clang-format on */

static bool
convert(struct view in, size_t step, struct buf *out)
{
	static struct binary b;

	buf_clear(out);
	binary_init(&b, BINARY_TO_LINES, NULL);
	while (in.n > 0)
		binary_convert(&b, view_take(&in, step), out);
	binary_end(&b, out);
	return !b.bad;
}

/* All octets, in bodies of all lengths around a row of base64. */
static void
octets(void)
{
	static const char head[] = MIXED "\r\n--b b\r\n" CTE "binary\r\n\r\n";
	static const char coded[] = MIXED "\r\n--b b\r\n" CTE "base64\r\n\r\n";
	struct buf in = { .max = ROOM }, out = { .max = ROOM };
	struct buf text = { .max = ROOM };
	bool good = true;

	for (size_t n = 0; n < 600; n += n < 130 ? 1 : 67) {
		char back[1024];
		size_t back_n = 0, start;
		buf_clear(&in);
		buf_clear(&text);
		buf_adds(&in, head);
		start = in.n;
		for (size_t i = 0; i < n; i++)
			buf_addc(&in, (char)(i * 7 % 256));
		size_t end = in.n;
		buf_adds(&in, "\r\n--b b--\r\n");
		good = good && convert(buf_view(&in), n % 13 + 1, &out);
		const char *p = out.p + strlen(coded);
		const char *stop = strstr(buf_cstr(&out), "--b b--");
		for (; p < stop; p++)
			if (*p != '\r' && *p != '\n')
				buf_addc(&text, *p);
		good = good &&
		       base64_decode(
			   buf_view(&text), back, sizeof(back), &back_n) &&
		       back_n == n && end - start == n &&
		       (n == 0 || memcmp(back, in.p + start, n) == 0);
	}
	ok(good, "octets of every length come back");
	buf_free(&in);
	buf_free(&out);
	buf_free(&text);
}

static void
limits(void)
{
	struct buf in = { .max = ROOM }, out = { .max = ROOM };

	for (unsigned depth = MIME_DEPTH; depth <= MIME_DEPTH + 1; depth++) {
		buf_clear(&in);
		for (unsigned i = 0; i < depth; i++)
			buf_addf(&in,
			    "%sContent-Type: multipart/x; boundary=%c\r\n\r\n--"
			    "%c\r\n",
			    "", 'a' + (int)i, 'a' + (int)i);
		ok(convert(buf_view(&in), 100, &out) == (depth <= MIME_DEPTH),
		    "%u multiparts", depth);
	}
	buf_clear(&in);
	buf_adds(&in, "Content-Type: multipart/x;");
	for (unsigned i = 0; i < 1000; i++)
		buf_adds(&in, " x=y;");
	buf_adds(&in, "\r\n\r\n");
	ok(!convert(buf_view(&in), 1000, &out),
	    "a Content-Type of 5000 octets is refused");
	buf_clear(&in);
	buf_adds(&in, "Subject: ");
	for (unsigned i = 0; i < 100000; i++)
		buf_adds(&in, "x");
	buf_adds(&in, "\r\n" CTE "binary\r\n\r\nab");
	ok(convert(buf_view(&in), 1000, &out) &&
		strstr(buf_cstr(&out), "\r\n\r\nYWI=\r\n") != NULL,
	    "a long field is none of our business");
	buf_free(&in);
	buf_free(&out);
}

int
main(void)
{
	cuts_table(rows, NELEM(rows), convert);
	octets();
	limits();
	return done_testing();
}
