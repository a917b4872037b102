/* xtext.  Runs in: any role. */
#include "common/xtext.h"

static int
hex_digit(char c)
{
	if (ascii_digit(c))
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Takes one octet off *v; -1: it is not xtext. */
static int
take_octet(struct view *v)
{
	char c = v->p[0];
	size_t n = 1;
	int octet = c;

	if (c < '!' || c > '~' || c == '=')
		return -1;
	if (c == '+') {
		int hi = v->n < 3 ? -1 : hex_digit(v->p[1]);
		int lo = v->n < 3 ? -1 : hex_digit(v->p[2]);
		if (hi == -1 || lo == -1)
			return -1;
		octet = hi * 16 + lo;
		n = 3;
	}
	*v = (struct view){ v->p + n, v->n - n };
	return octet;
}

bool
xtext_decode(struct view v, char *out, size_t size)
{
	size_t n = 0;

	while (v.n > 0) {
		int octet = take_octet(&v);
		if (octet <= 0 || n + 1 >= size)
			return false;
		out[n++] = (char)octet;
	}
	out[n] = '\0';
	return true;
}

bool
xtext_printable(struct view v)
{
	if (v.n == 0)
		return false;
	while (v.n > 0) {
		int octet = take_octet(&v);
		if (octet < ' ' || octet > '~')
			return false;
	}
	return true;
}
