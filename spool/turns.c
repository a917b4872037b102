/* Whose turn it is among many destinations.  Runs in: queue. */
#include "spool/turns.h"

#include <assert.h>
#include <stdlib.h>

#include "spool/turns_dest.h"

struct turns *
turns_new(const struct turns_limits *l)
{
	struct turns *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	for (int i = 0; i < STANDINGS; i++)
		ring_init(&t->ready[i]);
	ring_init(&t->down);
	ring_init(&t->idle);
	ring_init(&t->call[0]);
	ring_init(&t->call[1]);
	turns_set_limits(t, l);
	return t;
}

void
turns_set_limits(struct turns *t, const struct turns_limits *l)
{
	uint64_t seed = t->limits.seed;

	assert(l->in_flight > 0 && l->per_dest > 0 && l->pause > 0);
	t->limits = *l;
	if (seed != 0)
		t->limits.seed = seed; /* the table and tags keep to it */
}

void
turns_free(struct turns *t)
{
	for (size_t i = 0; t != NULL && i < DEST_BUCKETS; i++)
		while (t->dest[i] != NULL) {
			struct turns_dest *d = t->dest[i];
			t->dest[i] = d->hash_next;
			free(d->why);
			free(d);
		}
	free(t);
}

/* May no more wait for destinations of that class?  Half of the places are for
 * those that are known to work. */
static bool
class_full(const struct turns *t, int c)
{
	unsigned others = t->waiting_n[1] + t->called[1];
	unsigned all = t->waiting_n[0] + t->called[0] + others;
	unsigned room = t->limits.waiting;

	return room > 0 && (all >= room || (c == 1 && others >= room / 2));
}

/* Too many wait already, or would be overtaken. */
static bool
crowded(struct turns *t, struct turns_dest *d, const struct turn *r)
{
	unsigned room = dest_room(t, d);

	if (r->called && d->called > 0)
		return false;
	return d->parked.first != NULL || class_full(t, dest_class(d)) ||
	       (room > 0 && d->waiting_n >= room);
}

bool
turns_add(struct turns *t, struct turn *r, struct view dest, int64_t now)
{
	struct turns_dest *d;

	dests_sweep(t, now);
	d = dest_get(t, dest);
	if (d == NULL)
		return false;
	dest_wake(t, d);
	r->dest = d;
	bool full = crowded(t, d, r);
	if (r->called && d->called > 0)
		dest_count(t, d, 0, -1);
	if (d->down_until > now) {
		dest_suspend(t, d, r);
		return true;
	}
	if (full) {
		r->busy = false;
		r->crowded = true;
		fifo_put(&t->suspended, r);
		dest_release(t, d, now);
		return true;
	}
	fifo_put(&d->waiting, r);
	dest_count(t, d, 1, 0);
	if (ring_empty(&d->ready))
		dest_ready(t, d);
	dest_call(t, d);
	return true;
}

/* May one more be in flight to destinations of that standing? */
static bool
room_for(const struct turns *t, enum standing s)
{
	unsigned unproven = t->flying[UNKNOWN] + t->flying[FAILING];
	const struct turns_limits *l = &t->limits;

	return t->in_flight < l->in_flight &&
	       (s == WORKS || l->unproven == 0 || unproven < l->unproven) &&
	       (s != FAILING || l->failing == 0 ||
		   t->flying[FAILING] < l->failing);
}

struct turn *
turns_pick(struct turns *t)
{
	for (int i = 0; i < STANDINGS; i++) {
		enum standing s = t->next;
		t->next = (t->next + 1) % STANDINGS;
		if (ring_empty(&t->ready[s]) || !room_for(t, s))
			continue;
		struct turns_dest *d = DEST(t->ready[s].next, ready);
		struct turn *r = dest_take(t, d);
		d->in_flight++;
		t->in_flight++;
		t->flying[s]++;
		dest_ready(t, d); /* to the end of the ring */
		dest_call(t, d);
		return r;
	}
	return NULL;
}

