#ifndef COMMON_AUTH_LIMIT_H
#define COMMON_AUTH_LIMIT_H
/*
 * How often somebody at an address has failed to log in.  What is counted are
 * failures, per IPv4 address or IPv6 /64, for a while from the first one; a
 * success takes nothing back, and nothing is counted by user: nobody can lock
 * another out from elsewhere.
 *
 * Where the client is, its socket says, which comes along with the question;
 * the worker could say anything.  A worker that is broken into still has one
 * socket of one client at a time.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/network.h"
#include "common/settings.h"

enum origin_kind {
	ORIGIN_COUNTED,
	ORIGIN_EXEMPT, /* auth_address_exempt */
	ORIGIN_GONE    /* an internet socket whose client has left */
};

struct origin {
	enum origin_kind kind;
	unsigned char key[ADDRESS_OCTETS]; /* all 0: no internet address; they
					    * are counted together */
	char text[ADDRESS_TEXT]; /* "local" without an internet address */
};

/* fd is borrowed.  said is where the worker says the client is: that counts
 * where the kernel says it is a proxy (proxy_networks, xclient_networks), as
 * all who come through it would be one else. */
void origin_of(int fd, const char *said, const struct settings *,
    struct origin *out);
/* Whether nothing is to be checked for it now. */
bool auth_limit_reached(
    const struct origin *, const struct settings *, int64_t now);
/* One more failure; the one that reaches the limit is logged. */
void auth_limit_count(
    const struct origin *, const struct settings *, int64_t now);
#endif
