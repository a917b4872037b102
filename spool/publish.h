#ifndef SPOOL_PUBLISH_H
#define SPOOL_PUBLISH_H
/*
 * Publishers: the processes of the queue that wait for the disk, so that the
 * queue itself never does.  Each takes all records that wait for it at a time
 * and publishes them together (group commit).
 *
 * PUBLISH: u64 ticket, str id, u64 offset, u64 length; an fd with the content
 * to append first, or none.  Answer: u64 ticket, u32 enum status; in order.
 *
 * One more process removes records that are done: on some disks that takes as
 * long as a flush.  REMOVE: str id; no answer.  SYNC: no fields; the answer
 * comes when everything asked before is done.
 */
#include "spool/queue.h"

enum { PUBLISH = 1, REMOVE = 2, SYNC = 3 };
enum { PUBLISHERS_MAX = 8 };

struct publish_job {
	struct publish_job *next;	    /* not for the caller */
	uint64_t ticket;		    /* neither */
	struct publication pub;		    /* pub.content is taken */
	void (*done)(struct publish_job *); /* pub.status is set; may free */
};

/* Forks n publishers; enter(arg) is called in each: it closes what is not the
 * publisher's and enters the sandbox.  False: errno. */
bool publishers_fork(
    struct queue *, unsigned n, void (*enter)(void *), void *arg);
/* Adds them to the service loop. */
void publishers_watch(void);
/* Has a record published.  job is the caller's again when done is called. */
void publish_submit(struct publish_job *);
/* Has a published record removed, some time soon. */
void publish_remove(const char *id);
/* An orderly end: waits at most ms for removals under way. */
void publishers_end(int ms);
#endif
