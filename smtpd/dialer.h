#ifndef SMTPD_DIALER_H
#define SMTPD_DIALER_H
/*
 * Connecting to the Unix sockets of `transport` lines.  Senders see an empty
 * root directory, so a process of its own does it: it has their uid, the whole
 * file system as root, and may do nothing but that.  Started only where there
 * is such a line.
 */
#include <stdbool.h>

#include "common/role.h"

/* Forks it; before the relay drops its privileges.  False: errno. */
bool dialer_start(struct role *);
bool dialer_wanted(const struct settings *);
/* A new channel to it for a sender, owned by the caller; -1: there is none. */
int dialer_channel(void);
/* A sender's side.  sock: that channel. */
void dialer_use(int sock);
/* The connected socket, or -1. */
int dialer_connect(const char *path);
#endif
