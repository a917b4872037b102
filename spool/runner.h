#ifndef SPOOL_RUNNER_H
#define SPOOL_RUNNER_H
/*
 * The runner: forks processes that become users, for deliver.
 *
 * What a user's command may do is the user's business, and a sandbox would go
 * with it through its exec.  So they are not forked by deliver, which has one,
 * but by a process of its own, without one, that does nothing else: it knows
 * one request of deliver alone, and parses nothing of a user or a message.
 *
 * RUNNER_JOB: str user, u32 uid, u32 gid, u64 ms after which the process is
 * killed; an fd: the channel on which it gets its order (spool/order.h).  No
 * answer: it comes on that channel, or the channel ends.
 */
#include <stdint.h>

#include "common/passdb.h"
#include "common/role.h"
#include "common/status.h"

/* In deliver, before its sandbox; role is borrowed. */
enum status runner_fork(const struct role *);
/* After service_init and the sandbox: its end is noticed and ends deliver. */
void runner_watch(void);
/* Asks for a process that is this user; end is borrowed. */
enum status runner_job(const struct user *, int64_t ms, int end);
#endif
