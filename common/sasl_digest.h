#ifndef COMMON_SASL_DIGEST_H
#define COMMON_SASL_DIGEST_H
/* The keyed digests of CRAM-MD5 (RFC 2195) and APOP (RFC 1939 7). */
#include <stdbool.h>
#include <stddef.h>

#include "common/ask_auth.h"
#include "common/view.h"

/* 128 random bits in hexadecimal. */
void nonce_make(char out[AUTH_DIGEST + 1]);
/* "<random.clock@host>", unlike any before or after, in a form that both take.
 * host is cut short where it would not fit. */
void stamp_make(const char *host, char out[AUTH_STAMP_MAX + 1]);
/* Whether the 32 hexadecimal digits are what the secret makes of the stamp. */
bool cram_md5_right(struct view secret, const char *stamp, struct view digest);
bool apop_right(struct view secret, const char *stamp, struct view digest);
/* Whether v is 32 lower-case hexadecimal digits. */
bool digest_valid(struct view v);
#endif
