/* How many workers serve each client address.  Runs in: pool. */
#include "common/clients.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/fds.h"
#include "common/network.h"

struct entry {
	unsigned char key[16];
	unsigned count; /* 0: free */
};

/* Open addressing with linear probing; twice as many places as workers, so
 * there is always a free one. */
static struct entry *table;
static unsigned mask;

bool
clients_init(unsigned max)
{
	unsigned size = 64;

	while (size < 2 * max)
		size *= 2;
	table = alloc_unforked(size * sizeof(*table));
	mask = size - 1;
	return table != NULL;
}

void
clients_key(const unsigned char address[16], unsigned char key[16])
{
	memcpy(key, address, 16);
	address_share(key);
}

static unsigned
home(const unsigned char key[16])
{
	uint64_t h = 1469598103934665603u; /* FNV-1a: a client can choose its
					    * address within a /64 only, which
					    * is one key */
	for (unsigned i = 0; i < 16; i++)
		h = (h ^ key[i]) * 1099511628211u;
	return (unsigned)(h >> 32) & mask;
}

static struct entry *
find(const unsigned char key[16])
{
	unsigned i = home(key);

	while (table[i].count > 0 && memcmp(table[i].key, key, 16) != 0)
		i = (i + 1) & mask;
	return &table[i];
}

unsigned
clients_enter(const unsigned char address[16])
{
	unsigned char key[16];

	clients_key(address, key);
	struct entry *e = find(key);
	memcpy(e->key, key, 16);
	return ++e->count;
}

/* Without tombstones: those behind the gap move up if they may. */
static void
close_gap(unsigned gap)
{
	for (unsigned i = (gap + 1) & mask; table[i].count > 0;
	     i = (i + 1) & mask) {
		unsigned h = home(table[i].key);
		if (((i - h) & mask) < ((i - gap) & mask))
			continue;
		table[gap] = table[i];
		table[i].count = 0;
		gap = i;
	}
}

void
clients_leave(const unsigned char address[16])
{
	unsigned char key[16];

	clients_key(address, key);
	struct entry *e = find(key);
	assert(e->count > 0);
	if (--e->count == 0)
		close_gap((unsigned)(e - table));
}
