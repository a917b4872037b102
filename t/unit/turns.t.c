/* Whose turn it is: the order, the limits, and what destinations that may be
 * dead leave to the others. */
#include "t/unit/turns_some.h"

#include <string.h>

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

/* ---- turns ---- */

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

/* ---- destinations that may be dead ---- */

static const struct turns_limits far = { .in_flight = 8,
	.per_dest = 4,
	.first = 1,
	.unproven = 6,
	.failing = 2,
	.waiting = 40,
	.waiting_dest = 10,
	.known = 50,
	.pause = 10000,
	.seed = 3 };

static unsigned
pick_all(struct turns *t, struct turn **out)
{
	unsigned n = 0;

	while ((out[n] = turns_pick(t)) != NULL)
		n++;
	return n;
}

static void
test_unproven(void)
{
	struct turns *t = turns_new(&far);
	struct turn *r = new_turns(60), *got[60], *p;
	unsigned n;

	/* One works, twenty others are not known. */
	turns_add(t, &r[0], dest(0), 0);
	turns_result(t, turns_pick(t), TURN_DONE, 0);
	ok(turns_dests(t) == 1, "a destination that works is remembered");
	for (unsigned i = 1; i < 21; i++)
		turns_add(t, &r[i], dest(i), 0);
	n = pick_all(t, got);
	ok(n == 6, "of the others only a part is tried at once (%u)", n);
	turns_add(t, &r[21], dest(0), 0);
	turns_add(t, &r[22], dest(0), 0);
	ok(turns_pick(t) == &r[21] && turns_pick(t) == &r[22],
	    "so that there is room for the one that works");
	turns_result(t, &r[21], TURN_DONE, 0);
	turns_result(t, &r[22], TURN_DONE, 0);
	for (unsigned i = 0; i < n; i++)
		turns_result(t, got[i], TURN_DOWN, 1);
	/* Six failed; they are due again while others are not known. */
	while (pick_all(t, got) > 0)
		for (unsigned i = 0; got[i] != NULL; i++)
			turns_result(t, got[i], TURN_DOWN, 1);
	for (unsigned i = 1; i < 13; i++)
		turns_add(t, &r[30 + i], dest(i), 10002);
	n = pick_all(t, got);
	ok(n == 2, "of those that failed even fewer (%u)", n);
	turns_add(t, &r[50], dest(40), 10002);
	p = turns_pick(t);
	ok(p == &r[50], "so that there is room for one that is not known");
	turns_result(t, p, TURN_DONE, 10002);
	turns_free(t);
	free(r);
}

static void
test_slow_start(void)
{
	struct turns *t = turns_new(&far);
	struct turn *r = new_turns(20), *got[20];
	unsigned n[4];

	turns_add(t, &r[0], dest(1), 0);
	turns_add(t, &r[1], dest(1), 0);
	n[0] = pick_all(t, got);
	turns_result(t, got[0], TURN_DONE, 0);
	for (unsigned i = 2; i < 10; i++)
		turns_add(t, &r[i], dest(1), 0);
	n[1] = pick_all(t, got);
	for (unsigned i = 0; i < n[1]; i++)
		turns_result(t, got[i], TURN_DONE, 0);
	n[2] = pick_all(t, got);
	ok(n[0] == 1 && n[1] == 2 && n[2] == 4,
	    "a destination gets more at once as it works (%u, %u, %u)", n[0],
	    n[1], n[2]);
	turns_free(t);
	free(r);
}

static void
learn(struct turns *t, unsigned n)
{
	struct turn r = { .index = 0 };

	for (unsigned i = 0; i < n; i++) {
		turns_add(t, &r, dest(1000 + i), 0);
		turns_result(t, turns_pick(t), TURN_DONE, 0);
	}
}

/* A message for a destination where too many wait. */
static struct sched_msg *
park(struct sched *s, struct turns *t, const char *id, struct view d, bool *ok)
{
	sched_fresh(s, sched_reserve(s, id));
	struct sched_msg *m = sched_activate(s, 0);
	sched_park(s, m);
	*ok &= turns_park(t, m, d, 0);
	return m;
}

