/* The schedule: what is due when, and whose turn it is. */
#include "spool/sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spool/owners.h"
#include "t/unit/tap.h"

static const struct sched_limits limits = {
	.active = 8, .retry_min = 1000, .retry_max = 16000, .seed = 42
};

static const char *
id_of(unsigned n)
{
	static char id[24];

	snprintf(id, sizeof(id), "%08X", n);
	return id;
}

static void
test_known(void)
{
	struct sched *s = sched_new(&limits);
	bool found = true, gone = true;
	enum { MANY = 20000 };

	for (unsigned i = 0; i < MANY; i++)
		sched_wait(s, sched_reserve(s, id_of(i)), 0);
	ok(sched_count(s) == MANY, "%d messages are known", MANY);
	for (unsigned i = 0; i < MANY; i++)
		found &= sched_find(s, id_of(i)) != NULL &&
			 strcmp(sched_find(s, id_of(i))->id, id_of(i)) == 0;
	ok(found, "each is found by its id");
	ok(sched_reserve(s, id_of(7)) == NULL, "an id is known once only");
	ok(sched_find(s, "FFFFFFFF") == NULL, "an unknown one is not found");
	for (unsigned i = 0; i < MANY; i++) {
		struct sched_msg *m = sched_activate(s, 0);
		gone &= m != NULL;
		if (m != NULL)
			sched_drop(s, m);
	}
	ok(gone && sched_count(s) == 0 && sched_activate(s, 0) == NULL,
	    "all can be dropped");
	sched_free(s);
}

static void
test_order(void)
{
	struct sched *s = sched_new(&limits);
	int64_t last = -1;
	bool order = true;
	unsigned n = 0;

	srand(7);
	for (unsigned i = 0; i < 500; i++)
		sched_wait(s, sched_reserve(s, id_of(i)), rand() % 1000);
	for (int64_t now = 0; now <= 1000; now += 10) {
		struct sched_msg *m;
		while ((m = sched_activate(s, now)) != NULL) {
			order &= m->due >= last && m->due <= now;
			last = m->due;
			n++;
			sched_drop(s, m);
		}
		int64_t next = sched_next(s);
		order &= next == -1 || next > now;
	}
	ok(order && n == 500, "waiting ones come in the order of their time");
	sched_free(s);
}

static void
test_room(void)
{
	struct sched *s = sched_new(&limits);
	unsigned fresh = 0, retry = 0;
	struct sched_msg *m, *some = NULL;

	for (unsigned i = 0; i < 100; i++) {
		sched_wait(s, sched_reserve(s, id_of(i)), 0);
		sched_fresh(s, sched_reserve(s, id_of(1000 + i)));
	}
	while ((m = sched_activate(s, 5)) != NULL) {
		*(m->retry ? &retry : &fresh) += 1;
		if (m->retry)
			some = m;
	}
	ok(fresh + retry == 8 && fresh >= 4 && retry >= 2,
	    "active: %u fresh and %u retries share 8 places", fresh, retry);
	ok(sched_next(s) == -1, "nothing is due while there is no room");
	sched_drop(s, some);
	ok(sched_next(s) == 0, "there is when one has gone");
	sched_free(s);

	s = sched_new(&limits);
	for (unsigned i = 0; i < 100; i++)
		sched_wait(s, sched_reserve(s, id_of(i)), 0);
	for (retry = 0; sched_activate(s, 5) != NULL; retry++)
		;
	sched_fresh(s, sched_reserve(s, id_of(999)));
	ok(retry == 4 && sched_next(s) == 0 &&
		(m = sched_activate(s, 5)) != NULL && !m->retry,
	    "retries leave room for fresh mail");
	sched_free(s);
}

static void
test_fifo(void)
{
	struct sched *s = sched_new(&limits);
	bool order = true;

	for (unsigned i = 0; i < 50; i++)
		sched_fresh(s, sched_reserve(s, id_of(i)));
	for (unsigned i = 0; i < 50; i++) {
		struct sched_msg *m = sched_activate(s, 0);
		order &= m != NULL && strcmp(m->id, id_of(i)) == 0;
		sched_drop(s, m);
	}
	ok(order, "fresh mail keeps its order");
	sched_free(s);
}

