/* Destinations that are down or busy: how long they are left alone, why they
 * are down, and who of those that wait elsewhere is woken for them. */
#include "t/unit/turns_some.h"

#include <string.h>

#include "t/unit/tap.h"

/* ---- why one is down ---- */

static void
test_why(void)
{
	static const struct turns_limits l = {
		.in_flight = 20, .per_dest = 5, .pause = 10000, .seed = 1
	};
	struct turns *t = turns_new(&l);
	struct turn r[2] = { { .index = 0 } };
	char name[32], text[TURNS_WHY_MAX + 50];
	unsigned kept = 0;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	turns_add(t, &r[0], view_of("a"), 0);
	struct turn *p = turns_pick(t);
	ok(turns_why(t, view_of("a"))[0] == '\0' &&
		turns_why(t, view_of("b"))[0] == '\0',
	    "nothing is known of what is not down");
	turns_note(t, p, "refused");
	turns_result(t, p, TURN_DOWN, 0);
	ok(strcmp(turns_why(t, view_of("a")), "refused") == 0,
	    "why it is down");
	turns_add(t, &r[0], view_of("a"), 10001);
	p = turns_pick(t);
	turns_note(t, p, text);
	ok(strlen(turns_why(t, view_of("a"))) == TURNS_WHY_MAX,
	    "the last reason counts, and is not longer than that");
	turns_result(t, p, TURN_DONE, 10001);
	ok(turns_why(t, view_of("a"))[0] == '\0', "until it works");
	for (unsigned i = 0; i < TURNS_WHYS + 100; i++) {
		snprintf(name, sizeof(name), "dead%u", i);
		turns_add(t, &r[1], view_of(name), 20000);
		p = turns_pick(t);
		turns_note(t, p, "refused");
		turns_result(t, p, TURN_DOWN, 20000);
		kept += turns_why(t, view_of(name))[0] != '\0';
	}
	ok(kept == TURNS_WHYS, "of so many only (%u)", kept);
	turns_add(t, &r[1], view_of("again"), 50000); /* forgets the others */
	p = turns_pick(t);
	turns_note(t, p, "refused");
	turns_result(t, p, TURN_DOWN, 50000);
	ok(turns_why(t, view_of("again"))[0] != '\0',
	    "and who is forgotten makes room");
	turns_free(t);
}

/* ---- down and busy ---- */

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

/* One connection that is lost says little of a host that takes others. */
static void
test_worked(void)
{
	struct turns *t = turns_new(&tl);
	struct turn *r = new_turns(40);
	int64_t now = 0, pause = TURNS_DOWN_PAUSE;
	bool good = true;

	for (unsigned i = 0; i < 3; i++)
		turns_add(t, &r[i], dest(1), 0);
	turns_result(t, turns_pick(t), TURN_DONE, 0);
	good &= turns_pick(t) == &r[1] && turns_pick(t) == &r[2];
	turns_result(t, &r[1], TURN_DOWN, 0);
	turns_result(t, &r[2], TURN_DOWN, 0);
	turns_add(t, &r[3], dest(1), pause - 1);
	good &= turns_suspended(t) == &r[3];
	turns_add(t, &r[3], dest(1), pause);
	good &= turns_suspended(t) == NULL && turns_pick(t) == &r[3];
	ok(good, "one that has worked is probed soon, whoever failed with it");
	for (unsigned i = 4; i < 12; i++) {
		now += pause;
		pause = pause * 2 < tl.pause ? pause * 2 : tl.pause;
		turns_result(t, &r[i - 1], TURN_DOWN, now);
		good &= turns_add(t, &r[20 + i], dest(1), now + pause - 1);
		good &= turns_suspended(t) == &r[20 + i] && !r[20 + i].busy;
		good &= turns_add(t, &r[i], dest(1), now + pause);
		good &= turns_pick(t) == &r[i];
	}
	ok(good && pause == tl.pause, "and later and later");
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

/* ---- who waits elsewhere ---- */

static void
attempt(struct turns *t, unsigned d, enum turn_outcome o, int64_t now)
{
	static struct turn r;

	turns_add(t, &r, dest(d), now);
	turns_result(t, turns_pick(t), o, now);
}

static void
test_wake(void)
{
	struct turns *t = turns_new(&tl);
	struct turns_limits other = tl;
	struct turn r;
	uint64_t one = turns_tag(t, dest(1)), two = turns_tag(t, dest(2));

	other.seed = 77;
	turns_set_limits(t, &other);
	ok(one != two && one == turns_tag(t, dest(1)),
	    "a tag stands for one destination, for ever");
	ok(!turns_wakes(t, 0) && !turns_wake(t, one, 0),
	    "nobody is woken for what is not known");
	attempt(t, 1, TURN_DOWN, 0);
	attempt(t, 2, TURN_DOWN, 5000);
	ok(!turns_wakes(t, 9999) && !turns_wake(t, one, 9999),
	    "nor before a destination has been left alone for long enough");
	ok(turns_wakes(t, 10000) && turns_wake(t, one, 10000) &&
		!turns_wake(t, one, 10000) && !turns_wake(t, two, 10000),
	    "then one is, to probe it");
	ok(!turns_wakes(t, 14999), "and no other for a while");
	ok(turns_wakes(t, 20000) && turns_wake(t, one, 20000),
	    "unless that one does not come");
	turns_add(t, &r, dest(1), 20001);
	ok(!turns_wake(t, one, 40000), "nobody is while one waits");
	turns_pick(t);
	ok(!turns_wake(t, one, 40000), "or is under way");
	turns_result(t, &r, TURN_DOWN, 40000);
	ok(!turns_wake(t, one, 49999) && turns_wake(t, one, 50000),
	    "after each failure there is a pause");
	turns_free(t);
}

static void
test_recovers(void)
{
	struct turns_limits l = tl;
	struct turn r;

	l.known = 10;
	struct turns *t = turns_new(&l);
	uint64_t tag = turns_tag(t, dest(1));
	attempt(t, 1, TURN_DOWN, 0);
	turns_add(t, &r, dest(1), 10000);
	turns_pick(t);
	ok(!turns_wakes(t, 10000), "one is probed");
	turns_result(t, &r, TURN_DONE, 10001);
	ok(turns_wakes(t, 10001) && turns_wake(t, tag, 10001) &&
		turns_wake(t, tag, 10001),
	    "when it works again, all are woken who wait for it");
	attempt(t, 1, TURN_DONE, 10002);
	ok(!turns_wakes(t, 10002), "for its first success only");
	attempt(t, 1, TURN_BUSY, 10003);
	ok(!turns_wake(t, tag, 10003), "who waits for a busy one waits");
	attempt(t, 1, TURN_DONE, 10003 + TURNS_BUSY_PAUSE);
	ok(turns_wakes(t, 10300) && turns_wake(t, tag, 10300),
	    "until that works");
	turns_free(t);
}

int
main(void)
{
	test_why();
	test_down();
	test_busy();
	test_worked();
	test_memory();
	test_wake();
	test_recovers();
	return done_testing();
}