void
turns_result(struct turns *t, struct turn *r, enum turn_outcome o, int64_t now)
{
	struct turns_dest *d = r->dest;

	assert(d->in_flight > 0 && t->in_flight > 0);
	r->dest = NULL;
	d->in_flight--;
	t->in_flight--;
	t->flying[d->standing]--;
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

void
turns_note(struct turns *t, const struct turn *r, const char *why)
{
	dest_note(t, r->dest, why);
}

const char *
turns_why(const struct turns *t, struct view dest)
{
	const struct turns_dest *d = dest_find(t, dest);

	return d == NULL || d->why == NULL ? "" : d->why;
}

/* ---- who is parked ---- */

bool
turns_park(struct turns *t, struct sched_msg *m, struct view dest, int64_t now)
{
	struct turns_dest *d = dest_get(t, dest);

	if (d == NULL)
		return false;
	dest_wake(t, d);
	if (d->down_until > now)
		return false;
	if (m->called && d->parked.first != NULL) {
		m->next = d->parked.first; /* its turn was before theirs */
		d->parked.first = m;
	} else {
		sched_list_put(&d->parked, m);
	}
	m->called = false;
	t->parked++;
	dest_call(t, d);
	return true;
}

struct sched_msg *
turns_call(struct turns *t)
{
	int c = 0;

	while (c < 2 && (ring_empty(&t->call[c]) || class_full(t, c)))
		c++;
	if (c == 2)
		return NULL;
	struct turns_dest *d = DEST(t->call[c].next, call);
	struct sched_msg *m = sched_list_take(&d->parked);
	m->called = true;
	dest_count(t, d, 0, 1);
	t->parked--;
	ring_remove(&d->call); /* to the end of the ring */
	dest_call(t, d);
	return m;
}

struct sched_msg *
turns_unparked(struct turns *t, bool *busy, uint64_t *tag)
{
	struct sched_msg *m = sched_list_take(&t->unparked);

	*busy = m == NULL;
	if (m == NULL)
		m = sched_list_take(&t->unparked_busy);
	t->parked -= m != NULL;
	*tag = m == NULL ? 0 : (uint64_t)m->due;
	return m;
}

size_t
turns_parked(const struct turns *t)
{
	return t->parked;
}

/* ---- who waits for a destination elsewhere ---- */

uint64_t
turns_tag(const struct turns *t, struct view dest)
{
	return dest_tag(t, dest);
}

/* Is it time to probe it, and nobody there who does? */
static bool
dest_probe(const struct turns_dest *d, int64_t now)
{
	return d->down_until != 0 && d->down_until <= now &&
	       d->probe_at <= now && d->in_flight == 0 &&
	       d->waiting.first == NULL && d->parked.first == NULL &&
	       d->called == 0;
}

bool
turns_wakes(struct turns *t, int64_t now)
{
	bool wakes = t->recovered;

	t->recovered = false;
	for (struct node *n = t->down.next; !wakes && n != &t->down;
	     n = n->next)
		wakes = dest_probe(DEST(n, aside), now);
	return wakes;
}

bool
turns_wake(struct turns *t, uint64_t tag, int64_t now)
{
	struct turns_dest *d = dest_tagged(t, tag);

	if (d == NULL)
		return false;
	if (d->down_until == 0)
		return d->standing == WORKS;
	if (!dest_probe(d, now))
		return false;
	d->probe_at = now + t->limits.pause;
	return true;
}

/* ---- now and then ---- */

static void
dest_tick(struct turns *t, struct turns_dest *d, int64_t now)
{
	if (d->called == 0)
		return;
	dest_count(t, d, 0, -(int)d->called);
	dest_call(t, d);
	if (dest_unused(t, d, now))
		dest_forget(t, d);
}

void
turns_tick(struct turns *t, int64_t now)
{
	if (t->called[0] + t->called[1] > 0)
		dests_each(t, now, dest_tick);
}

static void
dest_flush(struct turns *t, struct turns_dest *d, int64_t now)
{
	(void)now;
	d->busy_n = 0;
	if (d->down_until != 0)
		d->down_until = 1; /* tried by one, as it failed */
	dest_ready(t, d);
}

void
turns_flush(struct turns *t)
{
	dests_each(t, 0, dest_flush);
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

unsigned
turns_waiting(const struct turns *t)
{
	return t->waiting_n[0] + t->waiting_n[1];
}

struct view
turns_name(const struct turn *r)
{
	return (struct view){ r->dest->name, r->dest->n };
}