static void
test_parked(void)
{
	struct sched_limits sl = limits;
	sl.active = 1000;
	struct sched *s = sched_new(&sl);
	struct turns *t = turns_new(&far);
	struct turn *r = new_turns(200), *got[200], *p;
	struct sched_msg *m;
	unsigned crowded = 0, called = 0;
	bool good = true, busy;
	uint64_t tag;

	learn(t, 200);
	ok(turns_dests(t) == 50, "not all that work are remembered (%u)",
	    turns_dests(t));
	/* 100 for one that is not known: one has its turn, one waits. */
	for (unsigned i = 0; i < 100; i++)
		turns_add(t, &r[i], dest(1), 0);
	while ((p = turns_suspended(t)) != NULL) {
		good &= p->crowded;
		crowded++;
		park(s, t, id_of(p->index), dest(1), &good);
	}
	ok(good && crowded == 98 && turns_parked(t) == 98 &&
		turns_call(t) == NULL,
	    "of many for one destination most are parked (%u)", crowded);
	ok(pick_all(t, got) == 1, "one is tried");
	m = turns_call(t);
	ok(m != NULL && m->called && strcmp(m->id, id_of(2)) == 0 &&
		turns_call(t) == NULL,
	    "and the first that was parked is called for its place");
	turns_add(t, &r[100], dest(1), 0);
	ok(turns_suspended(t) == &r[100] && r[100].crowded,
	    "nobody overtakes it");
	sched_unpark(s, m);
	ok(sched_activate(s, 0) == m, "it is active at once");
	r[2].called = true;
	turns_add(t, &r[2], dest(1), 0);
	ok(turns_suspended(t) == NULL, "and has its place");
	turns_result(t, got[0], TURN_DONE, 0);
	while ((m = turns_call(t)) != NULL) {
		sched_unpark(s, m);
		called++;
	}
	ok(called >= 7 && called <= 10, "more are called when it works (%u)",
	    called);
	turns_tick(t, 1);
	ok(turns_call(t) != NULL, "who does not come is not waited for");
	p = turns_pick(t);
	turns_result(t, p, TURN_DOWN, 0);
	size_t left = turns_parked(t);
	while ((m = turns_unparked(t, &busy, &tag)) != NULL) {
		good &= !busy && tag == turns_tag(t, dest(1));
		sched_defer(s, m, busy, 0);
		left--;
	}
	ok(good && left == 0 && turns_parked(t) == 0,
	    "when it goes down, all that were parked come back");
	sched_fresh(s, sched_reserve(s, id_of(5000)));
	m = sched_activate(s, 0);
	sched_park(s, m);
	ok(!turns_park(t, m, dest(1), 1), "nobody is parked at what is down");
	turns_flush(t);
	ok(turns_park(t, m, dest(1), 1), "but when that is forgotten");
	turns_free(t);
	sched_free(s);
	free(r);
}

static void
test_dead_and_alive(void)
{
	struct sched_limits sl = limits;
	sl.active = 100000;
	struct sched *s = sched_new(&sl);
	struct turns *t = turns_new(&far);
	struct turn *r = new_turns(2000), *p;
	bool good = true;
	unsigned done = 0;

	learn(t, 3);
	/* Thirty that answer late or never, 20 for each, then one for one that
	 * works. */
	for (unsigned i = 0; i < 600; i++)
		turns_add(t, &r[i], dest(i % 30), 0);
	while ((p = turns_suspended(t)) != NULL)
		park(s, t, id_of(p->index), dest(p->index % 30), &good);
	while (turns_pick(t) != NULL)
		;
	for (unsigned i = 700; i < 800; i++) /* in the places that are free */
		turns_add(t, &r[i], dest(i), 0);
	while (turns_suspended(t) != NULL)
		;
	for (unsigned i = 600; i < 700; i++) {
		turns_add(t, &r[i], dest(1000 + i % 3), 0);
		good &= turns_suspended(t) == NULL;
		p = turns_pick(t);
		good &= p == &r[i];
		if (p == NULL)
			break;
		turns_result(t, p, TURN_DONE, 0);
		done++;
	}
	ok(good && done == 100 && turns_waiting(t) <= far.waiting,
	    "thirty that are dead delay none that works (%u of 100)", done);
	turns_free(t);
	sched_free(s);
	free(r);
}

int
main(void)
{
	test_turns();
	test_total();
	test_random();
	test_unproven();
	test_slow_start();
	test_parked();
	test_dead_and_alive();
	return done_testing();
}
