#ifndef COMMON_GROUP_H
#define COMMON_GROUP_H
/*
 * Roles start, serve and end in groups.
 *
 *   LOG    log
 *   BACK   queue, deliver, expand (smtpd only): one of each on a host
 *   FRONT  pool, key, auth, lookup, relay / maildrop: a generation
 *
 * A generation of the front is started beside the one in force and takes its
 * place when each of its roles has said READY.  Reloading the configuration and
 * replacing a role that died are therefore one and the same act, nothing is
 * switched that has not proved that it works, and no connection is lost.  A
 * new back, or log, brings a new front, because channels are made at the start
 * of a role only.
 *
 * Runs in: the master.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "common/role.h"

enum group_kind { GROUP_LOG, GROUP_BACK, GROUP_FRONT, GROUP__N };
enum { GROUP_ROLES_MAX = 6 };

/* A configuration in force somewhere; counted. */
struct config {
	struct settings *settings;
	int listen_fd[ROLE_LISTEN_MAX];
	unsigned refs;
};
void config_release(struct config *);
/* Nobody is to wait at a port where nobody will accept. */
void config_close_ports(struct config *);

struct proc {
	enum role_id id;
	pid_t pid; /* 0: has ended */
	int ctl;   /* -1: closed */
	bool ready, stopping;
	struct group *group;
	struct watch *watch;
};

struct group {
	enum group_kind kind;
	struct config *config;
	struct proc proc[GROUP_ROLES_MAX];
	unsigned n;
	bool failed;    /* one of its roles died or said that it cannot */
	bool draining;  /* another has taken its place */
	bool idle;	/* its pool has nobody to wait for any more */
	struct group *next;
	struct timer *timer;
};

struct group_host {
	bool pop3, root, inetd, idle_exit;
	int exe_fd;          /* this binary */
	const char *program; /* "smtpd" */
	/* All roles of the group are READY. */
	void (*ready)(struct group *);
	/* A role said FAILED, or died; why is one line. */
	void (*failed)(struct group *, struct proc *, const char *why);
	/* Every process of the group has ended; it is freed behind this. */
	void (*ended)(struct group *);
	/* The pool: a worker died by a signal (CTL_BREACH), no client for long
	 * (CTL_IDLE), no client any more (CTL_RETIRED). */
	void (*told)(struct group *, unsigned what);
};

void group_init(const struct group_host *);
/* In a child: becomes that role, which hears its orders on ctl. */
noreturn void role_exec(const struct group_host *, enum role_id, int ctl);
/* Starts all roles of that kind.  log, back: those it is wired to (NULL where
 * there is none).  Certificates and keys are opened here; NULL: err is one
 * line, and nothing was started. */
struct group *group_start(enum group_kind, struct config *, struct group *log,
    struct group *back, char *err, size_t size);
/* This front, which is ready, is the one in force: what lives longer hears of
 * it. */
void group_wire_late(struct group *front, struct group *back);
bool group_is_ready(const struct group *);
/* Sends the roles their end: the pool first, the others when it has ended. */
void group_stop(struct group *, uint32_t grace_ms);
/* Asks the queue to say when nothing can be delivered soon (CTL_DRAINED).
 * False: there is none. */
bool group_drain(struct group *);
void group_kill(struct group *);
/* New settings for roles that outlive a generation. */
void group_new_settings(struct group *, const struct settings *);
/* The queue gets its listening socket, if there is one in c. */
void group_new_sockets(struct group *, const struct config *);
/* A channel on which the master itself may log; -1: none. */
int group_log_channel(struct group *log);
/* Collects children; calls failed and ended. */
void group_reap(void);
bool group_any(void); /* is any process left? */
void group_kill_all(void);
struct group *group_first(void);
#endif
