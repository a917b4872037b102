#ifndef SPOOL_MAILBOX_H
#define SPOOL_MAILBOX_H
/*
 * Where a user's mailbox is, and opening it as its owner with every check there
 * is.
 *
 * A process that is root does nothing in a directory of mailboxes but with the
 * file system identity of the mailbox' owner.  The way to that directory is
 * walked step by step: links are followed only in directories that nobody but
 * root can write; below the first one that somebody else can write, none is.
 * The directory must be root's or the user's own, and not writable for
 * everybody unless it is sticky.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "common/passdb.h"
#include "common/settings.h"
#include "common/status.h"

struct mailbox_path {
	char dir[512];   /* "/var/mail" */
	char name[128];  /* "alice" */
};
/* From settings->mailbox (%u user, %h home, %% percent) and the user.
 * ERR_INVALID: it does not fit, is not absolute, has a component "..", or a
 * name that is hidden or looks like a dotlock. */
enum status mailbox_path(const struct settings *, const struct user *,
    struct mailbox_path *out);

/* As root: takes the file system identity of the user (setfsgid, setfsuid: the
 * capabilities of root over files go with it); fs_become_self() takes it back.
 * Without root: does nothing.  Never fails silently: on doubt (it did not take,
 * uid 0, supplementary groups left over) the process dies. */
void fs_become(uid_t uid, gid_t gid);
void fs_become_self(void);

/* The directory of the mailbox, O_PATH|O_DIRECTORY, after the checks above.
 * *st (may be NULL) says what it is.  why: one line for the log. */
enum status mailbox_dir_open(const struct mailbox_path *, const struct user *,
    int *dirfd, struct stat *st, char *why, size_t why_size);

/* Opens the mailbox as its owner: O_NOFOLLOW, O_NONBLOCK; refuses what is not a
 * regular file, has another owner, more than one link, or is writable for
 * everybody (ERR_UNSAFE), and what no longer has this name when that has been
 * looked at (ERR_CHANGED).  create: makes a missing one, 0600, O_EXCL, its name
 * durable; where the user alone may not create (Debian's /var/mail is
 * root:mail 2775) it is made with the directory's group.  ERR_PERM for uid 0.
 * *fd is set with OK; *dirfd (may be NULL) is the directory, O_PATH. */
enum status mailbox_open(const struct mailbox_path *, const struct user *,
    int flags, bool create, int *fd, int *dirfd, char *why, size_t why_size);

/* dotlock_take, _release and _own (spool/lock.h) as the owner, with the
 * directory's group where the user alone may not create.  For a process that
 * is root or the user. */
enum status mailbox_dotlock_take(int dirfd, const char *name,
    const struct user *);
void mailbox_dotlock_release(int dirfd, const char *name, const struct user *);
bool mailbox_dotlock_own(int dirfd, const char *name, const struct user *);
#endif
