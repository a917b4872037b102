#ifndef COMMON_POOL_CONTROL_H
#define COMMON_POOL_CONTROL_H
/*
 * The pool's socket for whoever runs the host (listen control unix:/PATH):
 * pennyctl status, sessions, kick, metrics.
 *
 * The kernel says who asks (SO_PEERCRED): root is answered, and without root
 * the user who started the daemon; nobody else.  As root the workers' own uid
 * is nobody.  A question is one line:
 *
 *	status			figures
 *	sessions		the clients that are served
 *	kick PID NUMBER		that session ends at its next command, and is
 *				killed if it has not ended a little later
 *
 * The answer, lines of words with TABs between them:
 *
 *	D DAEMON MASTER-PID POOL-PID SINCE
 *		first of all; SINCE (seconds since 1970) is when the pool began,
 *		and the figures with it
 *	F NAME ALL MINUTE
 *		status: how often, and how often in the last minute
 *	G NAME N
 *		status: how many there are now, or may be
 *	C PID NUMBER LISTENER CLIENT SINCE
 *		sessions: NUMBER tells a worker from a later one of that pid;
 *		CLIENT is an address, "uid N" or "unknown"
 *	= N	the end: so many lines of F, G, C, or sessions ended
 *	E TEXT	the end: an error
 *
 * Messages, logins and auth_failures are what workers say; no decision depends
 * on them.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/role.h"
#include "common/pool_slot.h"
#include "common/worker.h"

enum pool_figure {
	/* first, in this order, those of enum worker_event */
	POOL_F_MESSAGES,
	POOL_F_LOGINS,
	POOL_F_AUTH_FAILURES,
	POOL_F_ACCEPTED,
	POOL_F_REFUSED_MANY, /* too many clients at the same time */
	POOL_F_REFUSED_RATE, /* connection_rate */
	POOL_F_DEFERRED,     /* message_rate */
	POOL_F_DIED,	     /* workers, by a signal or with a status */
	POOL_F__N
};
const char *pool_figure_name(enum pool_figure);

enum { POOL_CONTROL_LINE = 64, POOL_CONTROL_WORDS = 8 };

/* The pool's part. */
struct pool_control_host {
	struct slot *slots;
	unsigned slot_n;
	const unsigned *total, *idle; /* workers */
	/* Tells the worker to end its session at its next command. */
	void (*end_session)(struct slot *);
};

/* Takes the control socket off the role's others, if there is one.  Before
 * privileges are dropped. */
void pool_control_init(struct role *, const struct pool_control_host *);
/* Begins to answer. */
void pool_control_start(void);
/* Answers nobody who comes from now on. */
void pool_control_stop(void);
/* One more of these. */
void pool_control_count(enum pool_figure);
/* To be called every POOL_CONTROL_TICK ms. */
enum { POOL_CONTROL_TICK = 5000 };
void pool_control_tick(void);
#endif
