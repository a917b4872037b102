#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H
/*
 * UTF-8 (RFC 3629).
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/view.h"

/* Is all of v UTF-8: no overlong forms, no surrogates, nothing beyond U+10FFFF?
 * ASCII, NUL included, is. */
bool utf8_valid(struct view v);
/* The same, and without control characters: C0, DEL, C1, and the line and
 * paragraph separators U+2028 and U+2029. */
bool utf8_printable(struct view v);
/* Takes a character off *v, which is UTF-8 and not empty. */
uint32_t utf8_take(struct view *v);
/* Writes u, at most U+10FFFF; gives its octets. */
size_t utf8_put(uint32_t u, char out[4]);
#endif
