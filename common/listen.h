#ifndef COMMON_LISTEN_H
#define COMMON_LISTEN_H
/*
 * Listening sockets: our own, those that systemd passed (LISTEN_FDS), or
 * inetd's descriptor 0.  Runs in: the master.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/settings.h"

enum { LISTEN_BACKLOG = 4096 };

/* One socket per listener into fd[] (owned by the caller).  Sockets that
 * systemd passed are taken for the listener whose address and port they have;
 * the others are made.  old: those in force before a reload (NULL: none),
 * taken over where address and port are the same.  False: err says which, why
 * and what to do; nothing stays open that was not open before. */
bool listen_all(const struct settings *s, const struct settings *old,
    const int *old_fd, int *fd, char *err, size_t size);
/* Once, after the first listen_all: says in the log which sockets were passed
 * for nothing.  let_go: closes all that were passed (a predecessor's; those of
 * systemd are wanted again when a reload brings their listen lines back). */
void listen_unused(const struct settings *s, bool let_go);
/* Is fd a listening socket? (inetd wait) */
bool listen_is_listening(int fd);
/* Makes s->listeners be the one on fd 0 in inetd mode: the listener of the
 * settings with the same port, else the first of that daemon's plain type. */
void listen_inetd(struct settings *s, int fd, bool pop3);
#endif
