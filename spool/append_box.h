#ifndef SPOOL_APPEND_BOX_H
#define SPOOL_APPEND_BOX_H
/*
 * Deliveries that wait for their mailbox inside one append process.
 *
 * All that wait for one mailbox are written under one lock and one flush.  A
 * mailbox that another program holds is tried again by a timer, so that the
 * other mailboxes of the process do not wait; at most two deliveries wait in
 * front of it, the others get ERR_BUSY at once.
 *
 * Before each batch others get their chance: where a session of ours waits (the
 * turnstile, spool/lock.h), and, with dotlocks, after a run of batches
 * (spool/pace.h).  All that come meanwhile wait, and are written together.
 */
#include <stdint.h>

#include "common/service.h"
#include "common/status.h"
#include "spool/append.h"
#include "spool/append_grant.h"
#include "spool/ask_deliver.h"

struct box;

/* One delivery, from its channel's first message to the answer. */
struct job {
	uint64_t peer; /* id of the peer it belongs to */
	struct grant grant;
	int mbox, dir; /* owned; -1 until granted */
	int intent;    /* owned; -1: none */
	uint64_t dev, ino;
	char id[QUEUE_ID_MAX + 1];
	char sender[APPEND_FIELD_MAX + 1];
	char original[APPEND_FIELD_MAX + 1];
	char *content; /* owned; NULL when it is in file */
	size_t content_n;
	int file; /* owned; -1 */
	uint64_t offset, length;
	struct timer *idle;  /* until the message has come */
	struct box *box;     /* where it waits; NULL: nowhere */
	struct job *next;    /* in the same box */
	enum status refused; /* what it will be told; OK: none yet */
};

/* done(job, st) is called once for each job that was queued, never from within
 * box_queue, and may free it. */
void box_init(int ctl, void (*done)(struct job *, enum status));
/* The job waits for its mailbox, together with all others that come in this
 * turn of the loop. */
void box_queue(struct job *);
/* The job is answered with st in this turn of the loop. */
void box_refuse(struct job *, enum status st);
/* Nobody waits for that job any more. */
void box_forget(struct job *);
#endif
