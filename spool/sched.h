#ifndef SPOOL_SCHED_H
#define SPOOL_SCHED_H
/*
 * Which queued message is due when.  Pure: no file, no clock, no process; times
 * are milliseconds of any clock that the caller keeps to.
 *
 * A message is known (64 octets of memory) from sched_reserve to sched_drop:
 *
 *	reserved --fresh--> fresh -----activate---> active --drop--> gone
 *	    `-----wait----> waiting ---activate--->   |
 *	                   ^  ^--------defer----------+--park--> parked
 *	                   `----------------------------unpark------'
 *
 * How many may be active is bounded, as their recipients are in memory then
 * (see turns.h); a part of the places is kept for fresh mail and a part for
 * retries, so that neither waits for the other.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sched;

struct sched_limits {
	unsigned active;	      /* messages, at least 2 */
	int64_t retry_min, retry_max; /* ms */
	uint64_t seed;		      /* random: jitter, and the hash table */
};

enum {
	SCHED_SOON = 500, /* ms */
	SCHED_PACE = 1	  /* ms between messages that are woken together */
};

enum sched_state {
	SCHED_RESERVED,
	SCHED_FRESH,
	SCHED_WAITING,
	SCHED_ACTIVE,
	SCHED_PARKED
};

struct sched_msg {
	char id[24];
	int64_t due; /* while waiting */
	union {
		void *active;		/* the caller's, while active */
		struct sched_msg *next; /* while fresh or parked */
		uint64_t held;		/* while waiting; 0: by the time only */
	};
	struct sched_msg *hash_next;
	uint32_t heap_at; /* while waiting */
	uint16_t owner;	  /* of owners_take */
	uint8_t tries;
	uint8_t state : 3; /* enum sched_state */
	bool retry : 1;	 /* active, and not as fresh mail */
	bool called : 1; /* it was parked; its destination has room now */
	bool gone : 1;	 /* its record was taken away: forget it when it is
			  * active, or held no more by what it waits for */
	/* Active, and when this attempt is over it shall: */
	bool hold : 1;	 /* be kept in hold/ */
	bool cancel : 1; /* be removed */
};

/* Messages in a row. */
struct sched_list {
	struct sched_msg *first, *last;
};
void sched_list_put(struct sched_list *, struct sched_msg *);
struct sched_msg *sched_list_take(struct sched_list *); /* NULL: none */

struct sched *sched_new(const struct sched_limits *); /* NULL: no memory */
void sched_free(struct sched *);		      /* its messages too */
void sched_set_limits(struct sched *, const struct sched_limits *);
size_t sched_count(const struct sched *); /* messages */
/* Does none but wait, and until then at least? */
bool sched_quiet(const struct sched *, int64_t until);

/* Makes a message known.  NULL: that id is known already, or no memory. */
struct sched_msg *sched_reserve(struct sched *, const char *id);
struct sched_msg *sched_find(struct sched *, const char *id);
/* A reserved message: due at once, in order of arrival. */
void sched_fresh(struct sched *, struct sched_msg *);
/* A reserved message: due then.  None of these needs memory. */
void sched_wait(struct sched *, struct sched_msg *, int64_t due);
/* An active or parked message: due after the next interval of its retry time,
 * which doubles from retry_min (soon: from SCHED_SOON, if that is less) to
 * retry_max, with jitter. */
void sched_defer(struct sched *, struct sched_msg *, bool soon, int64_t now);
/* An active message that was found on disk is ms old: its next interval is as
 * if it had been retried all that time. */
void sched_aged(struct sched *, struct sched_msg *, int64_t ms);
/* An active message: waits for something else than the time. */
void sched_park(struct sched *, struct sched_msg *);
/* A parked message: due at once, before those that were due later than it. */
void sched_unpark(struct sched *, struct sched_msg *);
/* A waiting message: due then instead. */
void sched_move(struct sched *, struct sched_msg *, int64_t due);
/* A waiting message: waits for nothing but what `held` stands for (not 0), and
 * is due earlier when sched_wake finds that it is over. */
void sched_hold(struct sched *, struct sched_msg *, uint64_t held);
/* How many are held. */
size_t sched_held(const struct sched *);
/* Each that is held, and that wake() is true for, is due soon, one after the
 * other, but no later than it would be.  Looks at all that wait. */
void sched_wake(struct sched *, bool (*wake)(void *arg, uint64_t held),
    void *arg, int64_t now);
/* It counts as that user's (uid) from now on, if it is nobody's so far. */
void sched_own(struct sched *, struct sched_msg *, uint32_t uid);
/* How many count so. */
uint32_t sched_owned(const struct sched *, uint32_t uid);
/* Any message but one that is fresh or parked. */
void sched_drop(struct sched *, struct sched_msg *);

/* The next message that is due and for which there is room among the active
 * ones, NULL if there is none.  It is active from now on.  Fresh ones and those
 * that waited take turns. */
struct sched_msg *sched_activate(struct sched *, int64_t now);
/* When sched_activate will give something if nothing else happens: a time that
 * may have passed; -1: never. */
int64_t sched_next(const struct sched *);

/* The interval after that many failures; public for its test. */
int64_t sched_interval(struct sched *, unsigned tries, bool soon);
#endif
