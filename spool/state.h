#ifndef SPOOL_STATE_H
#define SPOOL_STATE_H
/*
 * .pennypost beside the mailboxes (root, 0755) and in it a directory per user
 * (owner, 0700) with lock, journal, uidl, index.  Where the mailbox lies in a
 * directory of the user's own, .pennypost is the user's, too: root makes
 * nothing in a place that a user can change.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/passdb.h"
#include "common/status.h"
#include "spool/mailbox.h"

/* The user's state directory, made if missing.  Refused (ERR_UNSAFE) when
 * .pennypost is not root's (or the caller's without root, or the user's in the
 * user's own directory), is a link, or may be written by others; the same for
 * the directory in it, which is the user's.  why: one line for the log. */
enum status state_open(const struct mailbox_path *, const struct user *,
    int *state_dir, char *why, size_t why_size);
/* Is there a journal of an UPDATE that was cut short (spool/update.h)?  Looks
 * only, makes nothing: for whoever may not touch the mailbox until it has been
 * finished.  dirfd: the directory of the mailbox. */
bool state_update_pending(int dirfd, const struct user *);
/* Opens a file of the state directory as its owner: a regular file of the
 * user's with one name, or ERR_UNSAFE.  O_CREAT makes it 0600. */
enum status state_file_open(
    int state_dir, const struct user *, const char *name, int flags, int *fd);
/* Opens the file for what an append is about to write (spool/intent.h) beside
 * the mailbox in dirfd, and makes what is missing.  -1: it cannot be. */
int state_intent_open(
    int dirfd, const struct mailbox_path *, const struct user *);
/* That file, for reading, if it is there: the turnstile (spool/lock.h). */
int state_turnstile_open(int dirfd, const struct user *);
/* The session lock: opens `lock` in the state directory (never unlinked), takes
 * it without waiting, writes "pid host seconds\n" into it.  ERR_BUSY: holder
 * says who: "pid 4711 on mail.example.org since 2026-11-21 10:20:30 UTC";
 * what the file says is not believed beyond printable text.  pid: of the
 * process for which it is taken.  A full disk does not stop it: the text is
 * missing then. */
enum status session_lock(int state_dir, const struct user *, pid_t pid,
    const char *host, int *fd, char *holder, size_t size);
#endif
