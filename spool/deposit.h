#ifndef SPOOL_DEPOSIT_H
#define SPOOL_DEPOSIT_H
/*
 * The queue's answers to those who deposit (see ask_queue.h).  A peer holds at
 * most one spool file and one message being written, of which little is in
 * memory: its envelope goes to the record's file in incoming/ as it grows.
 */
#include "common/settings.h"
#include "spool/queue.h"
#include "spool/sched.h"

/* All borrowed. */
void deposit_init(struct queue *, struct sched *, const struct settings *);
void deposit_settings(const struct settings *);
/* Adds a peer (takes sock).  user: who asks has the right of this user; "":
 * anybody. */
void deposit_peer(int sock, const char *user);
#endif
