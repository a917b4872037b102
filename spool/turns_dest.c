/* Destinations, and how they stand.  Runs in: queue. */
#include "spool/turns_dest.h"

#include <stdlib.h>
#include <string.h>

void
ring_init(struct node *n)
{
	n->prev = n->next = n;
}

bool
ring_empty(const struct node *n)
{
	return n->next == n;
}

void
ring_remove(struct node *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	ring_init(n);
}

void
ring_append(struct node *ring, struct node *n)
{
	n->prev = ring->prev;
	n->next = ring;
	n->prev->next = n;
	ring->prev = n;
}

void
fifo_put(struct fifo *f, struct turn *t)
{
	t->next = NULL;
	*(f->first == NULL ? &f->first : &f->last->next) = t;
	f->last = t;
}

struct turn *
fifo_take(struct fifo *f)
{
	struct turn *t = f->first;

	if (t != NULL)
		f->first = t->next;
	return t;
}

/* FNV-1a from a secret start, as senders choose the names. */
uint64_t
dest_tag(const struct turns *t, struct view name)
{
	uint64_t h = t->limits.seed;

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ (unsigned char)name.p[i]) * 0x100000001B3ULL;
	return h == 0 ? 1 : h;
}

static unsigned
dest_bucket(uint64_t tag)
{
	return (unsigned)((tag ^ tag >> 32) % DEST_BUCKETS);
}

struct turns_dest *
dest_tagged(const struct turns *t, uint64_t tag)
{
	struct turns_dest *d = t->dest[dest_bucket(tag)];

	while (d != NULL && d->tag != tag)
		d = d->hash_next;
	return d;
}

struct turns_dest *
dest_find(const struct turns *t, struct view name)
{
	struct turns_dest *d = t->dest[dest_bucket(dest_tag(t, name))];

	while (d != NULL && !view_eq((struct view){ d->name, d->n }, name))
		d = d->hash_next;
	return d;
}

void
dest_note(struct turns *t, struct turns_dest *d, const char *why)
{
	t->whys -= d->why != NULL;
	free(d->why);
	d->why = NULL;
	if (why != NULL && why[0] != '\0' && t->whys < TURNS_WHYS)
		d->why = strndup(why, TURNS_WHY_MAX);
	t->whys += d->why != NULL;
}

struct turns_dest *
dest_get(struct turns *t, struct view name)
{
	struct turns_dest *d = dest_find(t, name);

	if (d != NULL)
		return d;
	d = calloc(1, sizeof(*d) + name.n);
	if (d == NULL)
		return NULL;
	d->n = name.n;
	if (name.n > 0)
		memcpy(d->name, name.p, name.n);
	d->limit = t->limits.first > 0 ? t->limits.first : t->limits.per_dest;
	d->standing = UNKNOWN;
	d->down_n = DOWN_LONG;
	ring_init(&d->ready);
	ring_init(&d->aside);
	ring_init(&d->call);
	d->tag = dest_tag(t, name);
	struct turns_dest **b = &t->dest[dest_bucket(d->tag)];
	d->hash_next = *b;
	*b = d;
	t->dests++;
	return d;
}

void
dest_forget(struct turns *t, struct turns_dest *d)
{
	struct turns_dest **b = &t->dest[dest_bucket(d->tag)];

	while (*b != d)
		b = &(*b)->hash_next;
	*b = d->hash_next;
	ring_remove(&d->ready);
	ring_remove(&d->aside);
	ring_remove(&d->call);
	dest_note(t, d, NULL);
	free(d);
	t->dests--;
}

void
dest_wake(struct turns *t, struct turns_dest *d)
{
	if (!d->idle)
		return;
	d->idle = false;
	ring_remove(&d->aside);
	t->idle_n--;
}

bool
dest_unused(const struct turns *t, const struct turns_dest *d, int64_t now)
{
	return d->in_flight == 0 && d->waiting.first == NULL &&
	       d->parked.first == NULL && d->called == 0 &&
	       (d->down_until == 0 || d->down_until + t->limits.pause <= now);
}

void
dest_release(struct turns *t, struct turns_dest *d, int64_t now)
{
	if (d->idle || !dest_unused(t, d, now))
		return;
	if (d->standing != WORKS || t->limits.known == 0) {
		dest_forget(t, d);
		return;
	}
	d->idle = true;
	ring_remove(&d->aside);
	ring_append(&t->idle, &d->aside);
	if (++t->idle_n <= t->limits.known)
		return;
	d = DEST(t->idle.next, aside);
	dest_wake(t, d);
	dest_forget(t, d);
}

