/* 8-bit content for a server that takes 7: by table, in every cut, and decoded
 * again. */
#include "smtpd/seven_bit.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/cuts.h"

#define CTE "Content-Transfer-Encoding: "
#define MIME "MIME-Version: 1.0\r\n"
#define MIXED MIME "Content-Type: multipart/mixed; boundary=b\r\n"
#define TEXT "Content-Type: text/plain; charset=utf-8\r\n"
#define UNKNOWN "Content-Type: text/plain; charset=unknown-8bit\r\n"
#define QP CTE "quoted-printable\r\n"
#define AE "\xc3\xa4"

/* clang-format off */
static const struct cuts_row rows[] = {
	{ "nothing", "", "" },
	{ "ASCII", "Subject: x\r\n\r\nbody \r\n", "" },
	{ "RFC 1428: a message without MIME", "Subject: x\r\n\r\n" AE "\r\n",
	  "Subject: x\r\n" MIME UNKNOWN QP "\r\n=C3=A4\r\n" },
	{ "a body declared 8bit", MIME TEXT CTE "8bit\r\nX: y\r\n\r\na=b " AE " \r\n\t\r\n.\r\n",
	  MIME TEXT "X: y\r\n" QP "\r\na=3Db =C3=A4=20\r\n=09\r\n.\r\n" },
	{ "one declared 7bit, which is not", MIME TEXT CTE "7bit\r\n\r\n" AE, MIME TEXT QP "\r\n=C3=A4" },
	{ "ASCII that is declared 8bit", MIME TEXT CTE "8bit\r\n\r\nx\r\n", "" },
	{ "MIME-Version is added where a type was given", TEXT "\r\n" AE "\r\n",
	  TEXT MIME QP "\r\n=C3=A4\r\n" },
	{ "what is no text becomes base64", MIME "Content-Type: image/png\r\n" CTE "8bit\r\n\r\n" AE "\r\n",
	  MIME "Content-Type: image/png\r\n" CTE "base64\r\n\r\nw6QNCg==\r\n" },
	{ "RFC 2045 6.7: at most 76 octets",
	  MIME TEXT "\r\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" AE "bcd\r\n",
	  MIME TEXT QP "\r\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=\r\n=C3=A4bcd\r\n" },
	{ "a part of several", MIXED CTE "8bit\r\n\r\npre " AE "\r\n--b\r\n" TEXT "\r\n" AE "\r\n\r\n--b\r\n"
	  TEXT CTE "8bit\r\n\r\nascii\r\n--b\r\n\r\n" AE "\r\n--b--\r\npost " AE "\r\n",
	  MIXED CTE "7bit\r\n\r\npre ?""?\r\n--b\r\n" TEXT QP "\r\n=C3=A4\r\n\r\n--b\r\n"
	  TEXT CTE "8bit\r\n\r\nascii\r\n--b\r\n" UNKNOWN QP "\r\n=C3=A4\r\n--b--\r\npost ?""?\r\n" },
	{ "blanks before a boundary", MIXED "\r\n--b\r\n" TEXT "\r\n" AE " \r\n--b--\r\n",
	  MIXED "\r\n--b\r\n" TEXT QP "\r\n=C3=A4=20\r\n--b--\r\n" },
	{ "base64 before a boundary", MIXED "\r\n--b\r\nContent-Type: a/b\r\n\r\n" AE "\r\n--b--\r\n",
	  MIXED "\r\n--b\r\nContent-Type: a/b\r\n" CTE "base64\r\n\r\nw6Q=\r\n--b--\r\n" },
	{ "an empty part beside it", MIXED "\r\n--b\r\n" TEXT "\r\n--b\r\n\r\n" AE "\r\n--b--",
	  MIXED "\r\n--b\r\n" TEXT "\r\n--b\r\n" UNKNOWN QP "\r\n=C3=A4\r\n--b--" },
	{ "an enclosed message", MIME "Content-Type: message/rfc822\r\n" CTE "8bit\r\n\r\nSubject: " AE "\r\n\r\n" AE "\r\n",
	  MIME "Content-Type: message/rfc822\r\n" CTE "7bit\r\n\r\nSubject: =?utf-8?B?w6Q=?=\r\n" MIME UNKNOWN QP "\r\n=C3=A4\r\n" },
	{ "RFC 6532 3.7: message/global as a whole",
	  MIME "Content-Type: message/global\r\n\r\nSubject: " AE "\r\n\r\n" AE "\r\n",
	  MIME "Content-Type: message/global\r\n" QP "\r\nSubject: =C3=A4\r\n\r\n=C3=A4\r\n" },
	{ "RFC 1847: 8 bits in what is signed", MIME "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n" TEXT
	  CTE "8bit\r\n\r\n" AE "\r\n--b--\r\n", NULL },
	{ "in a header there", MIME "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\nX: " AE "\r\n\r\n\r\n--b--\r\n", NULL },
	{ "in a multipart there", MIXED "\r\n--b\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n"
	  "Content-Type: multipart/x; boundary=i\r\n\r\n--i\r\n\r\n" AE "\r\n--i--\r\n--s--\r\n--b--\r\n", NULL },
	{ "what is signed is not touched, what is beside it is",
	  MIXED "\r\n--b\r\nContent-Type: multipart/signed; boundary=s\r\n" CTE "8bit\r\n\r\n"
	  "--s\r\n" CTE "8bit\r\n" CTE "7bit\r\n" TEXT "\r\nx\r\n"
	  "--s\r\nContent-Type: multipart/x; boundary=i\r\n" CTE "8bit\r\nA: b\r\n\r\n--i--\r\n--s--\r\n--b\r\n\r\n" AE "\r\n--b--\r\n",
	  MIXED "\r\n--b\r\nContent-Type: multipart/signed; boundary=s\r\n" CTE "7bit\r\n\r\n"
	  "--s\r\n" CTE "8bit\r\n" CTE "7bit\r\n" TEXT "\r\nx\r\n"
	  "--s\r\nContent-Type: multipart/x; boundary=i\r\n" CTE "8bit\r\nA: b\r\n\r\n--i--\r\n--s--\r\n--b\r\n" UNKNOWN QP "\r\n=C3=A4\r\n--b--\r\n" },
	{ "stray octets in quoted-printable", MIME TEXT QP "\r\na=3D " AE " =\r\nb\r\n", MIME TEXT QP "\r\na=3D =C3=A4 =\r\nb\r\n" },
	{ "in base64: nobody knows what they mean", MIME TEXT CTE "base64\r\n\r\n" AE "\r\n", NULL },
	{ "an encoding that nobody knows", MIME TEXT CTE "x-own\r\n\r\n" AE "\r\n", NULL },
	{ "RFC 2046 5.2.2: message/partial", MIME "Content-Type: message/partial\r\n\r\n" AE "\r\n", NULL },
	{ "a multipart without boundary is no multipart", MIME "Content-Type: multipart/x\r\n\r\n" AE "\r\n",
	  MIME "Content-Type: multipart/x\r\n" CTE "base64\r\n\r\nw6QNCg==\r\n" },
	{ "a header alone", "Subject: Gr\xc3\xbc\xc3\x9f" "e\r\nX-Own: \xe4 b\r\nFrom: " AE " <a@b>\r\n\r\nx\r\n",
	  "Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\nX-Own: =?unknown-8bit?B?5A==?= b\r\nFrom: =?utf-8?B?w6Q=?= <a@b>\r\n\r\nx\r\n" },
	{ "RFC 2231 4: a file's name",
	  MIXED "\r\n--b\r\nContent-Disposition: attachment; filename=\"" AE " \\\"1.txt\"; size=3\r\n\r\nx\r\n--b--\r\n",
	  MIXED "\r\n--b\r\nContent-Disposition: attachment;\r\n\tfilename*=utf-8''%C3%A4%20%221.txt; size=3\r\n\r\nx\r\n--b--\r\n" },
	{ "what is no field", "A: b\r\n" AE "\r\n\r\nx\r\n", "A: b\r\n?""?\r\n\r\nx\r\n" },
	{ "line ends are CRLF", "Subject: x\n\n" AE "\na\rb", "Subject: x\r\n" MIME UNKNOWN QP "\r\n=C3=A4\r\na b" },
};
/* clang-format on */

