#ifndef SPOOL_PENNYCTL_ASK_H
#define SPOOL_PENNYCTL_ASK_H
/*
 * What pennyctl(8) asks the pools of both daemons (common/pool_control.h), and
 * the queue.  What they say is made printable here.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/pool_control.h"

enum {
	CTL_DAEMONS = 2,
	CTL_WORD = 72,
	CTL_PATH = 108 /* sun_path */
};

struct ctl_session {
	pid_t pid;
	uint32_t number;
	bool former; /* of a pool that another has replaced: what is known of it
		      * is what its process shows */
	int64_t since; /* seconds since 1970; 0: not known */
	/* "" where it is not known; user and state are what the process shows,
	 * and so the worker's own word. */
	char listener[CTL_WORD], client[CTL_WORD], user[CTL_WORD],
	    state[CTL_WORD];
};

/* Whom to ask. */
struct ctl_where {
	const char *config;  /* whose configuration was named; NULL: none */
	const char *only;    /* that daemon; NULL: both */
	char path[CTL_PATH]; /* its socket; "": at the usual place */
};

struct ctl_daemon {
	const char *name;
	const char *path; /* its socket, as in struct ctl_where; borrowed */
	bool up;	  /* it has answered */
	char why[200];	  /* else: why it has not */
	pid_t master, pool;
	int64_t since; /* seconds since 1970 */
	uint64_t all[POOL_F__N], minute[POOL_F__N];
	uint64_t idle, busy, max;
	struct ctl_session *sessions; /* owned */
	size_t n, cap;
};

struct ctl_queue_count {
	bool up;
	uint64_t active, queued, hold, octets;
};

/* From -f and -d, NULL where they were not given: a configuration is that of
 * one daemon, and tells where it is asked.  PENNYPOST_CONTROL goes before it.
 * False: standard error has the reason. */
bool ctl_find(const char *config, const char *only, struct ctl_where *);
/* Figures and sessions of those daemons; how many there are in d. */
int ctl_ask(const struct ctl_where *, struct ctl_daemon d[CTL_DAEMONS]);
void ctl_ask_free(struct ctl_daemon d[CTL_DAEMONS], int n);
/* How many of the sessions' clients differ. */
size_t ctl_clients(const struct ctl_daemon *);
/* Ends that session.  False: it has ended, or why says more. */
bool ctl_end_session(
    const struct ctl_daemon *, const struct ctl_session *, const char **why);
void ctl_ask_queue(const struct ctl_where *, struct ctl_queue_count *);
#endif
