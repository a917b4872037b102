#ifndef COMMON_POOL_CHANNELS_H
#define COMMON_POOL_CHANNELS_H
/* The channels of a worker that is to be forked.  Runs in: pool. */
#include <stdbool.h>

#include "common/role.h"
#include "common/worker.h"

/* Makes w->chan, and introduces their far ends.  False: what there is of them
 * is to be closed. */
bool pool_channels_open(const struct role *, struct worker *w);
void pool_channels_close(struct worker *);
#endif
