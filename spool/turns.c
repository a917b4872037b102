/*
 * Whose turn it is among many destinations.  Runs in: queue.
 *
 * Destinations that may have a turn stand in a ring; the first gives one
 * delivery and goes to the end.  Those that failed stand in a second ring,
 * oldest first, so that they can be forgotten in time.
 */
#include "spool/turns.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { DEST_BUCKETS = 4096 };

struct node {
	struct node *prev, *next; /* of a ring */
};

struct fifo {
	struct turn *first, *last;
};

struct turns_dest {
	struct node ready; /* first; among those that may have a turn */
	struct node down;  /* among those that failed, oldest first */
	struct turns_dest *hash_next;
	struct fifo waiting;
	unsigned in_flight, limit;
	int64_t down_until; /* 0: it works */
	unsigned busy_n; /* times it was busy since it worked; 0: it is down */
	size_t n;
	char name[];
};

struct turns {
	struct turns_limits limits;
	struct turns_dest *dest[DEST_BUCKETS];
	unsigned dests;
	struct node ready, down;
	struct fifo suspended;
	unsigned in_flight;
};

static void
ring_init(struct node *n)
{
	n->prev = n->next = n;
}

static bool
ring_empty(const struct node *n)
{
	return n->next == n;
}

static void
ring_remove(struct node *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	ring_init(n);
}

static void
ring_append(struct node *ring, struct node *n)
{
	n->prev = ring->prev;
	n->next = ring;
	n->prev->next = n;
	ring->prev = n;
}

static void
fifo_put(struct fifo *f, struct turn *t)
{
	t->next = NULL;
	*(f->first == NULL ? &f->first : &f->last->next) = t;
	f->last = t;
}

static struct turn *
fifo_take(struct fifo *f)
{
	struct turn *t = f->first;

	if (t != NULL)
		f->first = t->next;
	return t;
}

struct turns *
turns_new(const struct turns_limits *l)
{
	struct turns *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	ring_init(&t->ready);
	ring_init(&t->down);
	turns_set_limits(t, l);
	return t;
}

void
turns_set_limits(struct turns *t, const struct turns_limits *l)
{
	uint64_t seed = t->limits.seed;

	assert(l->in_flight > 0 && l->per_dest > 0 && l->pause > 0);
	t->limits = *l;
	if (t->dests > 0)
		t->limits.seed = seed; /* the table keeps to it */
}

void
turns_free(struct turns *t)
{
	for (size_t i = 0; t != NULL && i < DEST_BUCKETS; i++)
		while (t->dest[i] != NULL) {
			struct turns_dest *d = t->dest[i];
			t->dest[i] = d->hash_next;
			free(d);
		}
	free(t);
}

/* FNV-1a from a secret start, as senders choose the names. */
static struct turns_dest **
dest_bucket(struct turns *t, struct view name)
{
	uint64_t h = t->limits.seed;

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ (unsigned char)name.p[i]) * 0x100000001B3ULL;
	return &t->dest[(h ^ h >> 32) % DEST_BUCKETS];
}

static struct turns_dest *
dest_get(struct turns *t, struct view name)
{
	struct turns_dest **b = dest_bucket(t, name);
	struct turns_dest *d = *b;

	while (d != NULL && !view_eq((struct view){ d->name, d->n }, name))
		d = d->hash_next;
	if (d != NULL)
		return d;
	d = calloc(1, sizeof(*d) + name.n);
	if (d == NULL)
		return NULL;
	d->n = name.n;
	if (name.n > 0)
		memcpy(d->name, name.p, name.n);
	d->limit = t->limits.per_dest;
	ring_init(&d->ready);
	ring_init(&d->down);
	d->hash_next = *b;
	*b = d;
	t->dests++;
	return d;
}

/* A destination is forgotten when nothing concerns it; one that was down a
 * while later, so that it is probed by one delivery and not by many. */
