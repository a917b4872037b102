#ifndef SPOOL_SVC_FORWARD_H
#define SPOOL_SVC_FORWARD_H
/*
 * What the queue asks deliver about forwarding (spool/ask_forward.h): found out
 * who is meant, and left to a process that is this user.
 */
#include "common/service.h"
#include "common/settings.h"
#include "spool/svc_terminal.h"

/* resolve: the opener's.  settings: asked for at each use. */
void forward_init(terminal_resolve *, const struct settings *(*settings)(void),
    int (*find)(const char *name, struct user *));
/* OK: into the mailbox.  ERR_FORWARD: the queue is to look first at what the
 * user has written.  ERR_IO: that cannot be known now.  why: for the log. */
enum status forward_first(const struct user *, char *why, size_t size);
enum answer answer_forward(struct peer *, struct msg *rq, struct msg *rp);
enum answer answer_run(struct peer *, struct msg *rq, struct msg *rp);
/* Waits for what is under way: calls done once, when nothing is. */
void forward_stop(void (*done)(void));
#endif
