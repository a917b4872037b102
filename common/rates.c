/* How often each client address did something lately.  Runs in: pool. */
#include "common/rates.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/clients.h"

enum { WAYS = 8 }; /* places of which an address has one */

struct entry {
	unsigned char key[16];
	int64_t used; /* 0: free */
	int64_t begun[RATE__N];
	unsigned n[RATE__N];
};

static struct entry *table;
static unsigned sets; /* a power of two */
static uint64_t seed; /* nobody can choose with whom to share a set */

bool
rates_init(unsigned addresses)
{
	sets = 64;
	while (sets * WAYS < 2 * addresses)
		sets *= 2;
	free(table);
	table = calloc((size_t)sets * WAYS, sizeof(*table));
	return table != NULL &&
	       getrandom(&seed, sizeof(seed), 0) == sizeof(seed);
}

static struct entry *
set_of(const unsigned char key[16])
{
	uint64_t h = seed;

	for (unsigned i = 0; i < 16; i++) {
		h = (h ^ key[i]) * 1099511628211u;
		h ^= h >> 29;
	}
	return table + (size_t)((h >> 32) & (sets - 1)) * WAYS;
}

/* Its entry, which may have been another's. */
static struct entry *
find(const unsigned char key[16])
{
	struct entry *e = set_of(key), *oldest = e;

	for (unsigned i = 0; i < WAYS; i++) {
		if (e[i].used != 0 && memcmp(e[i].key, key, 16) == 0)
			return &e[i];
		if (e[i].used < oldest->used)
			oldest = &e[i];
	}
	memset(oldest, 0, sizeof(*oldest));
	memcpy(oldest->key, key, 16);
	return oldest;
}

unsigned
rates_count(enum rate_kind kind, const unsigned char address[16], int64_t now,
    int64_t window)
{
	unsigned char key[16];

	clients_key(address, key);
	struct entry *e = find(key);
	if (e->n[kind] == 0 || now - e->begun[kind] >= window) {
		e->begun[kind] = now;
		e->n[kind] = 0;
	}
	e->used = now > 0 ? now : 1;
	if (e->n[kind] < UINT32_MAX)
		e->n[kind]++;
	return e->n[kind];
}
