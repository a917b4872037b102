/* What the pool counts of its workers' clients.  Runs in: pool. */
#include "common/pool_count.h"

#include <string.h>

#include "common/clients.h"
#include "common/service.h"

enum { RATES_EACH = 8 }; /* addresses remembered for each worker */

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