static struct seven_bit s;

static void
phase(enum seven_phase p, struct view in, size_t step, struct buf *out)
{
	seven_bit_begin(&s, p);
	while (in.n > 0)
		seven_bit_add(&s, view_take(&in, step), out);
	seven_bit_end(&s, out);
}

/* False: it is stuck. */
static bool
convert(struct view in, size_t step, struct buf *out)
{
	buf_clear(out);
	phase(SEVEN_SIGNED, in, step, out);
	phase(SEVEN_PARTS, in, step, out);
	if (out->n > 0 || s.stuck != NULL)
		return false;
	phase(SEVEN_CONVERT, in, step, out);
	return s.stuck == NULL && !out->bad;
}

/* Undoes quoted-printable (RFC 2045 6.7); false: it is none. */
static bool
unquote(struct view v, struct buf *out)
{
	size_t column = 0;
	char hex[3] = "";

	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '\r' && i + 1 < v.n && v.p[i + 1] == '\n') {
			if (i > 0 && strchr(" \t", v.p[i - 1]) != NULL)
				return false;
			buf_adds(out, "\r\n");
			i++;
			column = 0;
			continue;
		}
		if (++column > 76 || v.p[i] > '~' ||
		    (v.p[i] < ' ' && v.p[i] != '\t'))
			return false;
		if (v.p[i] != '=') {
			buf_addc(out, v.p[i]);
		} else if (i + 2 < v.n && v.p[i + 1] == '\r') {
			i += 2;
			column = 0;
		} else if (i + 2 < v.n) {
			memcpy(hex, v.p + i + 1, 2);
			buf_addc(out, (char)strtol(hex, NULL, 16));
			i += 2;
			column += 2;
		} else {
			return false;
		}
	}
	return true;
}