static void
dest_release(struct turns *t, struct turns_dest *d, int64_t now)
{
	if (d->in_flight > 0 || d->waiting.first != NULL ||
	    (d->down_until != 0 && d->down_until + t->limits.pause > now))
		return;
	struct turns_dest **b = dest_bucket(t, (struct view){ d->name, d->n });
	while (*b != d)
		b = &(*b)->hash_next;
	*b = d->hash_next;
	ring_remove(&d->ready);
	ring_remove(&d->down);
	free(d);
	t->dests--;
}

static void
dest_ready(struct turns *t, struct turns_dest *d)
{
	ring_remove(&d->ready);
	if (d->waiting.first != NULL && d->in_flight < d->limit)
		ring_append(&t->ready, &d->ready);
}

static void
suspend(struct turns *t, const struct turns_dest *d, struct turn *r)
{
	r->busy = d->busy_n > 0;
	fifo_put(&t->suspended, r);
}

/* Leaves it alone for a while; whoever waits for it goes back to the caller. */
static void
dest_down(struct turns *t, struct turns_dest *d, bool busy, int64_t now)
{
	int64_t pause = t->limits.pause;

	d->busy_n = busy ? d->busy_n + 1 : 0;
	if (busy && d->busy_n < 16 &&
	    TURNS_BUSY_PAUSE << (d->busy_n - 1) < pause)
		pause = TURNS_BUSY_PAUSE << (d->busy_n - 1);
	d->limit = 1;
	d->down_until = now + pause;
	ring_remove(&d->down);
	ring_append(&t->down, &d->down);
	while (d->waiting.first != NULL)
		suspend(t, d, fifo_take(&d->waiting));
	ring_remove(&d->ready);
}

static void
dest_works(struct turns *t, struct turns_dest *d)
{
	d->down_until = 0;
	d->busy_n = 0;
	ring_remove(&d->down);
	if (d->limit < t->limits.per_dest)
		d->limit++;
}

/* Forgets those that failed long ago and that nobody asked for since. */
static void
dests_sweep(struct turns *t, int64_t now)
{
	while (!ring_empty(&t->down)) {
		struct node *n = t->down.next;
		struct turns_dest *d =
		    (struct turns_dest *)(void *)((char *)n -
						  offsetof(
						      struct turns_dest, down));
		if (d->down_until + t->limits.pause > now)
			return;
		ring_remove(n);
		dest_release(t, d, now);
	}
}

bool
turns_add(struct turns *t, struct turn *r, struct view dest, int64_t now)
{
	struct turns_dest *d;

	dests_sweep(t, now);
	d = dest_get(t, dest);
	if (d == NULL)
		return false;
	r->dest = d;
	if (d->down_until > now) {
		suspend(t, d, r);
		return true;
	}
	fifo_put(&d->waiting, r);
	if (ring_empty(&d->ready))
		dest_ready(t, d);
	return true;
}

struct turn *
turns_pick(struct turns *t)
{
	if (ring_empty(&t->ready) || t->in_flight >= t->limits.in_flight)
		return NULL;
	struct turns_dest *d = (struct turns_dest *)(void *)t->ready.next;
	struct turn *r = fifo_take(&d->waiting);
	d->in_flight++;
	t->in_flight++;
	dest_ready(t, d); /* to the end of the ring */
	return r;
}

void
turns_result(struct turns *t, struct turn *r, enum turn_outcome o, int64_t now)
{
	struct turns_dest *d = r->dest;

	assert(d->in_flight > 0 && t->in_flight > 0);
	r->dest = NULL;
	d->in_flight--;
	t->in_flight--;
	if (o == TURN_DOWN || o == TURN_BUSY)
		dest_down(t, d, o == TURN_BUSY, now);
	else if (o == TURN_DONE)
		dest_works(t, d);
	if (d->limit > t->limits.per_dest)
		d->limit = t->limits.per_dest;
	if (ring_empty(&d->ready))
		dest_ready(t, d);
	dest_release(t, d, now);
}

struct turn *
turns_suspended(struct turns *t)
{
	struct turn *r = fifo_take(&t->suspended);

	if (r != NULL)
		r->dest = NULL;
	return r;
}

unsigned
turns_in_flight(const struct turns *t)
{
	return t->in_flight;
}

unsigned
turns_dests(const struct turns *t)
{
	return t->dests;
}
