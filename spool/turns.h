#ifndef SPOOL_TURNS_H
#define SPOOL_TURNS_H
/*
 * Whose turn it is: deliveries to many destinations, some of them slow or dead,
 * so that nobody waits for somebody else's mailbox.  Pure: no file, no clock,
 * no process; times are milliseconds of any clock that the caller keeps to.
 *
 * A destination is a name; for local mail the recipient's address.
 *
 *	add --> waiting --pick--> in flight --result--> with the caller again
 *	   `-------`--(its destination is down)--suspended---^
 *
 * Destinations are served round robin.  Each has at most `per_dest` in flight.
 * One that is down is left alone for `pause`, one that is busy for a moment
 *that grows to `pause`; then it is probed by one delivery, and each success
 *lets it have one more at a time.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/view.h"

struct turns;
struct turns_dest;

struct turns_limits {
	unsigned in_flight; /* deliveries at once */
	unsigned per_dest;  /* of them to one destination */
	int64_t pause;	    /* ms */
	uint64_t seed;	    /* random: the hash table */
};

/* One delivery; the memory is the caller's, and stays until it comes back. */
struct turn {
	struct turns_dest *dest; /* not for the caller, nor is next */
	struct turn *next;
	void *owner; /* the caller's, and so is index */
	unsigned index;
	bool busy; /* when suspended: as the destination is busy */
};

enum { TURNS_BUSY_PAUSE = 200 }; /* ms, the first time; then doubled */
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
/* Takes back the next one that waits in vain, as its destination is down. */
struct turn *turns_suspended(struct turns *);
unsigned turns_in_flight(const struct turns *);
/* Destinations that are remembered; for tests of bounded memory. */
unsigned turns_dests(const struct turns *);
#endif
