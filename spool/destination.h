#ifndef SPOOL_DESTINATION_H
#define SPOOL_DESTINATION_H
/*
 * Where the recipients of a message go: to this host or on, and which of the
 * latter go together.  Pure.
 */
#include "common/nexthop.h"
#include "spool/envelope.h"

enum { DESTINATION_NONE = 0xffffffff };

/* Is it an address of another host? */
bool destination_foreign(const struct settings *, struct view address);

struct destination {
	unsigned first; /* of the chain in next[] */
	unsigned n;	/* how many it has */
	char nexthop[NEXTHOP_MAX]; /* "": the address fits none */
};
/*
 * Gathers recipients of e that are foreign and to do in chains of at most max
 * that go to the same nexthop; group() is called for each chain.
 * next: e->rcpt_n numbers; next[i] is the recipient behind i in its chain,
 * or DESTINATION_NONE.
 * False: no memory, and group() was not called.
 */
bool destinations_gather(const struct settings *, const struct envelope *e,
    unsigned max, unsigned *next,
    void (*group)(void *arg, const struct destination *), void *arg);
#endif
