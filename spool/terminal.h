#ifndef SPOOL_TERMINAL_H
#define SPOOL_TERMINAL_H
/*
 * Messages to terminals (SEND, SOML, SAML).  Runs in: deliver.
 *
 * A user's terminals are the character devices in /dev/pts and /dev/tty* that
 * belong to the user and that the group may write (mesg y).  The one that was
 * used last is written.  A child that has become the user does all of it, so
 * that nothing is opened that the user could not open.
 */
#include "common/msg.h"
#include "common/passdb.h"
#include "common/view.h"

/* Starts the child.  done(arg, reached) is called once, later, if this is
 * true; false: it cannot be tried now.  Without text (n 0) nothing is written:
 * is there a terminal? */
bool terminal_start(const struct user *u, struct view text, int log_fd,
    void (*done)(void *arg, bool reached), void *arg);
/* What the child does: writes text to the terminal of uid that was used last
 * and takes all of it. */
bool terminal_write(uid_t uid, struct view text);
#endif
