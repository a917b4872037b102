#ifndef SPOOL_HANDOUT_REMOTE_H
#define SPOOL_HANDOUT_REMOTE_H
/*
 * Recipients of other hosts: those of a message that go to the same place get
 * their turn together, then a lane (lane.h).  A destination is a nexthop
 * (nexthop.h).  None of it takes anything from deliveries to this host.
 */
#include "common/settings.h"
#include "spool/letter.h"

/* All borrowed but relay (taken): where channels to relay are made.  freed: a
 * lane is free again. */
void remote_init(struct queue *, const struct settings *, int relay,
    void (*freed)(void));
void remote_settings(const struct settings *);
/* relay was started again; fd is taken. */
void remote_relay(int fd);
/* Is recipient i of another host? */
bool remote_has(const struct letter *, unsigned i);
/* All such recipients that are to do, which count as open, wait for their
 * turns. */
void remote_add(struct letter *);
/* Parks the message until the destination of recipient i has room for more that
 * wait.  False: it is down. */
bool remote_park(struct letter *, unsigned i);
/* Begins what can be begun, and ends what waits in vain. */
void remote_run(void);
struct turns *remote_turns(void);
/* Now and then. */
void remote_tick(void);
/* Waits at most ms for what is under way. */
void remote_end(int64_t ms);
#endif
