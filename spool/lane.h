#ifndef SPOOL_LANE_H
#define SPOOL_LANE_H
/*
 * Lanes: the queue's channels to the relay's children (ask_relay.h), each with
 * one message under way at most.
 *
 *	free --lane_start--> busy --answer, its end, too late--> done() --> free
 *
 * A message goes to the lane that has just sent one to the same place, as its
 * child still has the connection.  A lane that is not used ends its child.
 */
#include <stdbool.h>
#include <stdint.h>

#include "spool/ask_relay.h"
#include "spool/turns.h"

struct lane {
	struct turn *turn; /* the caller's */
	unsigned rcpt[RELAY_RCPT_MAX]; /* the caller's: who was sent */
	unsigned n;
	int64_t began_us; /* time of day */
	/* The caller does not touch what follows. */
	bool busy;
	int sock; /* owned; -1 */
	struct watch *watch;
	int64_t deadline; /* now_ms() */
	int64_t used;	  /* when it was last busy */
	char nexthop[NEXTHOP_MAX]; /* of its last message */
};

struct lane_owner {
	/* Puts the request into m; false: it cannot be read now. */
	bool (*request)(struct lane *, struct msg *m);
	/* A message has ended: its answer, or NULL and why there is none. */
	void (*done)(
	    struct lane *, const struct relay_answer *, const char *why);
	void (*freed)(void); /* and then: a lane is free again */
};
/* intro (taken) is where channels to relay are made; -1: none yet. */
void lanes_init(unsigned n, int intro, const struct lane_owner *);
void lanes_free(void);
/* Another intro (taken): relay was started again, or has new settings. */
void lanes_intro(int intro);
/* Is there a free lane that can be used now? */
bool lanes_room(void);
/* The lane for that nexthop; lanes_room() was true just now. */
struct lane *lane_for(struct view nexthop);
/* Sends the request for lane->turn. */
void lane_start(struct lane *);
/* Looks for what takes too long, and ends what is not used. */
void lanes_tick(void);
/* Waits at most ms for what is under way, so that an orderly stop repeats
 * nothing. */
void lanes_drain(int64_t ms);
#endif
