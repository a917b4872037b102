#ifndef COMMON_CRYPT_PROC_H
#define COMMON_CRYPT_PROC_H
/*
 * One question to crypt(3), answered in a process of its own.
 *
 * Request CRYPT_CALC: str setting, view password.
 * Answer: str hash, "" where crypt(3) refused; u32 calls of crypt(3) it took.
 */
#include <stdbool.h>
#include <stdnoreturn.h>

#include "common/passdb.h"

enum { CRYPT_CALC = 1 };

/* Answers on sock, the process' only channel, until its end. */
noreturn void crypt_serve(int sock);
/* The part of a hash that crypt(3) needs to make it: method, cost and salt,
 * and not what comes out.  False, and setting empty, for what is no usable
 * hash, a bare setting included: no password may ever match that. */
bool crypt_setting(const char *hash, char setting[USER_HASH_MAX]);
/* Whether two hashes are the same; the time says nothing about where they
 * differ.  Two empty ones are not. */
bool crypt_same(const char *a, const char *b);
#endif
