/* What the pool counts of its workers' clients.  Runs in: pool. */
#define _GNU_SOURCE
#include "common/pool_count.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clients.h"
#include "common/service.h"

enum { RATES_EACH = 8 }; /* addresses remembered for each worker */

void
pool_who(int fd, const struct listener *l, unsigned char key[ADDRESS_OCTETS],
    char peer[ADDRESS_TEXT])
{
	struct sockaddr_storage a = { 0 };
	struct ucred cred;
	socklen_t n = sizeof(a), cred_n = sizeof(cred);

	snprintf(peer, ADDRESS_TEXT, "unknown");
	if (getpeername(fd, (struct sockaddr *)&a, &n) == -1)
		a.ss_family = AF_UNSPEC;
	if (address_of(&a, key))
		address_text(key, peer);
	if (l->proxy)
		memset(key, 0, ADDRESS_OCTETS);
	if (a.ss_family != AF_UNIX || !l->local ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_n) == -1)
		return;
	key[0] = 0xff;
	memcpy(key + 4, &cred.uid, sizeof(cred.uid));
}

bool
pool_may_announce(
    const struct settings *s, const struct listener *l, const char *peer)
{
	return (l->proxy && networks_match(&s->proxy_networks, peer)) ||
	       networks_match(&s->xclient_networks, peer);
}

bool
pool_count_init(unsigned workers)
{
	return clients_init(workers) && rates_init(RATES_EACH * workers);
}

unsigned
pool_count(struct pool_client *c, struct view key)
{
	static const unsigned char nobody[16];

	pool_count_no_more(c);
	memcpy(c->key, key.p, sizeof(c->key));
	c->counted = memcmp(c->key, nobody, sizeof(nobody)) != 0;
	return c->counted ? clients_enter(c->key) : 0;
}

void
pool_count_no_more(struct pool_client *c)
{
	if (c->counted)
		clients_leave(c->key);
	c->counted = false;
}

void
pool_client_name(
    const struct pool_client *c, const char *peer, char out[ADDRESS_TEXT])
{
	uint32_t uid;

	memcpy(&uid, c->key + 4, sizeof(uid));
	if (!c->counted)
		snprintf(out, ADDRESS_TEXT, "%s", peer);
	else if (c->key[0] == 0xff)
		snprintf(out, ADDRESS_TEXT, "uid %lu", (unsigned long)uid);
	else
		address_text(c->key, out);
}

bool
pool_too_many(const struct settings *s, unsigned listeners, unsigned busy_there,
    unsigned same)
{
	/* A few workers are kept for each of the other listeners. */
	int64_t reserve = 4 * (int64_t)(listeners - 1);
	int64_t most = s->workers_max > 2 * reserve ? s->workers_max - reserve
						    : s->workers_max;

	return same > s->workers_per_client || busy_there > most;
}

unsigned
pool_too_fast(
    const struct pool_client *c, enum rate_kind kind, const struct settings *s)
{
	const struct rate *r =
	    kind == RATE_MESSAGE ? &s->message_rate : &s->connection_rate;

	if (r->n == 0 || !c->counted)
		return 0;
	unsigned n = rates_count(kind, c->key, now_ms(), r->window);
	return n > r->n ? n : 0;
}
