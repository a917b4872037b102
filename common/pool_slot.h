#ifndef COMMON_POOL_SLOT_H
#define COMMON_POOL_SLOT_H
/* What the pool knows of one worker. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/network.h"
#include "common/pool_count.h"

struct slot {
	pid_t pid; /* 0: free */
	int ctl;
	bool busy;
	unsigned listener;
	struct pool_client client;
	char peer[ADDRESS_TEXT]; /* the other end, as the kernel tells it */
	uint32_t number;
	uint32_t given; /* BIT()s of roles that it has a channel to */
	int64_t since; /* now_ms() when its client came */
	struct watch *watch;
};
#endif
