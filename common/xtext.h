#ifndef COMMON_XTEXT_H
#define COMMON_XTEXT_H
/*
 * xtext (RFC 3461 4): text in the value of a parameter.  "+" and two upper-case
 * hexadecimal digits stand for an octet.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/view.h"

/* Decodes v as a string of less than size octets.  False: not xtext, or it does
 * not fit, or holds a NUL; out may be scribbled on. */
bool xtext_decode(struct view v, char *out, size_t size);
/* Is it xtext that stands for printable ASCII, and at least one octet? */
bool xtext_printable(struct view v);
#endif
