#ifndef SPOOL_HANDOUT_LOCAL_H
#define SPOOL_HANDOUT_LOCAL_H
/*
 * Recipients of this host: each gets its turn, then a slot (slot.h).  A
 * destination is a recipient's address.
 */
#include "common/settings.h"
#include "spool/letter.h"

/* All borrowed but deliver (taken): where channels to deliver are made.
 * freed: a slot is free again. */
void local_init(struct queue *, const struct settings *, int deliver,
    void (*freed)(void));
void local_settings(const struct settings *);
/* deliver was started again; fd is taken. */
void local_deliver(int fd);
/* Recipient i, which counts as open, waits for its turn. */
void local_add(struct letter *, unsigned i);
/* Parks the message until the mailbox of recipient i has room for more that
 * wait.  False: it is down. */
bool local_park(struct letter *, unsigned i);
struct turns *local_turns(void);
/* Begins what can be begun, and ends what waits in vain. */
void local_run(void);
/* Waits at most ms for deliveries under way. */
void local_end(int64_t ms);
#endif
