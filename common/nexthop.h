#ifndef COMMON_NEXTHOP_H
#define COMMON_NEXTHOP_H
/*
 * Which destination mail for a domain goes to, as the settings say: a name
 * under which the queue gathers messages, and of which the relay makes hosts.
 *
 *	mx:example.org		the domain's mail exchangers (RFC 5321 5.1)
 *	mx:[192.0.2.1]		an address literal (RFC 5321 4.1.3)
 *	smtp:host:port		that host, whatever its MX records say
 *	lmtp:host:port		the same, by LMTP (RFC 2033)
 *	lmtp:unix:/path		a Unix socket
 *	relay			the smarthost
 *
 * In this order: the line `transport` of the domain, that of the closest
 * enclosing domain (".example.org"), "*"; the smarthost if there is one; MX.
 * A domain in UTF-8 is looked at in its form in ASCII, its A-labels.  Pure.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/settings.h"
#include "common/view.h"

enum { NEXTHOP_MAX = 300 }; /* with its NUL */

enum nexthop_kind {
	NEXTHOP_MX,    /* name */
	NEXTHOP_RELAY, /* the smarthost of the settings */
	NEXTHOP_SMTP,  /* name, port */
	NEXTHOP_LMTP,  /* name, port */
	NEXTHOP_UNIX   /* LMTP; name is a path */
};

struct nexthop {
	enum nexthop_kind kind;
	char name[NEXTHOP_MAX];
	unsigned port;
};

/* domain: of an address, without @; its case does not matter.  False: it fits
 * none (too long, or empty). */
bool nexthop_of(const struct settings *, struct view domain,
    char out[NEXTHOP_MAX]);
/* The domain of an address: what is behind its last @. */
struct view nexthop_domain(struct view address);
/* Reads what nexthop_of wrote, and what `transport` takes.  False: it is none.
 */
bool nexthop_parse(struct view text, struct nexthop *out);
#endif
