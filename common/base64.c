/* Base64, strict.  Runs in: worker. */
#include "common/base64.h"

#include <stdint.h>

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The six bits that c stands for, or -1. */
static int
sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* One group of four characters, the last pad of which are '='. */
static bool
group_decode(const char *in, unsigned pad, unsigned char *out)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < 4; i++) {
		int six = i < 4 - pad ? sextet(in[i]) : 0;
		if (six < 0)
			return false;
		bits = bits << 6 | (uint32_t)six;
	}
	/* Under the padding there must be nothing: else one password would
	 * have several spellings. */
	if ((bits & ((1u << (8 * pad)) - 1)) != 0)
		return false;
	for (unsigned i = 0; i < 3 - pad; i++)
		out[i] = (unsigned char)(bits >> (16 - 8 * i));
	return true;
}

bool
base64_decode(struct view in, void *out, size_t size, size_t *n)
{
	unsigned char *to = out;
	size_t have = 0;
	unsigned pad = 0;

	*n = 0;
	if (in.n % 4 != 0)
		return false;
	if (in.n > 0 && in.p[in.n - 1] == '=')
		pad = in.p[in.n - 2] == '=' ? 2 : 1;
	if (in.n / 4 * 3 - pad > size)
		return false;
	for (size_t at = 0; at < in.n; at += 4) {
		unsigned p = at + 4 == in.n ? pad : 0;
		if (!group_decode(in.p + at, p, to + have))
			return false;
		have += 3 - p;
	}
	*n = have;
	return true;
}

bool
base64_encode(struct view in, char *out, size_t size)
{
	size_t have = 0;

	if (size == 0)
		return false;
	out[0] = '\0';
	if (in.n > (size - 1) / 4 * 3 || BASE64_LEN(in.n) >= size)
		return false;
	for (size_t at = 0; at < in.n; at += 3) {
		size_t left = in.n - at < 3 ? in.n - at : 3;
		uint32_t bits = 0;
		for (size_t i = 0; i < 3; i++)
			bits = bits << 8 |
			       (i < left ? (unsigned char)in.p[at + i] : 0);
		for (size_t i = 0; i < 4; i++)
			out[have++] = i > left
					  ? '='
					  : alphabet[bits >> (18 - 6 * i) & 63];
	}
	out[have] = '\0';
	return true;
}
