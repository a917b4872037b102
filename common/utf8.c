/* UTF-8.  Runs in: any role. */
#include "common/utf8.h"

#include <string.h>

/* Length of the character at the start of v; 0: it is none. */
static size_t
character(struct view v)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = (unsigned char)v.p[0];
	size_t n = c < 0x80   ? 1
		   : c < 0xc0 ? 0
		   : c < 0xe0 ? 2
		   : c < 0xf0 ? 3
		   : c < 0xf8 ? 4
			      : 0;

	if (n < 2 || n > v.n)
		return n > v.n ? 0 : n;
	uint32_t u = c & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		c = (unsigned char)v.p[i];
		if ((c & 0xc0) != 0x80)
			return 0;
		u = u << 6 | (c & 0x3f);
	}
	if (u < least[n] || u > 0x10ffff || (u >= 0xd800 && u < 0xe000))
		return 0;
	return n;
}

bool
utf8_valid(struct view v)
{
	while (v.n > 0) {
		size_t n = character(v);
		if (n == 0)
			return false;
		v.p += n;
		v.n -= n;
	}
	return true;
}

bool
utf8_printable(struct view v)
{
	if (!utf8_valid(v))
		return false;
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c < ' ' || c == 0x7f)
			return false;
		if (c == 0xc2 && (unsigned char)v.p[i + 1] < 0xa0)
			return false;
		if (c == 0xe2 && (memcmp(v.p + i + 1, "\x80\xa8", 2) == 0 ||
				     memcmp(v.p + i + 1, "\x80\xa9", 2) == 0))
			return false;
	}
	return true;
}

uint32_t
utf8_take(struct view *v)
{
	unsigned char c = (unsigned char)v->p[0];
	size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	uint32_t u = n == 1 ? c : c & (0x7fu >> n);

	n = n < v->n ? n : v->n;
	for (size_t i = 1; i < n; i++)
		u = u << 6 | ((unsigned char)v->p[i] & 0x3f);
	*v = (struct view){ v->p + n, v->n - n };
	return u;
}

size_t
utf8_put(uint32_t u, char out[4])
{
	static const unsigned char mark[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	size_t n = u < 0x80 ? 1 : u < 0x800 ? 2 : u < 0x10000 ? 3 : 4;

	for (size_t i = n; n > 1 && i-- > 1; u >>= 6)
		out[i] = (char)(0x80 | (u & 0x3f));
	out[0] = (char)(mark[n] | u);
	return n;
}
