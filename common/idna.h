#ifndef COMMON_IDNA_H
#define COMMON_IDNA_H
/*
 * Domains outside ASCII as the DNS and certificates have them: each U-label as
 * its A-label, "xn--" and Punycode (RFC 5890 2.3.2.1, RFC 3492).  Pure.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/view.h"

enum { IDNA_LABEL_MAX = 63 };

/* Puts the domain into out, with its NUL; labels in ASCII stay as they are,
 * letters of others are made small.  U-labels are in normal form C already, as
 * their definition has it: what is not is another name.  False: it is no UTF-8,
 * or a label, or all of it, is too long; out is "". */
bool idna_ascii(struct view domain, char *out, size_t size);
/* The same for an address: what is before its last @ stays, and must be ASCII;
 * else false. */
bool idna_address(struct view address, char *out, size_t size);
#endif
