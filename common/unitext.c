/* Unitext.  Runs in: queue, relay. */
#include "common/unitext.h"

#include "common/utf8.h"

enum { HEX_MAX = 6, LAST = 0x10ffff };

void
unitext_encode(struct buf *out, struct view v)
{
	while (v.n > 0) {
		uint32_t u = utf8_take(&v);
		if (u <= ' ' || u > '~' || u == '\\' || u == '+' || u == '=')
			buf_addf(out, "\\x{%02X}", (unsigned)u);
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
		n += utf8_put((uint32_t)u, out + n);
	}
	if (size == 0)
		return false;
	out[n] = '\0';
	return utf8_printable((struct view){ out, n });
}
