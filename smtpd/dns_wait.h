#ifndef SMTPD_DNS_WAIT_H
#define SMTPD_DNS_WAIT_H
/*
 * Questions to DNS servers by a process that has nothing else to do: it waits,
 * for a bounded time.  UDP, then TCP for what was cut.  Runs in: sender.
 */
#include "common/dns.h"
#include "common/settings.h"

/* Before anything may no longer be read. */
void dns_wait_init(const struct settings *);
/* Asks, and follows aliases (CNAME) that the server did not follow, at most 8.
 * *out lasts until the next call, and so does what its TLSA records point to.
 * out->authentic: all of it was.  A loop of aliases has failed. */
enum dns_result dns_wait(
    const char *name, enum dns_type, struct dns_answer *out);
#endif
