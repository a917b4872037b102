/*
 * Which queued message is due when.  Runs in: queue.
 *
 * Waiting messages are a heap by time, fresh ones a list.  The heap has room
 * for every known message before that message is known, so that nothing that is
 * on disk can be forgotten for want of memory.
 */
#include "spool/sched.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/view.h"
#include "spool/owners.h"

enum { BUCKETS_MIN = 1024 };

struct sched {
	struct sched_limits limits;
	uint64_t random, hash_seed;
	size_t n; /* messages */
	int64_t serial;
	struct sched_msg **bucket;
	size_t buckets; /* a power of two */
	struct sched_msg **heap;
	size_t heap_n, heap_cap;
	size_t held; /* of them */
	struct owners owners;
	struct sched_list fresh;
	bool fresh_last; /* the last that became active was */
	unsigned active_fresh, active_retry;
};

/* ---- small parts ---- */

/* xorshift64*: jitter needs no secrecy. */
static uint64_t
next_random(struct sched *s)
{
	s->random ^= s->random >> 12;
	s->random ^= s->random << 25;
	s->random ^= s->random >> 27;
	return s->random * 0x2545F4914F6CDD1DULL;
}

/* FNV-1a from a secret start, as askers choose the ids. */
static size_t
hash(const struct sched *s, const char *id)
{
	uint64_t h = s->hash_seed;

	for (; *id != '\0'; id++)
		h = (h ^ (unsigned char)*id) * 0x100000001B3ULL;
	return (size_t)(h ^ h >> 32);
}

void
sched_list_put(struct sched_list *l, struct sched_msg *m)
{
	m->next = NULL;
	*(l->first == NULL ? &l->first : &l->last->next) = m;
	l->last = m;
}

struct sched_msg *
sched_list_take(struct sched_list *l)
{
	struct sched_msg *m = l->first;

	if (m != NULL)
		l->first = m->next;
	return m;
}

/* ---- known messages ---- */

struct sched *
sched_new(const struct sched_limits *l)
{
	struct sched *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->bucket = calloc(BUCKETS_MIN, sizeof(struct sched_msg *));
	if (s->bucket == NULL) {
		free(s);
		return NULL;
	}
	s->buckets = BUCKETS_MIN;
	s->random = l->seed | 1;
	s->hash_seed = next_random(s);
	sched_set_limits(s, l);
	return s;
}

void
sched_set_limits(struct sched *s, const struct sched_limits *l)
{
	assert(l->active > 1);
	assert(l->retry_min > 0 && l->retry_min <= l->retry_max);
	s->limits = *l;
}

void
sched_free(struct sched *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->buckets; i++)
		while (s->bucket[i] != NULL) {
			struct sched_msg *m = s->bucket[i];
			s->bucket[i] = m->hash_next;
			free(m);
		}
	free(s->bucket);
	free(s->heap);
	free(s);
}

bool
sched_quiet(const struct sched *s, int64_t until)
{
	return s->n == s->heap_n &&
	       (s->heap_n == 0 || s->heap[0]->due >= until);
}

size_t
sched_count(const struct sched *s)
{
	return s->n;
}

static struct sched_msg **
bucket_of(struct sched *s, const char *id)
{
	return &s->bucket[hash(s, id) & (s->buckets - 1)];
}

struct sched_msg *
sched_find(struct sched *s, const char *id)
{
	struct sched_msg *m = *bucket_of(s, id);

	while (m != NULL && strcmp(m->id, id) != 0)
		m = m->hash_next;
	return m;
}

/* Twice as many buckets.  Without memory the chains just grow longer. */
static void
grow_buckets(struct sched *s)
{
	size_t old_n = s->buckets;
	struct sched_msg **old = s->bucket;
	struct sched_msg **bigger = calloc(old_n * 2, sizeof(*bigger));

	if (bigger == NULL)
		return;
	s->bucket = bigger;
	s->buckets = old_n * 2;
	for (size_t i = 0; i < old_n; i++)
		while (old[i] != NULL) {
			struct sched_msg *m = old[i];
			old[i] = m->hash_next;
			struct sched_msg **b = bucket_of(s, m->id);
			m->hash_next = *b;
			*b = m;
		}
	free(old);
}

