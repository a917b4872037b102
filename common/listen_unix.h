#ifndef COMMON_LISTEN_UNIX_H
#define COMMON_LISTEN_UNIX_H
/* Unix sockets to listen on.  Runs in: the master. */
#include <stdbool.h>
#include <stddef.h>

#include "common/settings.h"

/* A listening socket at l->address.  The directory must belong to root or to
 * the caller and be writable for nobody else, and so must those above it but
 * for sticky ones.  A socket that is left over from
 * a server that has gone is replaced; anything else of that name is not.  -1:
 * why is the reason, in words that name the remedy. */
int listen_unix(const struct listener *l, char *why, size_t size);
/* Is fd bound to that path? */
bool listen_unix_is(int fd, const char *path);
#endif
