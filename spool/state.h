#ifndef SPOOL_STATE_H
#define SPOOL_STATE_H
/*
 * .pennypost beside the mailboxes (root, 0755) and in it a directory per user
 * (owner, 0700) with lock, journal, uidl, index.  And the mailbox itself:
 * opening it as its owner with every check there is.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/passdb.h"
#include "common/settings.h"
#include "common/status.h"

struct mailbox_path {
	char dir[512];   /* "/var/mail" */
	char name[128];  /* "alice" */
};
/* From settings->mailbox and the user.  ERR_INVALID: it does not fit. */
enum status mailbox_path(const struct settings *, const struct user *,
    struct mailbox_path *out);
/* As root: takes the file system identity of the user (setfsgid, setfsuid: the
 * capabilities of root go with it); fs_become_self() takes it back.  Without
 * root: does nothing.  Never fails silently: on doubt the process dies. */
void fs_become(uid_t uid, gid_t gid);
void fs_become_self(void);
/* Opens the mailbox as its owner: O_NOFOLLOW, O_NONBLOCK; refuses what is not a
 * regular file, has another owner, more than one link, or is writable for
 * everybody (ERR_UNSAFE).  create: makes a missing one, 0600, O_EXCL; group is
 * the directory's.  *fd is set with OK; *dirfd (may be NULL) is the directory,
 * O_PATH|O_DIRECTORY.  why: one line for the log. */
enum status mailbox_open(const struct mailbox_path *, const struct user *,
    int flags, bool create, int *fd, int *dirfd, char *why, size_t why_size);
/* The user's state directory, made if missing.  Refused (ERR_UNSAFE) when
 * .pennypost is not root's (or, without root, the caller's), is a link, or may
 * be written by others.  why as above. */
enum status state_open(const struct mailbox_path *, const struct user *,
    int *state_dir, char *why, size_t why_size);
/* The session lock: opens `lock` in the state directory (never unlinked), takes
 * it without waiting, writes "pid host seconds\n" into it.  ERR_BUSY: holder
 * says who: "pid 4711 on mail.example.org since 2026-11-21 10:20:30 UTC";
 * what the file says is not believed beyond printable text.  pid: of the
 * process for which it is taken. */
enum status session_lock(int state_dir, const struct user *, pid_t pid,
    const char *host, int *fd, char *holder, size_t size);
#endif
