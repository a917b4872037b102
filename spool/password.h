#ifndef SPOOL_PASSWORD_H
#define SPOOL_PASSWORD_H
/* A new password: twice from the terminal, without echo, or the first line of
 * standard input.  Runs in: pennyctl. */
#include <stdbool.h>
#include <stddef.h>

/* False: there is none, and it is said on standard error.  What is in out is to
 * be overwritten after use either way. */
bool password_read(char *out, size_t size);
#endif
