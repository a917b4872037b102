#ifndef SPOOL_DRAFT_H
#define SPOOL_DRAFT_H
/*
 * A message being deposited: its record grows in incoming/, and what of it is
 * in memory is bounded.  Runs in: queue.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "spool/publish.h"
#include "spool/queue.h"
#include "spool/sched.h"

enum { DRAFT_KEEP = 32768 }; /* octets that are held before a write */

struct draft {
	struct publish_job job; /* first */
	uint64_t peer;
	struct sched_msg *msg; /* its id is reserved */
	int fd;		       /* the record in incoming/, -1: not yet */
	struct buf out;	       /* what is not yet in the file */
	uint64_t written;      /* octets that are */
	unsigned rcpt_n;
};

/* Both borrowed. */
void draft_init(struct queue *, struct sched *);
/* Reserves the id, which is free.  NULL: no memory. */
struct draft *draft_new(const char *id);
/* Writes what is held. */
enum status draft_write(struct draft *);
/* Takes fd: the content is its first length octets.  ERR_INVALID: they are not
 * there. */
enum status draft_content(struct draft *, int fd, uint64_t length);
/* Frees it (may be NULL); forget: nothing of it is to stay on disk, or in mind.
 */
void draft_free(struct draft *, bool forget);
#endif
