#ifndef SPOOL_PENNYCTL_PROC_H
#define SPOOL_PENNYCTL_PROC_H
/*
 * What the workers' processes show of themselves in /proc: state and user; and
 * those of a former pool, which nobody answers for any more.
 */
#include <stdbool.h>

#include "common/view.h"
#include "spool/pennyctl_ask.h"

/* Printable, and cut if it is long. */
void ctl_word(struct view v, char out[CTL_WORD]);
/* A new one at the end, all zero.  NULL: no memory. */
struct ctl_session *ctl_session_add(struct ctl_daemon *);
/* Adds user and state to the sessions, and former ones to these. */
void ctl_proc_look(struct ctl_daemon *);
/* Kills a former one. */
bool ctl_proc_kill(
    const struct ctl_daemon *, const struct ctl_session *, const char **why);
#endif