/* Texts of all octets and lengths, but CR and LF only in pairs. */
static void
texts(void)
{
	static const char head[] = MIXED "\r\n--b\r\n" TEXT "\r\n";
	static const char coded[] = MIXED "\r\n--b\r\n" TEXT QP "\r\n";
	static const char tail[] = "\r\n--b--\r\n";
	struct buf in = { .max = 1 << 20 }, out, text = { .max = 1 << 20 };
	uint32_t seed = 1;
	bool good = true;

	buf_init(&out, SEVEN_BIT_OUT);
	for (size_t n = 1; n < 3000 && good; n += n / 20 + 1) {
		buf_clear(&in);
		buf_clear(&text);
		buf_adds(&in, head);
		for (size_t i = 0; i < n; i++) {
			seed = seed * 1103515245u + 12345u;
			char c = (char)(seed >> 16);
			if (seed >> 28 == 0)
				c = " \t.="[seed >> 20 & 3];
			if (c == '\r' || seed >> 27 == 31)
				buf_adds(&in, "\r\n");
			else if (c != '\n')
				buf_addc(&in, c);
		}
		buf_adds(&in, "\xff");
		size_t body_n = in.n - (sizeof(head) - 1);
		buf_adds(&in, tail);
		good = convert(buf_view(&in), n % 97 + 1, &out) &&
		       out.n > sizeof(coded) + sizeof(tail) &&
		       memcmp(out.p, coded, sizeof(coded) - 1) == 0;
		if (!good)
			break;
		struct view v = { out.p + sizeof(coded) - 1,
			out.n - (sizeof(coded) - 1) - (sizeof(tail) - 1) };
		good = unquote(v, &text) && text.n == body_n &&
		       memcmp(text.p, in.p + sizeof(head) - 1, body_n) == 0;
	}
	ok(good, "texts of every length come back octet by octet");
	buf_free(&in);
	buf_free(&out);
	buf_free(&text);
}

static void
limits(void)
{
	struct buf in = { .max = 1 << 22 }, out;

	buf_init(&out, 1 << 23);
	buf_adds(&in, MIXED "\r\n");
	for (unsigned i = 0; i < BINARY_LEAVES; i++)
		buf_adds(&in, "--b\r\n\r\n\r\n");
	buf_adds(&in, "--b\r\n\r\n\xff\r\n--b--\r\n");
	ok(!convert(buf_view(&in), 4096, &out), "too many parts");
	buf_clear(&in);
	buf_adds(&in, "Subject: ");
	for (unsigned i = 0; i <= SURROGATE_FIELD_MAX; i++)
		buf_addc(&in, 'x');
	buf_adds(&in, "\r\n\r\n\xff\r\n");
	ok(!convert(buf_view(&in), 4096, &out),
	    "a field that could not stay as it is: no part of it goes");
	buf_free(&in);
	buf_free(&out);
}

int
main(void)
{
	seven_bit_init(&s);
	cuts_table(rows, NELEM(rows), convert);
	texts();
	limits();
	seven_bit_free(&s);
	return done_testing();
}
