/* Gaps for those who look for a dotlock now and then. */
#include "spool/pace.h"

#include <string.h>

#include "common/view.h"
#include "t/unit/tap.h"

static struct pace pace;

/* Deliveries that want the dotlock all the time, from *now on, and somebody who
 * looks every `step` ms, first at `first`: which try finds it free?  0: none of
 * `tries`. */
static unsigned
looks(int64_t start, int64_t first, int64_t step, unsigned tries)
{
	int64_t now = start, look = start + first;
	unsigned n = 0;

	memset(&pace, 0, sizeof(pace));
	while (n < tries) {
		int64_t gap = pace_wait(&pace, 1, 2, now);
		/* Held for 20 ms, or free until the gap ends. */
		int64_t end = now + (gap > 0 ? gap : 20);
		while (n < tries && look < end) {
			n++;
			if (gap > 0)
				return n;
			look += step;
		}
		if (gap == 0)
			pace_held(&pace, 1, 2, now, end);
		now = end;
	}
	return 0;
}

static void
test_pollers(void)
{
	unsigned worst = 0, lost = 0, all = 0;
	double tries = 0;

	for (int64_t start = 1000; start < 4000000; start += 7919)
		for (int64_t first = 0; first < 4000; first += 97) {
			unsigned n = looks(start, first, 1000, 5);
			if (n == 0)
				lost++;
			worst = n > worst ? n : worst;
		}
	ok(lost == 0 && worst <= 5,
	    "who looks once a second gets in at the fifth try (%u without)",
	    lost);
	static const int64_t steps[] = { 3000, 3100, 5000, 6200, 8000, 60000 };
	worst = lost = 0;
	for (size_t i = 0; i < NELEM(steps); i++)
		for (int64_t start = 1000; start < 2000000; start += 49999) {
			unsigned n = looks(start, start % 3500, steps[i], 60);
			lost += n == 0;
			worst = n > worst ? n : worst;
			tries += n;
			all++;
		}
	ok(lost == 0 && tries / all < 4,
	    "others after %.1f on average, %u at most", tries / all, worst);
}

/* How long a run that begins then may be. */
static int64_t
run_length(int64_t since)
{
	int64_t now = since;

	memset(&pace, 0, sizeof(pace));
	for (; pace_wait(&pace, 1, 2, now) == 0; now += 10)
		pace_held(&pace, 1, 2, now, now + 10);
	return now - since;
}

static void
test_lengths(void)
{
	int64_t least = PACE_RUN_MAX, most = 0;

	for (int64_t since = 1; since < 100000; since += 997) {
		int64_t n = run_length(since);
		least = n < least ? n : least;
		most = n > most ? n : most;
	}
	ok(least >= PACE_RUN_MIN && least < PACE_RUN_MIN + 200 &&
		most > PACE_RUN_MAX - 200 && most <= PACE_RUN_MAX + 20,
	    "runs differ: %lld to %lld ms", (long long)least, (long long)most);
}

static void
test_runs(void)
{
	int64_t now = 5000;

	memset(&pace, 0, sizeof(pace));
	for (; now < 5000 + PACE_RUN_MIN - 1; now += 3) {
		if (pace_wait(&pace, 1, 2, now) != 0)
			break;
		pace_held(&pace, 1, 2, now, now + 2);
	}
	ok(now >= 5000 + PACE_RUN_MIN - 1, "a burst knows no gap");
	for (; now < 5000 + PACE_RUN_MAX + 10; now += 3)
		if (pace_wait(&pace, 1, 2, now) == 0)
			pace_held(&pace, 1, 2, now, now + 2);
	int64_t gap = pace_wait(&pace, 1, 2, now);
	ok(gap > 0 && gap <= PACE_GAP, "a long run does (%lld ms)",
	    (long long)gap);
	ok(pace_wait(&pace, 1, 3, now) == 0 && pace_wait(&pace, 2, 2, now) == 0,
	    "other mailboxes have nothing to do with it");
	ok(pace_wait(&pace, 1, 2, now + gap - 1) == 1 &&
		pace_wait(&pace, 1, 2, now + gap) == 0,
	    "it has an end");
	now += gap;
	pace_held(&pace, 1, 2, now, now + 1);
	ok(pace_wait(&pace, 1, 2, now + 2) == 0, "then another run begins");

	memset(&pace, 0, sizeof(pace));
	for (now = 1; now < 20000; now += PACE_GAP + 1) {
		if (pace_wait(&pace, 1, 2, now) != 0)
			break;
		pace_held(&pace, 1, 2, now, now + 1);
	}
	ok(now >= 20000,
	    "where it is left alone anyway there are no more gaps");

	/* One flush that takes for ever is a run, too. */
	memset(&pace, 0, sizeof(pace));
	pace_held(&pace, 1, 2, 1000, 9000);
	ok(pace_wait(&pace, 1, 2, 9001) == PACE_GAP - 1, "one hold may do");
}

static void
test_many(void)
{
	unsigned waits = 0;

	memset(&pace, 0, sizeof(pace));
	for (int64_t now = 1000; now < 6000; now += 100)
		for (uint64_t ino = 1; ino <= 5000; ino++)
			pace_held(&pace, 1, ino, now, now + 1);
	for (uint64_t ino = 1; ino <= 5000; ino++)
		waits += pace_wait(&pace, 1, ino, 6001) > 0;
	ok(waits <= PACE_SETS * PACE_WAYS, "many mailboxes take no memory");
	memset(&pace, 0, sizeof(pace));
	for (int64_t now = 1000; now < 6000; now += 100)
		for (uint64_t ino = 1; ino <= 16; ino++)
			pace_held(&pace, 1, ino, now, now + 1);
	waits = 0;
	for (uint64_t ino = 1; ino <= 16; ino++)
		waits += pace_wait(&pace, 1, ino, 6001) > 0;
	ok(waits >= 12, "some are all remembered (%u of 16)", waits);
}

int
main(void)
{
	test_pollers();
	test_lengths();
	test_runs();
	test_many();
	return done_testing();
}
