#ifndef COMMON_BASE64_H
#define COMMON_BASE64_H
/*
 * Base64 (RFC 4648 4), strict: no line ends, no foreign characters, padding
 * only at the end and only where it belongs, no stray bits under the padding.
 * Writes into the caller's memory only, so that a decoded password leaves no
 * copies behind.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/view.h"

/* Octets that n octets become, without a terminator. */
#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

/* Decodes in to out, which has size octets; *n is how many were written.
 * False, and *n 0: not base64, or it does not fit (out may be scribbled on,
 * within size). */
bool base64_decode(struct view in, void *out, size_t size, size_t *n);
/* Encodes in as a string.  False, and out empty: it does not fit in size. */
bool base64_encode(struct view in, char *out, size_t size);
#endif
