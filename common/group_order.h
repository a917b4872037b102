#ifndef COMMON_GROUP_ORDER_H
#define COMMON_GROUP_ORDER_H
/* What the master tells a role.  Inside of group.c. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/group.h"
#include "common/settings.h"

/* Sends the first `words` of a and b, and fd unless it is -1 (borrowed).  A
 * socket holds few messages until they are read (net.unix.max_dgram_qlen), and
 * a role that was just started reads as soon as it runs: it is waited for, but
 * not for long. */
bool group_order(struct proc *, uint32_t type, int fd, uint32_t a, uint32_t b,
    unsigned words);
/* The certificate files that this role gets: all to the pool, with their OCSP
 * responses and the CA of clients; with their keys to the key role.  False: err
 * is one line. */
bool group_give_tls(
    struct proc *, const struct settings *, char *err, size_t size);
#endif
