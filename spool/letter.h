#ifndef SPOOL_LETTER_H
#define SPOOL_LETTER_H
/*
 * Active messages: loaded, each recipient that is not done waits for its turn
 * or has it.  When none does any more the message settles: it is removed when
 * all its recipients are done, else it is due again later.
 *
 *	letter_activate --turns--> in flight --letter_result--.
 *	                                          |           |
 *	                    other recipients <----+--> letter_settle
 *
 * Whoever ends the turn of a recipient calls letter_result for it, and
 * letter_settle when that was the last he has to say at this moment.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/settings.h"
#include "spool/bounce.h"
#include "spool/handout_log.h"
#include "spool/queue.h"
#include "spool/sched.h"
#include "spool/turns.h"

enum { LETTER_NONE = 0xffffffff };

struct letter {
	struct sched_msg *msg;
	struct record rec;
	struct turn *turn; /* owned; one for each recipient */
	unsigned *next;	   /* owned; the next recipient of the same turn to
			    * another host, or LETTER_NONE; NULL: none is */
	unsigned open;	   /* recipients that wait or are in flight */
	unsigned left;	   /* recipients that are not done */
	unsigned crowded;  /* one whose destination has too many that wait, or
			    * LETTER_NONE */
	struct bounces *bounces; /* owned; what its sender is to be told */
	uint64_t held;	   /* turns_tag of one that is down; 0: of none */
	bool other;	   /* one waits for something else than `held` */
	bool soon;	   /* all that failed found the mailbox busy */
	int64_t active_us; /* time of day when it became active */
};

struct letter_host {
	struct queue *queue;
	struct sched *sched;
	/* Lets each recipient that is not done wait for its turn: open, left
	 * and turn are set for each, or letter_result is called. */
	void (*wait)(struct letter *);
	/* Its message is parked (sched_park), and shall wait for room at the
	 * destination of the recipient `crowded`.  False: that cannot be; it
	 * is due later. */
	bool (*park)(struct letter *);
};
/* All borrowed. */
void letters_init(const struct letter_host *);
/* Loads a message that is active; what cannot be loaded is logged and set
 * aside, or due later. */
void letter_activate(struct sched_msg *);
/* What became of recipient i, whose turn it was; logs and notes it.  soon: it
 * is worth while to try again soon. */
void letter_result(
    struct letter *, unsigned i, const struct attempt *, bool soon);
/* Its destination has no room for more that wait.  Nothing was tried. */
void letter_crowded(struct letter *, unsigned i);
/* If no recipient waits or is in flight any more: all done, or due later; what
 * is to be told to the sender is told first (bounce.h).  The letter is gone
 * then, or will be. */
void letter_settle(struct letter *);
#endif
