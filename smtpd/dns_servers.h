#ifndef SMTPD_DNS_SERVERS_H
#define SMTPD_DNS_SERVERS_H
/*
 * Which DNS servers are asked, and sockets to them.  Runs in: lookup, sender.
 */
#include <stddef.h>

#include "common/settings.h"

/* The servers of the settings, or else those of /etc/resolv.conf, or else this
 * host.  Call before anything may no longer be read.  At least one. */
unsigned dns_servers_find(
    const struct settings *, struct dns_server out[DNS_SERVERS_MAX]);
/* A socket of that type (SOCK_DGRAM, SOCK_STREAM), non-blocking, connected or,
 * by TCP, connecting; -1. */
int dns_servers_connect(const struct dns_server *, int type);
#endif
