/*
 * Names that are the same although their octets differ.  Runs in: every role
 * that knows users.
 *
 * A name is taken apart into letters and marks, and the marks of one letter are
 * sorted: canonical decomposition (UAX 15).  The tables are those of Unicode.
 */
#include "common/fold.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/fold_table.h"
#include "common/utf8.h"

struct text {
	uint32_t c[FOLD_OUT];
	unsigned char class[FOLD_OUT]; /* of combining */
	size_t n;
};

/* ---- the tables ---- */

const uint32_t *
fold_row(const uint32_t *table, size_t rows, size_t columns, uint32_t u)
{
	size_t low = 0, high = rows; /* rows before low are not beyond u */

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (table[mid * columns] <= u)
			low = mid + 1;
		else
			high = mid;
	}
	return low == 0 ? NULL : table + (low - 1) * columns;
}

const uint32_t *
fold_parts_of(uint32_t u)
{
	const uint32_t *row = fold_row(fold_parts, NELEM(fold_parts) / 3, 3, u);

	return row != NULL && row[0] == u ? row + 1 : NULL;
}

uint32_t
fold_next_whole(uint32_t first, uint32_t second, uint32_t after)
{
	for (size_t i = 0; i < NELEM(fold_parts); i += 3)
		if (fold_parts[i + 1] == first && fold_parts[i + 2] == second &&
		    fold_parts[i] > after)
			return fold_parts[i];
	return 0;
}

unsigned char
fold_class(uint32_t u)
{
	const uint32_t *row = fold_row(fold_marks, NELEM(fold_marks) / 3, 3, u);

	return (unsigned char)(row != NULL && u <= row[1] ? row[2] : 0);
}

static uint32_t
small(uint32_t u)
{
	const int32_t *row = NULL;

	if (u < 0x80)
		return (uint32_t)(unsigned char)ascii_lower((char)u);
	for (size_t i = 0; i < NELEM(fold_cases); i += 4)
		if ((uint32_t)fold_cases[i] <= u)
			row = &fold_cases[i];
	if (row == NULL || u > (uint32_t)row[1] ||
	    (u - (uint32_t)row[0]) % (uint32_t)row[2] != 0)
		return u;
	return (uint32_t)((int32_t)u + row[3]);
}

uint32_t
fold_small(uint32_t u)
{
	bool kept = u == 0x3c2 || (u >= 0x13f8 && u <= 0x13fd) ||
		    (u >= 0xab70 && u <= 0xabbf);

	return kept ? u : small(u);
}

/* ---- there ---- */

size_t
fold_hangul(uint32_t u, uint32_t parts[3])
{
	uint32_t i = u - HANGUL;

	if (u < HANGUL || i >= HANGUL_N)
		return 0;
	parts[0] = HANGUL_L + i / (HANGUL_V_N * HANGUL_T_N);
	parts[1] = HANGUL_V + i / HANGUL_T_N % HANGUL_V_N;
	parts[2] = HANGUL_T + i % HANGUL_T_N;
	return i % HANGUL_T_N == 0 ? 2 : 3;
}

static void
add(struct text *t, uint32_t u, bool caseless)
{
	assert(t->n < FOLD_OUT);
	t->c[t->n] = caseless ? small(u) : u;
	t->class[t->n] = fold_class(t->c[t->n]);
	t->n++;
}

/* The first part may have parts itself, the second never does. */
static void
take_apart(struct text *t, uint32_t u, bool caseless)
{
	uint32_t behind[4], syllable[3], n = 0;
	size_t letters = fold_hangul(u, syllable);
	const uint32_t *row;

	for (size_t i = 0; i < letters; i++)
		add(t, syllable[i], false);
	if (letters > 0)
		return;
	while ((row = fold_parts_of(u)) != NULL) {
		assert(n < NELEM(behind));
		if (row[1] != 0)
			behind[n++] = row[1];
		u = row[0];
	}
	add(t, u, caseless);
	while (n > 0)
		add(t, behind[--n], caseless);
}

void
fold_sort(uint32_t *c, unsigned char *class, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		uint32_t u = c[i];
		unsigned char own = class[i];
		size_t k = i;
		for (; own != 0 && k > 0 && class[k - 1] > own; k--) {
			c[k] = c[k - 1];
			class[k] = class[k - 1];
		}
		c[k] = u;
		class[k] = own;
	}
}

size_t
fold_name(struct view v, bool caseless, char out[FOLD_OUT])
{
	struct text t;
	size_t n = 0;

	if (v.n > FOLD_IN || !utf8_valid(v))
		return 0;
	t.n = 0;
	while (v.n > 0)
		take_apart(&t, utf8_take(&v), caseless);
	fold_sort(t.c, t.class, t.n);
	for (size_t i = 0; i < t.n; i++) {
		char one[4];
		size_t k = utf8_put(t.c[i], one);
		assert(n + k <= FOLD_OUT);
		memcpy(out + n, one, k);
		n += k;
	}
	return n;
}

bool
fold_same(struct view a, struct view b, bool caseless)
{
	char one[FOLD_OUT], two[FOLD_OUT];
	size_t n;

	if (view_eq(a, b))
		return true;
	n = fold_name(a, caseless, one);
	return n > 0 && n == fold_name(b, caseless, two) &&
	       memcmp(one, two, n) == 0;
}
