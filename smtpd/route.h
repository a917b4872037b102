#ifndef SMTPD_ROUTE_H
#define SMTPD_ROUTE_H
/*
 * From a destination to hosts (RFC 5321 5.1), and from a host to addresses.
 * Asks DNS, and waits for it.  Runs in: sender.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/dns.h"
#include "common/nexthop.h"
#include "common/settings.h"
#include "smtpd/smtp_reply.h"

enum { ROUTE_HOSTS = DNS_RECORDS_MAX, ROUTE_ADDRESSES = 8 };

enum route_is {
	ROUTE_FOUND,
	ROUTE_LATER, /* nobody can tell now */
	ROUTE_NEVER
};

struct route_host {
	char name[DNS_NAME_MAX]; /* in ASCII; or a numeric address */
	unsigned preference;
};

struct route {
	struct route_host host[ROUTE_HOSTS]; /* in the order to be tried */
	unsigned n;
	unsigned port;
	bool lmtp;
	bool local;	/* a Unix socket; host[0].name is its path */
	bool smarthost;
	bool mx;	/* hosts are a domain's */
	bool implicit;	/* it has no MX record */
	bool authentic; /* DNS was validated, or not needed so far */
	char domain[DNS_NAME_MAX]; /* of mx */
};

struct route_addresses {
	unsigned char list[ROUTE_ADDRESSES][ADDRESS_OCTETS];
	unsigned n;
	bool authentic;
};

/* Own addresses, for loops; before anything may no longer be asked. */
void route_init(const struct settings *);
/* why says what is wrong when it is not ROUTE_FOUND. */
enum route_is route_find(
    const char *nexthop, struct route *out, struct smtp_reply *why);
enum route_is route_addresses(const struct route *, const char *host,
    struct route_addresses *out, struct smtp_reply *why);
/* Is that one of ours, where mail comes in? */
bool route_is_self(const unsigned char address[ADDRESS_OCTETS], unsigned port);
/* Pure: orders the hosts of an answer to a question for MX; equal ones by
 * chance, as seed has it.  Those that are no better than self, the name of this
 * host, are left out (RFC 5321 5.1).  *null_mx: RFC 7505; *loops: nothing but
 * ourselves was left. */
void route_order(const struct dns_answer *, const char *self, uint64_t seed,
    struct route *out, bool *null_mx, bool *loops);
#endif
