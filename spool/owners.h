#ifndef SPOOL_OWNERS_H
#define SPOOL_OWNERS_H
/*
 * How many messages each user of this host has in the queue, by uid.  Pure, in
 * memory that is given once.  Runs in: queue.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/view.h"

enum { OWNERS_MAX = 1024 }; /* at a time; those of others are not counted */

struct owners {
	struct {
		uint32_t uid, n;
	} slot[OWNERS_MAX]; /* uid 0: never used */
};

/* One more of uid's; what is to be given back, 0: it is not counted, as root's
 * never are. */
uint16_t owners_take(struct owners *, uint32_t uid);
void owners_give(struct owners *, uint16_t taken);
uint32_t owners_count(const struct owners *, uint32_t uid);
/* The uid in what a record says of its user, "uid 1000 of this host"; 0: none.
 */
uint32_t owners_uid(struct view user);
#endif
