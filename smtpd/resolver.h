#ifndef SMTPD_RESOLVER_H
#define SMTPD_RESOLVER_H
/*
 * Questions to DNS servers that never hold up the loop: UDP, a socket for each
 * with a port that the kernel chooses, then TCP for what was cut; bounded in
 * number and time, with a cache of fixed size.  Runs in: lookup.
 */
#include "common/dns.h"
#include "common/settings.h"

/* The answer is valid during the call only. */
typedef void resolver_done(
    void *arg, enum dns_result, const struct dns_answer *);

/* The servers of the settings, or else those of /etc/resolv.conf.  Call before
 * anything may no longer be read. */
void resolver_init(const struct settings *);
/* Asks; done is called exactly once, perhaps before this returns.  What cannot
 * be asked has failed. */
void resolver_ask(
    const char *name, enum dns_type, resolver_done *done, void *arg);
#endif