static bool
grow_heap(struct sched *s)
{
	if (s->n < s->heap_cap)
		return true;
	size_t cap = s->heap_cap == 0 ? 256 : s->heap_cap * 2;
	struct sched_msg **p = realloc(s->heap, cap * sizeof(*p));
	if (p == NULL)
		return false;
	s->heap = p;
	s->heap_cap = cap;
	return true;
}

struct sched_msg *
sched_reserve(struct sched *s, const char *id)
{
	struct sched_msg *m;

	if (sched_find(s, id) != NULL || !grow_heap(s))
		return NULL;
	m = calloc(1, sizeof(*m));
	if (m == NULL || !view_copy(view_of(id), m->id, sizeof(m->id))) {
		free(m);
		return NULL;
	}
	if (s->n >= s->buckets)
		grow_buckets(s);
	struct sched_msg **b = bucket_of(s, id);
	m->hash_next = *b;
	*b = m;
	s->n++;
	return m;
}

void
sched_own(struct sched *s, struct sched_msg *m, uint32_t uid)
{
	if (m->owner == 0)
		m->owner = owners_take(&s->owners, uid);
}

uint32_t
sched_owned(const struct sched *s, uint32_t uid)
{
	return owners_count(&s->owners, uid);
}

/* ---- the heap: the least due is at 0 ---- */

static void
heap_set(struct sched *s, size_t at, struct sched_msg *m)
{
	s->heap[at] = m;
	m->heap_at = (uint32_t)at;
}

