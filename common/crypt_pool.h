#ifndef COMMON_CRYPT_POOL_H
#define COMMON_CRYPT_POOL_H
/*
 * The crypt processes, seen from auth: a fixed number of them, each with one
 * question at a time; one that dies is replaced, with back-off.  Needs the
 * service loop.
 */
#include <stdbool.h>

#include "common/role.h"
#include "common/view.h"

enum { CRYPT_POOL_MAX = 64 };

/* hash is NULL when the process died over it, "" when crypt(3) refused; it
 * dies with the call.  Must not ask at once; that is what idle() is for. */
typedef void crypt_done(void *arg, const char *hash);

/* Starts n processes.  in_child() is called first thing in each: it overwrites
 * whatever secrets of the parent the fork has copied.  idle() is called
 * whenever a process has become free.  False: errno. */
bool crypt_pool_start(struct role *, unsigned n, void (*in_child)(void),
    void (*idle)(void));
/* From now on n; those that are too many end when they are idle. */
void crypt_pool_resize(unsigned n);
bool crypt_pool_idle(void); /* one at least is free */
/* False: none is free. */
bool crypt_pool_ask(const char *setting, const char *pass, crypt_done *done,
    void *arg);
/* How often crypt(3) was called altogether. */
unsigned long long crypt_pool_calls(void);
#endif
