#ifndef COMMON_DATE_H
#define COMMON_DATE_H
/*
 * A time of day as mail has it (RFC 5322 3.3):
 * "Sat, 21 Nov 2026 03:19:15 +0100 (CET)".
 */
#include <stddef.h>
#include <stdint.h>

enum { DATE_MAX = 64 }; /* room for the longest, terminator included */

/* now: seconds since 1970.  What does not fit is cut. */
void mail_date(int64_t now, char *out, size_t size);
#endif