static void
test_retry(void)
{
	struct sched *s = sched_new(&limits);
	bool in = true, differ = false;
	int64_t now = 100, first = 0;

	for (unsigned n = 0; n < 70; n++)
		for (unsigned i = 0; i < 50; i++) {
			int64_t t = sched_interval(s, n, false);
			int64_t want = n >= 4 ? 16000 : 1000 << n;
			in &= t >= 1000 && t <= 16000 && t >= want - want / 4 &&
			      t <= want + want / 4;
			differ |= i > 0 && t != first;
			first = t;
		}
	ok(in, "intervals double within their bounds");
	ok(differ, "with jitter");
	in = true;
	for (unsigned i = 0; i < 50; i++) {
		int64_t t = sched_interval(s, 0, true);
		in &= t >= 500 && t <= 625;
		t = sched_interval(s, 3, true);
		in &= t >= 3000 && t <= 5000;
	}
	ok(in, "a busy mailbox is tried again sooner");
	sched_fresh(s, sched_reserve(s, id_of(1)));
	for (unsigned n = 0; n < 8; n++) {
		struct sched_msg *m = sched_activate(s, now);
		in &= m != NULL && m->tries == n;
		if (m == NULL)
			break;
		sched_defer(s, m, false, now);
		in &= sched_activate(s, now + 999) == NULL;
		in &=
		    sched_next(s) >= now + 1000 && sched_next(s) <= now + 16000;
		now = sched_next(s);
	}
	ok(in, "a deferred message is due after its interval, and counts");
	sched_free(s);

	s = sched_new(&limits);
	sched_wait(s, sched_reserve(s, id_of(1)), 0);
	struct sched_msg *m = sched_activate(s, 0);
	sched_aged(s, m, 5000);
	ok(m->tries == 3, "an old one found on disk is not tried like new");
	sched_aged(s, m, INT64_MAX);
	ok(m->tries == 32, "however old");
	sched_free(s);
}

/* ---- moving and dropping what waits ---- */

static void
test_move(void)
{
	struct sched_limits sl = limits;
	sl.active = 2000;
	struct sched *s = sched_new(&sl);
	struct sched_msg *m[500];
	int64_t last = -1;
	bool good = true;
	unsigned n = 0;

	srand(3);
	for (unsigned i = 0; i < 500; i++) {
		m[i] = sched_reserve(s, id_of(i));
		sched_wait(s, m[i], rand() % 1000);
	}
	for (unsigned i = 0; i < 500; i += 2)
		sched_move(s, m[i], rand() % 1000);
	for (unsigned i = 0; i < 500; i += 5)
		sched_drop(s, m[i]);
	for (struct sched_msg *x; (x = sched_activate(s, 1000)) != NULL; n++) {
		good &= x->due >= last;
		last = x->due;
	}
	ok(good && n == 400, "what waits can be moved and dropped (%u left)",
	    n);
	sched_free(s);
}

static bool
odd_tag(void *arg, uint64_t held)
{
	++*(unsigned *)arg;
	return held % 2 == 1;
}

static void
test_wake(void)
{
	struct sched_limits l = limits;
	l.active = 2000;
	struct sched *s = sched_new(&l);
	struct sched_msg *m[300];
	unsigned asked = 0, early = 0;
	bool right = true;
	int64_t last = 0;

	/* A third is not held, a third for one thing, a third for another. */
	for (unsigned i = 0; i < 300; i++) {
		m[i] = sched_reserve(s, id_of(i));
		sched_wait(s, m[i], 5000 + rand() % 5000);
		if (i % 3 != 0)
			sched_hold(s, m[i], i % 3);
	}
	sched_move(s, m[1], 3000);
	sched_drop(s, m[2]);
	ok(sched_held(s) == 198, "some are held");
	sched_wait(s, m[2] = sched_reserve(s, id_of(2)), 2000);
	sched_hold(s, m[2], 7);
	sched_wake(s, odd_tag, &asked, 2500);
	ok(asked == 199 && sched_held(s) == 99, "each of them is judged once");
	for (unsigned i = 0; i < 300; i++)
		if (i > 2 && i % 3 == 1)
			right &= m[i]->due >= 2500 &&
				 m[i]->due < 2500 + 100 * SCHED_PACE;
		else
			right &= i < 3 || m[i]->due >= 5000;
	ok(right && m[1]->due == 3000 && m[2]->due == 2000,
	    "some are due soon, and none later than it was");
	for (unsigned i = 0; i < 300; i++) {
		struct sched_msg *x = sched_activate(s, 10000);
		right &= x != NULL && x->due >= last;
		if (x == NULL)
			break;
		last = x->due;
		early += x->due < 2500 + 100 * SCHED_PACE;
	}
	ok(right && early == 100, "one after the other (%u)", early);
	ok(sched_held(s) == 0, "and who is active is not held");
	sched_free(s);
}

