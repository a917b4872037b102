#ifndef SPOOL_TURNS_H
#define SPOOL_TURNS_H
/*
 * Whose turn it is: deliveries to many destinations, some of them slow or dead,
 * so that nobody waits for somebody else's mailbox.  Pure: no file, no clock,
 * no process; times are milliseconds of any clock that the caller keeps to.
 *
 * A destination is a name: for local mail the recipient's address, else where
 * the mail goes next.
 *
 *	add --> waiting --pick--> in flight --result--> with the caller again
 *	   `-------`--(its destination is down)--suspended---^
 *	   `----------(too many wait already)----suspended---^
 *
 * Destinations are served round robin.  Each has at most `per_dest` in flight.
 * One that is down is left alone for `pause`, one that is busy, or has worked
 * of late, for a moment that grows to `pause`; then it is probed by one
 * delivery, and each success lets it have one more at a time.  Those that are
 * not known to work, and of these those that failed, may have a part of all
 * that is in flight only, as a dead one takes long to answer.
 *
 * How many wait is bounded, as they are in memory.  A message for which there
 * is no room is parked at its destination, where it needs none but its place
 * in the schedule (64 octets), and is called when there is:
 *
 *	suspended (crowded) --park--> parked --call--> with the caller again
 *	                                `--(its destination is down)--^
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/view.h"
#include "spool/sched.h"

struct turns;
struct turns_dest;

struct turns_limits {
	unsigned in_flight; /* deliveries at once */
	unsigned per_dest;  /* of them to one destination */
	int64_t pause;	    /* ms */
	uint64_t seed;	    /* random: the hash table */
	/* 0: no limit of its own */
	unsigned first;	   /* to one that is not known to work; and one more
			    * waits */
	unsigned unproven; /* to all that are not known to work */
	unsigned failing;  /* to those of them that failed last */
	unsigned waiting;  /* turns that wait; half of them at most for those
			    * that are not known to work */
	unsigned waiting_dest;
	/* Destinations that are known to work though nothing concerns them. */
	unsigned known;
};

enum {
	TURNS_WHY_MAX = 200, /* octets of a reason */
	TURNS_WHYS = 1000    /* reasons that are kept */
};

/* One delivery; the memory is the caller's, and stays until it comes back. */
struct turn {
	struct turns_dest *dest; /* not for the caller, nor is next */
	struct turn *next;
	void *owner; /* the caller's, and so is index */
	unsigned index;
	bool called;  /* its message comes from turns_call */
	bool busy;    /* when suspended: as the destination is busy */
	bool crowded; /* when suspended: as too many wait */
};

enum { /* ms, the first time; then doubled */
	TURNS_BUSY_PAUSE = 200,
	TURNS_DOWN_PAUSE = 1000 /* if it worked before */
};
enum turn_outcome {
	TURN_DONE,  /* the destination works */
	TURN_RETRY, /* this one failed; says nothing of the destination */
	TURN_BUSY,  /* somebody else uses the destination at this moment */
	TURN_DOWN   /* nothing can be delivered there now */
};

struct turns *turns_new(const struct turns_limits *); /* NULL: no memory */
void turns_free(struct turns *); /* not those who wait in it */
void turns_set_limits(struct turns *, const struct turns_limits *);

/* Lets it wait for its turn.  False: no memory. */
bool turns_add(struct turns *, struct turn *, struct view dest, int64_t now);
/* Takes the next one whose turn it is; it is in flight until turns_result.
 * NULL: none, or no room. */
struct turn *turns_pick(struct turns *);
void turns_result(
    struct turns *, struct turn *, enum turn_outcome, int64_t now);
/* Why the delivery in flight is about to end as TURN_DOWN or TURN_BUSY: kept
 * until the destination works or is forgotten, if not too many are. */
void turns_note(struct turns *, const struct turn *, const char *why);
/* Why that destination was down or busy last; "": not known.  Borrowed, until
 * the next call of anything here. */
const char *turns_why(const struct turns *, struct view dest);
/* Takes back the next one that waits in vain, as its destination is down, or
 * crowded. */
struct turn *turns_suspended(struct turns *);

/* Parks a message (SCHED_PARKED, which it stays) until there is room for turns
 * to that destination.  False: it is down, or no memory. */
bool turns_park(
    struct turns *, struct sched_msg *, struct view dest, int64_t now);
/* The next parked message for which there is room; it is the caller's, who
 * makes it active soon. */
struct sched_msg *turns_call(struct turns *);
/* The next parked message whose destination has gone down; it is the caller's.
 * *busy: it is but busy; *tag: see turns_tag. */
struct sched_msg *turns_unparked(struct turns *, bool *busy, uint64_t *tag);
/*
 * Messages that wait elsewhere (sched_hold) for nothing but a destination that
 * is down or busy: a tag stands for it, so that they need no memory here.  They
 * are woken when it works again, and one of them to probe it when it has been
 * left alone for long enough.
 */
uint64_t turns_tag(const struct turns *, struct view dest); /* never 0 */
/* May turns_wake be true for any, for the first time since the last call? */
bool turns_wakes(struct turns *, int64_t now);
/* Shall one that waits for that destination be tried now? */
bool turns_wake(struct turns *, uint64_t tag, int64_t now);
/* To be called now and then: who was called and never came is not waited for
 * any longer. */
void turns_tick(struct turns *, int64_t now);
/* Forgets that destinations are down: all may be tried now. */
void turns_flush(struct turns *);
/* Parked messages. */
size_t turns_parked(const struct turns *);
unsigned turns_waiting(const struct turns *);

/* The destination of one that waits or is in flight; borrowed. */
struct view turns_name(const struct turn *);
unsigned turns_in_flight(const struct turns *);
/* Destinations that are remembered; for tests of bounded memory. */
unsigned turns_dests(const struct turns *);
#endif
