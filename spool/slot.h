#ifndef SPOOL_SLOT_H
#define SPOOL_SLOT_H
/*
 * Slots: the deliveries that the queue has in flight, one each.
 *
 *	free --slot_start--> OPENING --channel to append--> APPENDING --.
 *	  ^                    |  ^------the mailbox was replaced---'    |
 *	  `---- done() --------+-----------------------------------------'
 *
 * A user who forwards: OPENING --ERR_FORWARD--> FORWARDING, from there done()
 * with where to, or, if it leads nowhere, OPENING again.  A target that is a
 * command or a file: slot_start --> RUNNING --> done(); one that its user has
 * taken back meanwhile goes to the mailbox: OPENING.
 *
 * A slot has a channel of its own to deliver, made when it is needed.
 */
#include <stdbool.h>
#include <stdint.h>

#include "spool/ask_deliver.h"
#include "spool/ask_forward.h"
#include "spool/envelope.h"
#include "spool/turns.h"

enum slot_state {
	SLOT_FREE,
	SLOT_OPENING,
	SLOT_FORWARDING,
	SLOT_RUNNING,
	SLOT_APPENDING
};

struct slot {
	struct turn *turn; /* the caller's */
	struct delivery d; /* the caller fills in; status and text are out */
	char recipient[ENVELOPE_TARGET_MAX + 1]; /* room for its strings */
	char original[ENVELOPE_VALUE_MAX + 1];
	char sender[ENVELOPE_VALUE_MAX + 1];
	enum envelope_kind kind;	     /* the caller fills in */
	enum envelope_source source; /* of a command or file; likewise */
	char as[USER_NAME_MAX];	     /* its user */
	/* With d.status ERR_FORWARD: where to; the slot frees it. */
	struct forwarding forwarding;
	bool failed;		 /* for good; out */
	char dsn[RUN_CODE_MAX];	 /* of a command or file, or ""; out */
	int64_t began_us, opened_us; /* 0: not opened; time of day */
	/* The caller does not touch what follows. */
	enum slot_state state;
	int sock, append; /* owned; -1 */
	struct watch *sock_watch, *append_watch;
	int64_t deadline; /* now_ms() */
	unsigned tries;
	struct slot *next; /* free */
};

struct slot_owner {
	/* Sets d.content or d.file; d.content must last until it returns and
	 * no longer. */
	enum status (*content)(struct slot *);
	void (*done)(struct slot *); /* a delivery has ended */
	void (*freed)(void);	     /* and then: a slot is free again */
};
/* intro (taken) is where channels to deliver are made; -1: none yet. */
void slots_init(unsigned n, int intro, const struct slot_owner *);
void slots_free(void);
/* Another intro (taken): deliver was started again. */
void slots_intro(int intro);
/* A new channel to deliver, owned by the caller; -1: deliver is away. */
int slots_channel(void);
/* A free slot that can be started now; NULL: none, or deliver is away. */
struct slot *slot_free_one(void);
/* Starts the delivery in slot->d. */
void slot_start(struct slot *);
/* Looks for deliveries that take too long; to be called now and then. */
void slots_tick(void);
/* Waits at most ms for the appends that are under way, calling done() for
 * each, so that an orderly stop repeats no delivery. */
void slots_drain(int64_t ms);
int64_t time_us(void); /* of day */
#endif
