/*
 * SASLprep.  Pure.  Runs in: auth, pennyctl.
 *
 *	map -> take apart (NFKD) -> put together (NFC) -> prohibited? -> bidi?
 *
 * Canonical parts are those of fold.c: what Unicode 3.2 has, is made of the
 * same parts ever since, and what it has not, is left alone here.
 */
#define _GNU_SOURCE
#include "common/saslprep.h"

#include <assert.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "common/fold.h"
#include "common/nfkc_table.h"
#include "common/saslprep_table.h"
#include "common/utf8.h"

enum { TEXT_MAX = 2048 /* characters */ };

struct text {
	uint32_t c[TEXT_MAX];
	unsigned char class[TEXT_MAX]; /* of combining */
	size_t n;
	bool full;
};

/* ---- the tables ---- */

static bool
in(const uint32_t *table, size_t numbers, uint32_t u)
{
	const uint32_t *row = fold_row(table, numbers / 2, 2, u);

	return row != NULL && u <= row[1];
}
#define IN(table, u) in((table), NELEM(table), (u))

/* The one character that u stands for; 0: it is none of those. */
static uint32_t
stands_for(uint32_t u)
{
	const uint32_t *table = (const uint32_t *)nfkc_one;
	const uint32_t *row = fold_row(table, NELEM(nfkc_one) / 3, 3, u);

	if (row == NULL || u > row[1])
		return 0;
	return u + row[2]; /* a negative one wraps around */
}

/* Several characters that u stands for; how many. */
static size_t
stand_for(uint32_t u, const uint32_t **out)
{
	const uint32_t *row = fold_row(nfkc_many, NELEM(nfkc_many) / 2, 2, u);

	if (row == NULL || row[0] != u)
		return 0;
	*out = nfkc_text + row[1];
	return row[3] - row[1]; /* the next one's begin behind them */
}

/* ---- normal form KC (UAX 15) ---- */

/* A mark of a letter that Unicode 3.2 does not have is none. */
static unsigned char
class_of(uint32_t u)
{
	return IN(prep_unassigned, u) ? 0 : fold_class(u);
}

static void
add(struct text *t, uint32_t u)
{
	t->full = t->full || t->n == TEXT_MAX;
	if (t->full)
		return;
	t->c[t->n] = u;
	t->class[t->n++] = class_of(u);
}

static void
take_apart(struct text *t, uint32_t u)
{
	const uint32_t *parts;
	uint32_t one = stands_for(u), syllable[3];
	size_t n = stand_for(u, &parts), letters = fold_hangul(u, syllable);

	if (one != 0) {
		take_apart(t, one);
	} else if (n > 0) {
		for (size_t k = 0; k < n; k++)
			take_apart(t, parts[k]);
	} else if (letters > 0) {
		for (size_t k = 0; k < letters; k++)
			add(t, syllable[k]);
	} else if (!IN(prep_unassigned, u) &&
		   (parts = fold_parts_of(u)) != NULL) {
		take_apart(t, parts[0]);
		if (parts[1] != 0)
			take_apart(t, parts[1]);
	} else {
		add(t, u);
	}
}

/* The character that is made of a and b; 0: none. */
static uint32_t
whole(uint32_t a, uint32_t b)
{
	uint32_t l = a - HANGUL_L, v = b - HANGUL_V, s = a - HANGUL,
		 t = b - HANGUL_T, u = 0;

	if (b < 0x300)
		return 0; /* nothing is made by adding such a one */
	if (a >= HANGUL_L && l < HANGUL_L_N && b >= HANGUL_V && v < HANGUL_V_N)
		return HANGUL + (l * HANGUL_V_N + v) * HANGUL_T_N;
	if (a >= HANGUL && s < HANGUL_N && s % HANGUL_T_N == 0 &&
	    b > HANGUL_T && t < HANGUL_T_N)
		return a + t;
	do
		u = fold_next_whole(a, b, u);
	while (u != 0 && (IN(nfkc_apart, u) || IN(prep_unassigned, u)));
	return u;
}

static void
put_together(struct text *t)
{
	size_t first = 0, n = 1; /* first: the letter that marks may join */
	unsigned last = t->n == 0 || t->class[0] == 0 ? 0 : UINT_MAX;

	for (size_t i = 1; i < t->n; i++) {
		uint32_t u = t->c[i], w = 0;
		unsigned char class = t->class[i];
		/* No other mark of its class, nor a letter, in between. */
		if (last < class || last == 0)
			w = whole(t->c[first], u);
		if (w != 0) {
			t->c[first] = w;
			continue;
		}
		if (class == 0)
			first = n;
		last = class;
		t->c[n++] = u;
	}
	t->n = t->n == 0 ? 0 : n;
}

/* ---- */

static void
map(struct text *t, struct view v)
{
	while (v.n > 0) {
		uint32_t u = utf8_take(&v);
		if (IN(prep_space, u))
			take_apart(t, ' ');
		else if (!IN(prep_nothing, u))
			take_apart(t, u);
	}
}

static bool
is_left(uint32_t u)
{
	return (u < 0x80 && ascii_alpha((int)u)) || IN(prep_left, u);
}

/* RFC 3454 6: where something is written from the right, nothing is from the
 * left, and it begins and ends so. */
static bool
one_direction(const struct text *t)
{
	bool right = false, left = false;

	for (size_t i = 0; i < t->n; i++) {
		right = right || IN(prep_right, t->c[i]);
		left = left || is_left(t->c[i]);
	}
	return !right || (!left && IN(prep_right, t->c[0]) &&
			     IN(prep_right, t->c[t->n - 1]));
}

static bool
allowed(const struct text *t, enum saslprep how)
{
	for (size_t i = 0; i < t->n; i++) {
		uint32_t u = t->c[i];
		if (u < ' ' || u == 0x7f || IN(prep_prohibited, u) ||
		    (how == SASLPREP_STORED && IN(prep_unassigned, u)))
			return false;
	}
	return t->n > 0 && !t->full && one_direction(t);
}

size_t
saslprep(struct view v, enum saslprep how, char *out, size_t size)
{
	struct text t;
	size_t n = 0;
	char one[4];

	assert(size > 0);
	t.n = 0;
	t.full = false;
	if (utf8_valid(v)) {
		map(&t, v);
		fold_sort(t.c, t.class, t.n);
		put_together(&t);
	}
	bool good = allowed(&t, how);
	for (size_t i = 0; i < t.n && good; i++) {
		size_t k = utf8_put(t.c[i], one);
		good = n + k < size;
		if (good)
			memcpy(out + n, one, k);
		n += good ? k : 0;
	}
	if (!good) {
		explicit_bzero(out, size);
		n = 0;
	}
	out[n] = '\0';
	explicit_bzero(&t, sizeof(t));
	explicit_bzero(one, sizeof(one));
	return n;
}