static void
test_alternate(void)
{
	struct sched *s = sched_new(&limits);
	unsigned fresh = 0;

	for (unsigned i = 0; i < 100; i++) {
		sched_wait(s, sched_reserve(s, id_of(i)), 0);
		sched_fresh(s, sched_reserve(s, id_of(1000 + i)));
	}
	for (unsigned i = 0; i < 40; i++) {
		struct sched_msg *x = sched_activate(s, 1);
		fresh += !x->retry;
		sched_drop(s, x);
	}
	ok(fresh == 20, "fresh mail and retries take turns (%u of 40)", fresh);
	sched_free(s);
}

static void
test_owners(void)
{
	struct sched *s = sched_new(&limits);
	static struct owners o;
	struct sched_msg *m[4];
	bool good = true;

	for (unsigned i = 0; i < 4; i++) {
		m[i] = sched_reserve(s, id_of(i));
		sched_own(s, m[i], i == 3 ? 0 : 1000 + OWNERS_MAX * (i / 2));
	}
	sched_own(s, m[0], 7);
	ok(sched_owned(s, 1000) == 2 && sched_owned(s, 1000 + OWNERS_MAX) == 1,
	    "each user's messages are counted, once");
	ok(sched_owned(s, 0) == 0 && sched_owned(s, 7) == 0, "root's are not");
	sched_drop(s, m[0]);
	sched_drop(s, m[3]);
	ok(sched_owned(s, 1000) == 1, "until they are gone");
	sched_drop(s, m[1]);
	sched_wait(s, m[2], 0);
	ok(sched_owned(s, 1000) == 0 && sched_owned(s, 1000 + OWNERS_MAX) == 1,
	    "and his neighbour's stay");
	sched_free(s);
	for (unsigned round = 0; round < 2; round++) {
		for (uint32_t i = 1; i <= OWNERS_MAX; i++)
			good &= owners_take(&o, i * 31) != 0;
		good &= owners_take(&o, 1) == 0 && owners_count(&o, 1) == 0;
		good &= owners_take(&o, 31) == 32 && owners_count(&o, 31) == 2;
		owners_give(&o, 32);
		for (unsigned i = 1; i <= OWNERS_MAX; i++)
			owners_give(&o, (uint16_t)i);
		good &= owners_count(&o, 62) == 0;
	}
	ok(good, "no more than %d users at a time, and others after them",
	    OWNERS_MAX);
	ok(owners_uid(view_of("uid 1000 of this host")) == 1000 &&
		owners_uid(view_of("")) == 0 &&
		owners_uid(view_of("uid")) == 0 &&
		owners_uid(view_of("uid 5")) == 0 &&
		owners_uid(view_of("uid -1 of this host")) == 0 &&
		owners_uid(view_of("uid 99999999999 of this host")) == 0 &&
		owners_uid(view_of("alice")) == 0,
	    "what a record says of its user");
}

static void
test_quiet(void)
{
	struct sched *s = sched_new(&limits);

	ok(sched_quiet(s, 0), "nothing is known: it is quiet");
	struct sched_msg *m = sched_reserve(s, id_of(1));
	ok(!sched_quiet(s, 0), "a message that is being written");
	sched_fresh(s, m);
	ok(!sched_quiet(s, 0), "one that has come");
	m = sched_activate(s, 0);
	ok(!sched_quiet(s, 0), "one that is being delivered");
	sched_park(s, m);
	ok(!sched_quiet(s, 0), "one that waits for its destination's turn");
	sched_defer(s, m, false, 100);
	int64_t due = sched_next(s);
	ok(sched_quiet(s, due), "one that waits until then");
	ok(!sched_quiet(s, due + 1), "but not longer");
	sched_free(s);
}

int
main(void)
{
	test_quiet();
	test_owners();
	test_known();
	test_order();
	test_room();
	test_fifo();
	test_retry();
	test_move();
	test_wake();
	test_alternate();
	return done_testing();
}
