#ifndef COMMON_FOLD_H
#define COMMON_FOLD_H
/*
 * Names in UTF-8 that are the same although their octets differ: an accent is
 * part of its letter or follows it (canonical equivalence, UAX 15; RFC 6530
 * 10.1), letters are large or small (simple case folding, but nothing outside
 * ASCII becomes ASCII by it: U+017F is no "s").
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/view.h"

enum {
	FOLD_IN = 128,	       /* octets of a name that is folded */
	FOLD_OUT = 3 * FOLD_IN /* what comes of it is never longer */
};

/* Puts the form of v that all its equals have in common into out, and gives its
 * length.  What is no UTF-8, or longer than FOLD_IN, has no equal but itself:
 * 0. */
size_t fold_name(struct view v, bool caseless, char out[FOLD_OUT]);
/* The small letter of a domain's: as above, but that Greek's final sigma and
 * small Cherokee letters, which domains may have (RFC 5892), stay. */
uint32_t fold_small(uint32_t u);
/* Are they the same?  ASCII letters included if caseless. */
bool fold_same(struct view a, struct view b, bool caseless);

/* ---- for what else is made of the same tables ---- */

/* Hangul syllables are taken apart by arithmetic (UAX 15, Unicode 3.12). */
enum {
	HANGUL = 0xac00,
	HANGUL_N = 11172,
	HANGUL_L = 0x1100,
	HANGUL_L_N = 19,
	HANGUL_V = 0x1161,
	HANGUL_V_N = 21,
	HANGUL_T = 0x11a7,
	HANGUL_T_N = 28
};
/* What a syllable is made of: 2 or 3 letters; 0: u is none. */
size_t fold_hangul(uint32_t u, uint32_t parts[3]);
/* The last row of a table that begins with u or less; NULL: there is none. Rows
 * are of so many columns, and sorted by the first. */
const uint32_t *fold_row(
    const uint32_t *table, size_t rows, size_t columns, uint32_t u);
/* The canonical combining class. */
unsigned char fold_class(uint32_t u);
/* Sorts the marks of each letter by class, those of one class as they came. */
void fold_sort(uint32_t *c, unsigned char *class, size_t n);
/* The one or two characters (the second 0: one) that u is made of, which may
 * have parts themselves; NULL: none.  Not of Hangul. */
const uint32_t *fold_parts_of(uint32_t u);
/* The next character beyond after that is made of these two; 0: none. */
uint32_t fold_next_whole(uint32_t first, uint32_t second, uint32_t after);
#endif
