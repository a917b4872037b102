/* Unitext.  Runs in: queue, relay. */
#include "common/unitext.h"

#include "common/utf8.h"

enum { HEX_MAX = 6, LAST = 0x10ffff };

/* Takes one character off *v, which is UTF-8 and not empty. */
static unsigned long
take_character(struct view *v)
{
	unsigned char c = (unsigned char)v->p[0];
	size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	unsigned long u = n == 1 ? c : c & (0xffu >> (n + 1));

	for (size_t i = 1; i < n && i < v->n; i++)
		u = u << 6 | ((unsigned char)v->p[i] & 0x3fu);
	n = n < v->n ? n : v->n;
	*v = (struct view){ v->p + n, v->n - n };
	return u;
}

void
unitext_encode(struct buf *out, struct view v)
{
	while (v.n > 0) {
		unsigned long u = take_character(&v);
		if (u <= ' ' || u > '~' || u == '\\' || u == '+' || u == '=')
			buf_addf(out, "\\x{%02lX}", u);
		else
			buf_addc(out, (char)u);
	}
}

/* Takes "\x{HEX}" off *v; -1: it is none. */
static long
take_escape(struct view *v)
{
	long u = 0;
	size_t i = 3;

	if (v->n < 3 || v->p[1] != 'x' || v->p[2] != '{')
		return -1;
	for (; i < v->n && i < 3 + HEX_MAX && v->p[i] != '}'; i++) {
		int c = ascii_lower(v->p[i]);
		if (!ascii_digit(c) && (c < 'a' || c > 'f'))
			return -1;
		u = u * 16 + (ascii_digit(c) ? c - '0' : c - 'a' + 10);
	}
	if (i == 3 || i >= v->n || v->p[i] != '}' || u > LAST)
		return -1;
	*v = (struct view){ v->p + i + 1, v->n - i - 1 };
	return u;
}

/* Writes u as UTF-8; returns its octets. */
static size_t
put_character(unsigned long u, char *out)
{
	size_t n = u < 0x80 ? 1 : u < 0x800 ? 2 : u < 0x10000 ? 3 : 4;

	for (size_t i = n; i-- > 1; u >>= 6)
		out[i] = (char)(0x80 | (u & 0x3f));
	out[0] = (char)(n == 1 ? u : (0xf00u >> n & 0xf0) | u);
	return n;
}

bool
unitext_decode(struct view v, char *out, size_t size)
{
	size_t n = 0;

	while (v.n > 0) {
		if (n + 5 > size)
			return false;
		if (v.p[0] != '\\') {
			out[n++] = v.p[0];
			v = (struct view){ v.p + 1, v.n - 1 };
			continue;
		}
		long u = take_escape(&v);
		if (u <= 0)
			return false;
		n += put_character((unsigned long)u, out + n);
	}
	if (size == 0)
		return false;
	out[n] = '\0';
	return utf8_printable((struct view){ out, n });
}
