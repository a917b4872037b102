#ifndef COMMON_POOL_H
#define COMMON_POOL_H
/*
 * The pool forks the workers, makes their channels, and keeps enough of them
 * idle.  It reads no octet of a client and holds no secret.
 *
 * Worker and pool speak on a channel of their own:
 *   worker -> pool: POOL_BUSY u32 listener, on accept; with the client's
 *                     socket, of which the pool asks the kernel whose it is
 *                   POOL_CLIENT view client address (16 octets; IPv4 mapped;
 *                     all zero: not to be counted): it speaks for that one;
 *                     a breach if the other end is no proxy that may say so
 *                   POOL_MESSAGE: the client begins a message
 *                   POOL_EVENT u32 enum worker_event: to be counted; no
 *                     answer
 *                   POOL_CHANNEL u32 role: a channel to ask it on; each
 *                     once, and while it serves
 *                   POOL_IDLE: ready for another client
 *   pool -> worker: POOL_SERVE or POOL_DROP, the answer to the first three: go
 *                     on, or: say that it is too much.  u32 why (0: too many
 *                     from this address, 1: too often), u32 how many
 *                   POOL_CHANNEL u32 role, with the channel: the answer;
 *                     without, there is none to be had
 *                   POOL_STOP: serve this client to its end, then exit
 *                   POOL_FINISH: end the session when nothing is under way
 *                   POOL_END: end the session at its next command
 */
#include "common/role.h"
#include "common/worker.h"

enum {
	POOL_BUSY = 1,
	POOL_IDLE = 2,
	POOL_DROP = 3,
	POOL_STOP = 4,
	POOL_END = 5,
	POOL_SERVE = 6,
	POOL_FINISH = 7,
	POOL_CLIENT = 8,
	POOL_MESSAGE = 9,
	POOL_EVENT = 10,
	POOL_CHANNEL = 11
};

/* The pool's main; serve is the daemon's session. */
noreturn void pool_main(struct role *r, session_serve *serve);
/* In a fresh worker: enters its sandbox, accepts and serves until it may not
 * any more, and exits.  fixed_fd: the one client in inetd mode, or -1. */
noreturn void worker_main(const struct role *r, struct worker *w,
    int fixed_fd, session_serve *serve);
#endif
