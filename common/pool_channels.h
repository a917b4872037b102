#ifndef COMMON_POOL_CHANNELS_H
#define COMMON_POOL_CHANNELS_H
/*
 * The channels of workers.  Runs in: pool.
 *
 * A worker begins with those that each of its sessions needs.  The others it
 * asks for: many never do, and each costs a socket pair and a wake-up of its
 * role at the beginning and at the end.
 */
#include <stdbool.h>

#include "common/pool_slot.h"
#include "common/role.h"
#include "common/worker.h"

/* Makes what a new worker begins with in w->chan, w->given says which, and
 * introduces their far ends.  False: what there is of them is to be closed. */
bool pool_channels_open(const struct role *, struct worker *w);
/* Answers POOL_CHANNEL, which is in scratch.  False: a breach. */
bool pool_channel_give(const struct role *, struct slot *);
void pool_channels_close(struct worker *);
#endif
