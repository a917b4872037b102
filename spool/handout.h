#ifndef SPOOL_HANDOUT_H
#define SPOOL_HANDOUT_H
/*
 * Handing out the queue: what is due is loaded, each recipient gets its turn
 * and a slot, and when all are done the record goes.
 *
 * The log has a line when a message becomes active, one for each attempt at a
 * recipient, and one when the message is removed, in Postfix's shapes.
 */
#include "common/settings.h"
#include "spool/queue.h"
#include "spool/sched.h"

/* All borrowed but deliver and relay (taken): where channels to them are made.
 */
void handout_init(struct queue *, struct sched *, const struct settings *,
    int deliver, int relay, int expand);
/* New settings are in force. */
void handout_settings(const struct settings *);
/* deliver was started again; fd is taken. */
void handout_deliver(int fd);
void handout_relay(int fd);
void handout_expand(int fd);
/* Now and then: looks for what takes too long, then handout_run. */
void handout_tick(void);
/* Something may be due: does what can be done now, and sets a clock for the
 * rest. */
void handout_run(void);
/* Adds all records on disk that are not known yet. */
void handout_scan(void);
/* An orderly end: no delivery is begun, those under way are waited for. */
void handout_end(int64_t ms);
/* Destinations that were down may be tried now. */
void handout_flush(void);
/* Random bits, for jitter and hash tables. */
uint64_t handout_seed(void);
/* The schedule's limits as the settings want them. */
void handout_limits(const struct settings *, struct sched_limits *out);
#endif