void
dest_ready(struct turns *t, struct turns_dest *d)
{
	ring_remove(&d->ready);
	if (d->waiting.first != NULL && d->in_flight < d->limit)
		ring_append(&t->ready[d->standing], &d->ready);
}

unsigned
dest_room(const struct turns *t, const struct turns_dest *d)
{
	/* Whoever waits for what may be dead waits long. */
	return t->limits.first > 0 && d->standing != WORKS
		   ? t->limits.first + 1
		   : t->limits.waiting_dest;
}

void
dest_call(struct turns *t, struct turns_dest *d)
{
	unsigned room = dest_room(t, d);

	if (d->parked.first == NULL ||
	    (room > 0 && d->waiting_n + d->called >= room))
		ring_remove(&d->call);
	else if (ring_empty(&d->call))
		ring_append(&t->call[dest_class(d)], &d->call);
}

void
dest_count(struct turns *t, struct turns_dest *d, int waiting, int called)
{
	int c = dest_class(d);

	d->waiting_n += (unsigned)waiting;
	t->waiting_n[c] += (unsigned)waiting;
	d->called += (unsigned)called;
	t->called[c] += (unsigned)called;
}

static void
dest_standing(struct turns *t, struct turns_dest *d, enum standing standing)
{
	int waiting = (int)d->waiting_n, called = (int)d->called;

	if (d->standing == standing)
		return;
	t->flying[d->standing] -= d->in_flight;
	t->flying[standing] += d->in_flight;
	dest_count(t, d, -waiting, -called);
	ring_remove(&d->ready); /* for dest_ready to put it right */
	ring_remove(&d->call);
	d->standing = standing;
	dest_count(t, d, waiting, called);
}

struct turn *
dest_take(struct turns *t, struct turns_dest *d)
{
	struct turn *r = fifo_take(&d->waiting);

	if (r != NULL)
		dest_count(t, d, -1, 0);
	return r;
}

void
dest_suspend(struct turns *t, const struct turns_dest *d, struct turn *r)
{
	r->busy = d->busy_n > 0;
	r->crowded = false;
	fifo_put(&t->suspended, r);
}

/* first, and doubled n times. */
static int64_t
pause_of(const struct turns *t, int64_t first, unsigned n)
{
	int64_t most = t->limits.pause;

	return n < DOWN_LONG && first << n < most ? first << n : most;
}

void
dest_down(struct turns *t, struct turns_dest *d, bool busy, int64_t now)
{
	/* Those that were under way together fail together. */
	unsigned more = d->down_until <= now;
	struct sched_msg *m;
	struct turn *r;
	int64_t pause;

	if (busy) {
		d->busy_n += more || d->busy_n == 0;
		pause = pause_of(t, TURNS_BUSY_PAUSE, d->busy_n - 1);
	} else {
		d->busy_n = 0;
		d->down_n += more && d->down_n < DOWN_LONG;
		pause = pause_of(t, TURNS_DOWN_PAUSE, d->down_n - 1);
	}
	d->limit = 1;
	d->down_until = d->probe_at = now + pause;
	if (!busy)
		dest_standing(t, d, FAILING);
	ring_remove(&d->aside);
	ring_append(&t->down, &d->aside);
	while ((r = dest_take(t, d)) != NULL)
		dest_suspend(t, d, r);
	while ((m = sched_list_take(&d->parked)) != NULL) {
		m->due = (int64_t)d->tag; /* for turns_unparked */
		sched_list_put(busy ? &t->unparked_busy : &t->unparked, m);
	}
	ring_remove(&d->ready);
	ring_remove(&d->call);
}

void
dest_works(struct turns *t, struct turns_dest *d)
{
	t->recovered |= d->standing != WORKS || d->down_until != 0;
	d->down_until = 0;
	d->busy_n = d->down_n = 0;
	dest_note(t, d, NULL);
	ring_remove(&d->aside);
	dest_standing(t, d, WORKS);
	if (d->limit < t->limits.per_dest)
		d->limit++;
	dest_call(t, d);
}

void
dests_sweep(struct turns *t, int64_t now)
{
	while (!ring_empty(&t->down)) {
		struct turns_dest *d = DEST(t->down.next, aside);
		if (d->down_until + t->limits.pause > now)
			return;
		ring_remove(&d->aside);
		dest_release(t, d, now);
	}
}

void
dests_each(struct turns *t, int64_t now,
    void (*act)(struct turns *, struct turns_dest *, int64_t now))
{
	for (size_t i = 0; i < DEST_BUCKETS; i++)
		for (struct turns_dest *d = t->dest[i], *next; d != NULL;
		     d = next) {
			next = d->hash_next;
			act(t, d, now);
		}
}
