/* Domains outside ASCII.  Runs in: sender. */
#include "common/idna.h"

#include <stdint.h>
#include <string.h>

#include "common/fold.h"
#include "common/utf8.h"

/* RFC 3492 5 */
enum {
	BASE = 36,
	T_MIN = 1,
	T_MAX = 26,
	SKEW = 38,
	DAMP = 700,
	FIRST_BIAS = 72,
	FIRST_N = 0x80
};

/* A label is not longer in characters than in Punycode. */
struct label {
	uint32_t c[IDNA_LABEL_MAX];
	size_t n;
};

struct out {
	char *p;
	size_t n, size;
	bool bad;
};

static void
put(struct out *o, char c)
{
	if (o->n + 1 >= o->size)
		o->bad = true;
	else
		o->p[o->n++] = c;
}

/* v is valid UTF-8.  False: too many characters. */
static bool
characters(struct view v, struct label *l)
{
	l->n = 0;
	for (size_t i = 0; i < v.n;) {
		unsigned char c = (unsigned char)v.p[i++];
		uint32_t u = c < 0x80	? c
			     : c < 0xe0 ? c & 0x1fu
			     : c < 0xf0 ? c & 0x0fu
					: c & 0x07u;
		while (i < v.n && ((unsigned char)v.p[i] & 0xc0) == 0x80)
			u = u << 6 | ((unsigned char)v.p[i++] & 0x3fu);
		if (l->n == IDNA_LABEL_MAX)
			return false;
		l->c[l->n++] = fold_small(u);
	}
	return true;
}

static uint32_t
adapt(uint32_t delta, uint32_t points, bool first)
{
	uint32_t k = 0;

	delta = first ? delta / DAMP : delta / 2;
	delta += delta / points;
	for (; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE)
		delta /= BASE - T_MIN;
	return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

/* 3.3: a number whose digits have growing weights. */
static void
put_number(struct out *o, uint32_t q, uint32_t bias)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	for (uint32_t k = BASE;; k += BASE) {
		uint32_t t = k <= bias		 ? T_MIN
			     : k >= bias + T_MAX ? T_MAX
						 : k - bias;
		if (q < t)
			break;
		put(o, digits[t + (q - t) % (BASE - t)]);
		q = (q - t) / (BASE - t);
	}
	put(o, digits[q]);
}

/* The least character that is not below n; there is one. */
static uint32_t
least(const struct label *l, uint32_t n)
{
	uint32_t m = UINT32_MAX;

	for (size_t i = 0; i < l->n; i++)
		if (l->c[i] >= n && l->c[i] < m)
			m = l->c[i];
	return m;
}

/* 6.3.  Nothing overflows: delta stays below 0x110000 * 64. */
static void
punycode(struct out *o, const struct label *l)
{
	uint32_t n = FIRST_N, delta = 0, bias = FIRST_BIAS, done = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (l->c[i] >= 0x80)
			continue;
		put(o, (char)l->c[i]);
		done++;
	}
	uint32_t basic = done;
	if (basic > 0)
		put(o, '-');
	while (done < l->n) {
		uint32_t m = least(l, n);
		delta += (m - n) * (done + 1);
		n = m;
		for (size_t i = 0; i < l->n; i++) {
			delta += l->c[i] < n;
			if (l->c[i] != n)
				continue;
			put_number(o, delta, bias);
			bias = adapt(delta, done + 1, done == basic);
			delta = 0;
			done++;
		}
		delta++;
		n++;
	}
}

static void
put_label(struct out *o, struct view v)
{
	size_t start = o->n;
	struct label l;

	if (view_ascii(v)) {
		for (size_t i = 0; i < v.n; i++)
			put(o, v.p[i]);
		return;
	}
	for (const char *p = "xn--"; *p != '\0'; p++)
		put(o, *p);
	if (characters(v, &l))
		punycode(o, &l);
	else
		o->bad = true;
	o->bad |= o->n - start > IDNA_LABEL_MAX;
}

bool
idna_ascii(struct view v, char *out, size_t size)
{
	struct out o = { .p = out, .size = size };
	bool more = v.n > 0;

	if (size == 0)
		return false;
	o.bad = !utf8_valid(v);
	while (more && !o.bad) {
		struct view label = view_split(&v, '.', &more);
		put_label(&o, label);
		if (more)
			put(&o, '.');
	}
	out[o.bad ? 0 : o.n] = '\0';
	return !o.bad;
}

bool
idna_address(struct view a, char *out, size_t size)
{
	size_t at = a.n;

	while (at > 0 && a.p[at - 1] != '@')
		at--;
	if (size > 0)
		out[0] = '\0';
	if (at == 0 || at >= size || !view_ascii((struct view){ a.p, at }))
		return false;
	bool good = idna_ascii(
	    (struct view){ a.p + at, a.n - at }, out + at, size - at);
	if (good)
		memcpy(out, a.p, at);
	else
		out[0] = '\0';
	return good;
}
