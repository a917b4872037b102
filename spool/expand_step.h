#ifndef SPOOL_EXPAND_STEP_H
#define SPOOL_EXPAND_STEP_H
/*
 * Recipients who lead elsewhere: those to whom they lead become a record of
 * their own, with the same content below a Delivered-To field, and when that
 * one is durable the recipient is done.  A crash in between repeats that, and
 * loses nothing.
 *
 * Loops: a user through whose forward(5) file a message came before, within
 * this host (the record's trail) or anywhere (Delivered-To), ends it: 5.4.6.
 */
#include "spool/ask_forward.h"
#include "spool/letter.h"

void expand_step_init(struct queue *);
/* Recipient i, in whose turn this was found, goes on to these (borrowed).
 * began: its times.  letter_result and letter_settle are called, perhaps
 * later. */
void expand_forwarding(struct letter *, unsigned i, struct forwarding *,
    const struct attempt *began);

/* An alias or a list; all borrowed. */
struct alias_list {
	const char *delivered_to; /* its own address */
	const char *owner;	  /* the sender from now on; "": unchanged */
	const char *alias_user;	  /* for its commands and files */
	const struct alias_target *target;
	unsigned n;
};
void expand_members(struct letter *, unsigned i, const struct alias_list *,
    const struct attempt *began);
#endif
