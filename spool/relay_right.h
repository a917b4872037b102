#ifndef SPOOL_RELAY_RIGHT_H
#define SPOOL_RELAY_RIGHT_H
/*
 * Whose mail may be sent on to other hosts because of where he is.
 */
#include <stdbool.h>

#include "common/settings.h"

/* Is fd a connection whose other end is in relay_networks?  The kernel says
 * where that is; a worker can make no connection, only pass on one that it has
 * accepted. */
bool relay_right(const struct settings *, int fd);
#endif
