/*
 * Where the recipients of a message go.  Runs in: queue.
 *
 * Nexthops are compared by a hash first, as a message may have thousands of
 * recipients, and each name would be longer than the address.  Equal hashes are
 * looked at closer, so whoever can make them gains nothing.
 */
#include "spool/destination.h"

#include <stdlib.h>
#include <string.h>

struct key {
	uint64_t hash;
	unsigned rcpt;
};

bool
destination_foreign(const struct settings *s, struct view address)
{
	struct view domain = nexthop_domain(address);

	/* Without @ it is a user of this host. */
	return domain.n < address.n &&
	       !settings_our_domain(s, domain.p, domain.n);
}

static uint64_t
hash_of(const char *name)
{
	uint64_t h = 0xCBF29CE484222325ULL; /* FNV-1a */

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * 0x100000001B3ULL;
	return h;
}

static void
name_of(const struct settings *s, const struct envelope *e, unsigned i,
    char out[NEXTHOP_MAX])
{
	if (!nexthop_of(s, nexthop_domain(e->rcpt[i].address), out))
		out[0] = '\0';
}

static int
compare(const void *x, const void *y)
{
	const struct key *a = x, *b = y;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return a->rcpt < b->rcpt ? -1 : 1;
}

static unsigned
make_keys(const struct settings *s, const struct envelope *e, struct key *keys)
{
	char name[NEXTHOP_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < e->rcpt_n; i++) {
		if (!rcpt_to_do(e->rcpt[i].state) ||
		    !destination_foreign(s, e->rcpt[i].address))
			continue;
		name_of(s, e, i, name);
		keys[n++] = (struct key){ hash_of(name), i };
	}
	qsort(keys, n, sizeof(*keys), compare);
	return n;
}

bool
destinations_gather(const struct settings *s, const struct envelope *e,
    unsigned max, unsigned *next,
    void (*group)(void *arg, const struct destination *), void *arg)
{
	struct key *keys = calloc(e->rcpt_n + 1, sizeof(*keys));
	struct destination d = { .n = 0 };
	char name[NEXTHOP_MAX];
	unsigned last = 0;

	if (keys == NULL)
		return false;
	for (unsigned i = 0; i < e->rcpt_n; i++)
		next[i] = DESTINATION_NONE;
	unsigned n = make_keys(s, e, keys);
	for (unsigned i = 0; i < n; i++) {
		name_of(s, e, keys[i].rcpt, name);
		if (d.n > 0 && d.n < max && strcmp(name, d.nexthop) == 0) {
			next[last] = keys[i].rcpt;
			d.n++;
		} else {
			if (d.n > 0)
				group(arg, &d);
			d = (struct destination){ keys[i].rcpt, 1, "" };
			memcpy(d.nexthop, name, sizeof(name));
		}
		last = keys[i].rcpt;
	}
	if (d.n > 0)
		group(arg, &d);
	free(keys);
	return true;
}
