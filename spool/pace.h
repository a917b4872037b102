#ifndef SPOOL_PACE_H
#define SPOOL_PACE_H
/*
 * Gaps for programs that look for a dotlock now and then.
 *
 * mutt looks once a second and gives up after five tries, procmail looks every
 * eight seconds, liblockfile every five: where deliveries to one mailbox follow
 * each other without a pause, each look finds the dotlock of one of them.  So a
 * process that has taken the dotlock of a mailbox again and again for a while,
 * never leaving it alone for PACE_GAP, then leaves it alone for that long.  Who
 * looks once a second gets in at the fifth try at the latest, whoever looks at
 * other times after three or four on average: how long such a run is differs
 * from one to the next, so that nobody can always come at the wrong time.
 *
 * What comes in a gap waits and is written together afterwards.  A burst that
 * is shorter than PACE_RUN_MIN never sees a gap.
 */
#include <stdint.h>

enum {
	PACE_RUN_MIN = 1000, /* ms */
	PACE_RUN_MAX = 2800,
	PACE_GAP = 1100,
	PACE_WAYS = 4,
	PACE_SETS = 64
};

/* The mailboxes that were written last.  All zero: none.  One that is crowded
 * out begins a new run. */
struct pace {
	struct pace_run {
		uint64_t dev, ino;
		int64_t since, last; /* ms: began; was let go last; 0: none */
	} run[PACE_SETS][PACE_WAYS];
};

/* How many ms to leave the dotlock alone from now on; 0: it may be taken. */
int64_t pace_wait(const struct pace *, uint64_t dev, uint64_t ino, int64_t now);
/* It was held from `from` to `now`. */
void pace_held(
    struct pace *, uint64_t dev, uint64_t ino, int64_t from, int64_t now);
#endif