static void
heap_up(struct sched *s, size_t at, struct sched_msg *m)
{
	while (at > 0 && s->heap[(at - 1) / 2]->due > m->due) {
		heap_set(s, at, s->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_set(s, at, m);
}

static void
heap_down(struct sched *s, size_t at, struct sched_msg *m)
{
	for (;;) {
		size_t kid = at * 2 + 1;
		if (kid + 1 < s->heap_n &&
		    s->heap[kid + 1]->due < s->heap[kid]->due)
			kid++;
		if (kid >= s->heap_n || s->heap[kid]->due >= m->due)
			break;
		heap_set(s, at, s->heap[kid]);
		at = kid;
	}
	heap_set(s, at, m);
}

static void
heap_remove(struct sched *s, struct sched_msg *m)
{
	size_t at = m->heap_at;
	struct sched_msg *last = s->heap[--s->heap_n];

	s->held -= m->held != 0;
	m->held = 0;
	if (last == m)
		return;
	heap_down(s, at, last);
	if (s->heap[at] == last)
		heap_up(s, at, last);
}

/* ---- what is due ---- */

void
sched_fresh(struct sched *s, struct sched_msg *m)
{
	assert(m->state == SCHED_RESERVED);
	m->state = SCHED_FRESH;
	m->due = s->serial++; /* before all clocks, should it be parked */
	sched_list_put(&s->fresh, m);
}

void
sched_wait(struct sched *s, struct sched_msg *m, int64_t due)
{
	assert(m->state == SCHED_RESERVED);
	m->state = SCHED_WAITING;
	m->due = due;
	m->held = 0;
	s->heap_n++;
	heap_up(s, s->heap_n - 1, m);
}

int64_t
sched_interval(struct sched *s, unsigned tries, bool soon)
{
	int64_t least = s->limits.retry_min, most = s->limits.retry_max;

	if (soon && least > SCHED_SOON)
		least = SCHED_SOON;
	int64_t base = least;
	while (tries-- > 0 && base < most)
		base = base > most / 2 ? most : base * 2;
	/* A quarter more or less, but never beyond what was configured. */
	int64_t span = base / 2;
	base -= base / 4;
	base += (int64_t)(next_random(s) % (uint64_t)(span + 1));
	return base < least ? least : base > most ? most : base;
}

void
sched_aged(struct sched *s, struct sched_msg *m, int64_t ms)
{
	int64_t passed = s->limits.retry_min;

	for (; passed < ms && m->tries < 32; m->tries++)
		passed = passed > INT64_MAX / 2 ? ms : passed * 2;
}

static void
leave_active(struct sched *s, struct sched_msg *m)
{
	if (m->retry)
		s->active_retry--;
	else
		s->active_fresh--;
	m->active = NULL;
	m->state = SCHED_RESERVED;
}

void
sched_defer(struct sched *s, struct sched_msg *m, bool soon, int64_t now)
{
	assert(m->state == SCHED_ACTIVE || m->state == SCHED_PARKED);
	if (m->state == SCHED_ACTIVE)
		leave_active(s, m);
	m->state = SCHED_RESERVED;
	sched_wait(s, m, now + sched_interval(s, m->tries, soon));
	if (m->tries < UINT8_MAX)
		m->tries++;
}

void
sched_park(struct sched *s, struct sched_msg *m)
{
	assert(m->state == SCHED_ACTIVE);
	leave_active(s, m);
	m->state = SCHED_PARKED;
}

void
sched_unpark(struct sched *s, struct sched_msg *m)
{
	assert(m->state == SCHED_PARKED);
	m->state = SCHED_RESERVED;
	sched_wait(s, m, m->due);
}

void
sched_move(struct sched *s, struct sched_msg *m, int64_t due)
{
	assert(m->state == SCHED_WAITING);
	heap_remove(s, m);
	m->state = SCHED_RESERVED;
	sched_wait(s, m, due);
}

void
sched_hold(struct sched *s, struct sched_msg *m, uint64_t held)
{
	assert(m->state == SCHED_WAITING && m->held == 0 && held != 0);
	m->held = held;
	s->held++;
}

size_t
sched_held(const struct sched *s)
{
	return s->held;
}

void
sched_wake(struct sched *s, bool (*wake)(void *arg, uint64_t held), void *arg,
    int64_t now)
{
	/* Whoever goes up trades places with those that were looked at. */
	for (size_t i = 0; s->held > 0 && i < s->heap_n; i++) {
		struct sched_msg *m = s->heap[i];
		if (m->held == 0 || !wake(arg, m->held))
			continue;
		m->held = 0;
		s->held--;
		if (m->due > now) {
			m->due = now;
			heap_up(s, i, m);
		}
		now += SCHED_PACE;
	}
}

void
sched_drop(struct sched *s, struct sched_msg *m)
{
	assert(m->state != SCHED_FRESH && m->state != SCHED_PARKED);
	if (m->state == SCHED_ACTIVE)
		leave_active(s, m);
	else if (m->state == SCHED_WAITING)
		heap_remove(s, m);
	struct sched_msg **b = bucket_of(s, m->id);
	while (*b != m)
		b = &(*b)->hash_next;
	*b = m->hash_next;
	s->n--;
	owners_give(&s->owners, m->owner);
	free(m);
}

/* Fresh mail may take three quarters of the places, retries one half. */
static bool
room_fresh(const struct sched *s)
{
	return s->active_fresh + s->active_retry < s->limits.active &&
	       s->active_fresh < s->limits.active - s->limits.active / 4;
}

static bool
room_retry(const struct sched *s)
{
	return s->active_fresh + s->active_retry < s->limits.active &&
	       s->active_retry < (s->limits.active + 1) / 2;
}

struct sched_msg *
sched_activate(struct sched *s, int64_t now)
{
	bool fresh = s->fresh.first != NULL && room_fresh(s);
	bool retry = s->heap_n > 0 && s->heap[0]->due <= now && room_retry(s);
	struct sched_msg *m;

	if (!fresh && !retry)
		return NULL;
	fresh = fresh && !(retry && s->fresh_last);
	s->fresh_last = fresh;
	if (fresh) {
		m = sched_list_take(&s->fresh);
		s->active_fresh++;
	} else {
		m = s->heap[0];
		heap_remove(s, m);
		s->active_retry++;
	}
	m->retry = !fresh;
	m->active = NULL;
	m->state = SCHED_ACTIVE;
	return m;
}

int64_t
sched_next(const struct sched *s)
{
	if (s->fresh.first != NULL && room_fresh(s))
		return 0;
	return s->heap_n > 0 && room_retry(s) ? s->heap[0]->due : -1;
}
