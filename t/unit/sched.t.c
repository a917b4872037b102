/* The schedule: what is due when, and whose turn it is. */
#include "spool/sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spool/turns.h"
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

/* ---- turns ---- */

static const struct turns_limits tl = {
	.in_flight = 20, .per_dest = 5, .pause = 10000, .seed = 1
};

static struct turn *
new_turns(unsigned n)
{
	struct turn *t = calloc(n, sizeof(*t));

	for (unsigned i = 0; i < n; i++)
		t[i].index = i;
	return t;
}

static struct view
dest(unsigned n)
{
	static char name[32];

	snprintf(name, sizeof(name), "user%u@example.org", n);
	return view_of(name);
}

static void
test_turns(void)
{
	struct turns *t = turns_new(&tl);
	struct turn *r = new_turns(150), *p;
	unsigned seen[3] = { 0 };
	bool fair = true;

	/* A hundred for one, then 25 each for two others. */
	for (unsigned i = 0; i < 150; i++) {
		unsigned d = i < 100 ? 0 : 1 + i % 2;
		r[i].owner = &seen[d];
		fair &= turns_add(t, &r[i], dest(d), 0);
	}
	for (unsigned i = 0; i < 12; i++) {
		p = turns_pick(t);
		++*(unsigned *)p->owner;
	}
	ok(fair && seen[0] == 4 && seen[1] == 4 && seen[2] == 4,
	    "destinations take turns");
	while ((p = turns_pick(t)) != NULL)
		++*(unsigned *)p->owner;
	ok(seen[0] == 5 && seen[1] == 5 && seen[2] == 5 &&
		turns_in_flight(t) == 15,
	    "each has at most its number in flight");
	turns_result(t, &r[0], TURN_DONE, 1);
	p = turns_pick(t);
	ok(p != NULL && p->owner == &seen[0] && p->index == 5,
	    "and the next in order when one is done");
	turns_free(t);
	free(r);
}

static void
test_total(void)
{
	struct turns *t = turns_new(&tl);
	struct turn *r = new_turns(100);
	unsigned n = 0;

	for (unsigned i = 0; i < 100; i++)
		turns_add(t, &r[i], dest(i), 0);
	while (turns_pick(t) != NULL)
		n++;
	ok(n == 20, "deliveries at once are bounded");
	for (unsigned i = 0; i < 20; i++)
		turns_result(t, &r[i], TURN_DONE, 0);
	for (n = 0; turns_pick(t) != NULL; n++)
		;
	ok(n == 20 && turns_dests(t) == 80,
	    "a destination without anything to do is forgotten");
	turns_free(t);
	free(r);
}

static void
test_down(void)
{
	struct turns *t = turns_new(&tl);
	struct turn *r = new_turns(20), *p;
	unsigned n = 0;

	for (unsigned i = 0; i < 10; i++)
		turns_add(t, &r[i], dest(1), 0);
	turns_add(t, &r[10], dest(2), 0);
	p = turns_pick(t);
	turns_result(t, p, TURN_DOWN, 0);
	while ((p = turns_suspended(t)) != NULL)
		n += !p->busy;
	ok(n == 9, "whoever waits for one that is down comes back");
	p = turns_pick(t);
	ok(p == &r[10] && turns_pick(t) == NULL, "others are served");
	turns_add(t, &r[11], dest(1), 9999);
	ok(turns_pick(t) == NULL && turns_suspended(t) == &r[11],
	    "new ones for it come back at once");
	turns_add(t, &r[12], dest(1), 10001);
	turns_add(t, &r[13], dest(1), 10001);
	ok(turns_suspended(t) == NULL && turns_pick(t) == &r[12] &&
		turns_pick(t) == NULL,
	    "after the pause it is probed by one");
	turns_result(t, &r[12], TURN_DONE, 10002);
	turns_add(t, &r[14], dest(1), 10002);
	turns_add(t, &r[15], dest(1), 10002);
	ok(turns_pick(t) == &r[13] && turns_pick(t) == &r[14] &&
		turns_pick(t) == NULL,
	    "and by two when that succeeded");
	turns_free(t);
	free(r);
}

static void
test_busy(void)
{
	struct turns *t = turns_new(&tl);
	struct turn *r = new_turns(40);
	int64_t now = 0, pause = TURNS_BUSY_PAUSE;
	bool good = true;

	for (unsigned i = 0; i < 12; i++) {
		good &= turns_add(t, &r[i], dest(1), now);
		good &= turns_pick(t) == &r[i];
		turns_result(t, &r[i], TURN_BUSY, now);
		good &= turns_add(t, &r[20 + i], dest(1), now + pause - 1);
		good &= turns_suspended(t) == &r[20 + i] && r[20 + i].busy;
		now += pause;
		pause = pause * 2 < tl.pause ? pause * 2 : tl.pause;
	}
	ok(good, "a busy one is left alone for longer and longer");
	turns_free(t);
	free(r);
}

static void
test_memory(void)
{
	struct turns *t = turns_new(&tl);
	struct turn r;
	unsigned most = 0;

	/* One name after the other, all down. */
	for (unsigned i = 0; i < 100000; i++) {
		turns_add(t, &r, dest(i), i);
		turns_result(t, turns_pick(t), TURN_DOWN, i);
		if (turns_dests(t) > most)
			most = turns_dests(t);
	}
	ok(most <= 20001, "memory of what is down ends (%u names)", most);
	turns_free(t);
}

/* Any sequence: nothing is lost, nothing is twice, no limit is broken. */
static void
test_random(void)
{
	enum { N = 300 };
	struct turns *t = turns_new(&tl);
	struct turn *r = new_turns(N), *p;
	char state[N] = { 0 }; /* 0 with us, 1 waits, 2 in flight */
	unsigned flying = 0;
	bool good = true;

	srand(11);
	for (int64_t now = 0; now < 200000; now += rand() % 40) {
		unsigned i = (unsigned)rand() % N;
		if (state[i] == 0) {
			good &= turns_add(t, &r[i], dest(i % 17), now);
			state[i] = 1;
		} else if (state[i] == 2) {
			static const enum turn_outcome o[] = { TURN_DONE,
				TURN_DONE, TURN_DONE, TURN_RETRY, TURN_BUSY,
				TURN_DOWN };
			turns_result(t, &r[i], o[rand() % 6], now);
			state[i] = 0;
			flying--;
		}
		if (rand() % 2 == 0 && (p = turns_pick(t)) != NULL) {
			good &= state[p->index] == 1;
			state[p->index] = 2;
			flying++;
		}
		if (rand() % 2 == 0 && (p = turns_suspended(t)) != NULL) {
			good &= state[p->index] == 1;
			state[p->index] = 0;
		}
		good &= flying == turns_in_flight(t) && flying <= 20;
	}
	for (int64_t now = 300000; now < 300100; now++) {
		while ((p = turns_pick(t)) != NULL)
			state[p->index] = 2;
		while ((p = turns_suspended(t)) != NULL)
			state[p->index] = 0;
		for (unsigned i = 0; i < N; i++)
			if (state[i] == 2) {
				turns_result(t, &r[i], TURN_DONE, now);
				state[i] = 0;
			}
	}
	for (unsigned i = 0; i < N; i++)
		good &= state[i] == 0;
	ok(good && turns_in_flight(t) == 0, "any sequence keeps all of them");
	turns_free(t);
	free(r);
}

int
main(void)
{
	test_known();
	test_order();
	test_room();
	test_fifo();
	test_retry();
	test_turns();
	test_total();
	test_down();
	test_busy();
	test_memory();
	test_random();
	return done_testing();
}
