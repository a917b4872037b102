#ifndef COMMON_POOL_COUNT_H
#define COMMON_POOL_COUNT_H
/*
 * What the pool counts of its workers' clients: how many there are at the same
 * time, and how often they come.
 */
#include <stdbool.h>

#include "common/network.h"
#include "common/rates.h"
#include "common/settings.h"
#include "common/view.h"

/* The client of one worker. */
struct pool_client {
	unsigned char key[16];
	bool counted;
};

/* The other end of a client's socket, as the kernel tells it: as text for
 * pool_may_announce(), and as what is counted; all zero: a proxy, which will
 * say whom it speaks for, or no socket.  Users of this host at a Unix socket
 * are counted one by one, as an address that no client can have (multicast). */
void pool_who(int fd, const struct listener *,
    unsigned char key[ADDRESS_OCTETS], char peer[ADDRESS_TEXT]);
/* May that one say for whom it speaks, by PROXY or XCLIENT? */
bool pool_may_announce(
    const struct settings *, const struct listener *, const char *peer);

bool pool_count_init(unsigned workers);
/* From now on it is this one (16 octets; all zero: not counted).  How many
 * workers serve that address now; 0: not counted. */
unsigned pool_count(struct pool_client *, struct view key);
/* Who it is, for people: an address, "uid N", or peer for one that is not
 * counted. */
void pool_client_name(
    const struct pool_client *, const char *peer, char out[ADDRESS_TEXT]);
void pool_count_no_more(struct pool_client *);
/* Are there too many at the same time: of one address, or on one of so many
 * listeners? */
bool pool_too_many(const struct settings *, unsigned listeners,
    unsigned busy_there, unsigned same);
/* Counts an event.  0: all is well, else how many there were of late, which is
 * more than the settings allow. */
unsigned pool_too_fast(
    const struct pool_client *, enum rate_kind, const struct settings *);
#endif
