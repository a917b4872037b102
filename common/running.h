#ifndef COMMON_RUNNING_H
#define COMMON_RUNNING_H
/*
 * What a running master tells of itself: the file NAME.state in run_directory,
 * a few lines of text, locked for as long as it lives.  By it others on the
 * host know whether it runs, which process it is, and how a reload went.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/settings.h"

enum { RUNNING_RESULT = 256 };
struct running {
	pid_t pid;
	uint64_t begun, ended; /* reloads, from 0 */
	char result[RUNNING_RESULT]; /* of the last: "ok", or why not */
};

/* ---- the master's side ---- */

/* Opens and locks the file.  fd: the open file of the master that this one
 * takes the place of (taken), else -1.  Where it cannot be, the log says why,
 * and all goes on without it. */
void running_open(const struct settings *, const char *name, int fd);
void running_reload_begins(void);
/* why: NULL, it is in force. */
void running_reload_ended(const char *why);
int running_fd(void); /* borrowed; -1: none */
/* Removes the file, unless another master has it now (keep). */
void running_close(bool keep);

/* ---- everybody else ---- */

/* What it says.  False: no master of that name runs there; errno says more
 * (0: there is a file, or none, but nobody holds it). */
bool running_read(const struct settings *, const char *name,
    struct running *);
/* -r: has it read its configuration again and waits for the outcome.  Gives
 * the exit status; what went wrong is on standard error. */
int running_reload(const struct settings *, const char *name);
/* -u: the same for taking up a new program. */
int running_upgrade(const struct settings *, const char *name);
#endif
