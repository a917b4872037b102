#ifndef SPOOL_TURNS_DEST_H
#define SPOOL_TURNS_DEST_H
/*
 * The destinations of turns.h: for turns.c alone.
 *
 * Destinations that may have a turn stand in a ring for each standing; the
 * first gives one delivery and goes to the end.  Those that failed, and those
 * that work and have nothing to do, stand aside in a ring, oldest first, so
 * that they can be forgotten in time.
 */
#include <stddef.h>

#include "spool/turns.h"

enum { DEST_BUCKETS = 4096 };
enum { DOWN_LONG = 16 };

struct node {
	struct node *prev, *next; /* of a ring */
};

struct fifo {
	struct turn *first, *last;
};

enum standing { WORKS, UNKNOWN, FAILING, STANDINGS };

struct turns_dest {
	struct node ready; /* first; among those that may have a turn */
	struct node aside; /* among those that failed, or have nothing to do */
	struct node call;  /* among those that can call who is parked */
	struct turns_dest *hash_next;
	struct fifo waiting;
	struct sched_list parked;
	enum standing standing;
	bool idle; /* aside as it works and has nothing to do */
	unsigned in_flight, limit, waiting_n;
	unsigned called; /* parked ones that were called and did not come yet */
	int64_t down_until; /* 0: it works */
	int64_t probe_at;   /* no earlier one is woken to try it */
	uint64_t tag;	    /* see turns_tag */
	unsigned busy_n; /* times it was busy since it worked; 0: it is down */
	/* Failures in a row since it worked; DOWN_LONG: it never did, or long
	 * ago. */
	unsigned down_n;
	char *why; /* owned; NULL: not known */
	size_t n;
	char name[];
};

struct turns {
	struct turns_limits limits;
	struct turns_dest *dest[DEST_BUCKETS];
	unsigned dests, whys;
	struct node ready[STANDINGS], down, idle;
	struct node call[2]; /* of those that work; of the others */
	struct fifo suspended;
	struct sched_list unparked, unparked_busy;
	enum standing next; /* whose turn it is */
	unsigned in_flight, flying[STANDINGS], idle_n;
	unsigned waiting_n[2], called[2]; /* as for call */
	size_t parked;
	bool recovered; /* one works again; see turns_wakes */
};

#define DEST(node, member)                                                     \
	((struct turns_dest *)(void *)((char *)(node)-offsetof(                \
	    struct turns_dest, member)))

void ring_init(struct node *);
bool ring_empty(const struct node *);
void ring_remove(struct node *);
void ring_append(struct node *ring, struct node *);
void fifo_put(struct fifo *, struct turn *);
struct turn *fifo_take(struct fifo *);

/* What stands for a name; never 0. */
uint64_t dest_tag(const struct turns *, struct view name);
struct turns_dest *dest_tagged(const struct turns *, uint64_t tag);
/* The destination of that name, made if it is new; NULL: no memory. */
struct turns_dest *dest_get(struct turns *, struct view name);
void dest_forget(struct turns *, struct turns_dest *);
/* NULL: there is none. */
struct turns_dest *dest_find(const struct turns *, struct view name);
/* Keeps a copy; NULL: of nothing. */
void dest_note(struct turns *, struct turns_dest *, const char *why);
/* Nothing concerns it, and it has not failed of late. */
bool dest_unused(const struct turns *, const struct turns_dest *, int64_t now);
/* A destination is forgotten when nothing concerns it; one that was down a
 * while later, so that it is probed by one delivery and not by many, and one
 * that works when there are many others. */
void dest_release(struct turns *, struct turns_dest *, int64_t now);
/* Something concerns it again. */
void dest_wake(struct turns *, struct turns_dest *);
/* Puts it to the end of the ring that it belongs to, or into none. */
void dest_ready(struct turns *, struct turns_dest *);
/* Whether it may call who is parked there. */
void dest_call(struct turns *, struct turns_dest *);
/* 0: it is known to work; 1: it is not. */
static inline int
dest_class(const struct turns_dest *d)
{
	return d->standing != WORKS;
}
/* How many may wait for it; 0: any number. */
unsigned dest_room(const struct turns *, const struct turns_dest *);
/* Counts n more turns that wait, and messages that were called. */
void dest_count(struct turns *, struct turns_dest *, int waiting, int called);
/* Its first turn that waits; NULL: none. */
struct turn *dest_take(struct turns *, struct turns_dest *);
/* A turn goes back to the caller. */
void dest_suspend(struct turns *, const struct turns_dest *, struct turn *);
/* Leaves it alone for a while; whoever waits for it goes back to the caller. */
void dest_down(struct turns *, struct turns_dest *, bool busy, int64_t now);
void dest_works(struct turns *, struct turns_dest *);
/* Forgets those that failed long ago and that nobody asked for since. */
void dests_sweep(struct turns *, int64_t now);
/* act() may forget the one it is given, and no other. */
void dests_each(struct turns *, int64_t now,
    void (*act)(struct turns *, struct turns_dest *, int64_t now));
#endif
