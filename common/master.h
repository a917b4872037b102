#ifndef COMMON_MASTER_H
#define COMMON_MASTER_H
/*
 * The master: reads the configuration, binds the sockets, starts the roles and
 * keeps them running.  It never reads an octet from a client.
 */
#include "common/passdb.h"
#include "common/role.h"

struct daemon {
	const char *name;        /* "smtpd" */
	bool pop3;
	const char *config;      /* default configuration file */
	role_main *const *mains; /* by enum role_id; NULL: not in this daemon */
	/* -t: what else can be wrong.  False: err is one line.  May be NULL. */
	bool (*check)(const struct settings *, struct passdb *, char *err,
	    size_t size);
	/* -t, before that one: says each mistake, and warnings; returns the
	 * number of mistakes.  May be NULL. */
	unsigned (*check_files)(const struct settings *, struct passdb *,
	    void (*say)(void *arg, bool error, const char *text), void *arg);
};

/* All of main(): options, checks, roles.  Returns the exit status. */
int daemon_main(int argc, char **argv, const struct daemon *);

/* The options of the command line (daemon.c). */
struct options {
	const char *config;
	const char *show; /* -T */
	bool background, to_stderr, check, inetd, reload, upgrade;
	bool successor; /* started by a running master, which it replaces */
	int state_fd;	/* and that one's state file; -1 */
};
/* Serves until told to stop.  s: taken.  ready_fd: where "\n" is written when
 * everything listens, or one line of text when it failed (-1: none). */
int master_run(const struct daemon *, const struct options *,
    struct settings *s, int ready_fd);

/* -t: everything that can be checked without starting.  Prints each problem on
 * standard error as one line; the number of them. */
unsigned config_check(const struct daemon *, const struct options *,
    const struct settings *);
/* What needs no key of it: listeners, directories, the roles' users. */
unsigned config_check_places(const struct daemon *, const struct options *,
    const struct settings *);
#endif
