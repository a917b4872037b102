/* The state directory beside the mailboxes, and the session lock in it.
 * Runs in: maildrop; the deliver opener looks for a journal. */
#define _GNU_SOURCE
#include "spool/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/file.h"
#include "common/msg.h"
#include "common/view.h"
#include "spool/lock.h"

#define STATE_DIR ".pennypost"

enum {
	OPEN_DIR = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
	LOCK_TEXT = 300, /* octets of a lock file that are looked at */
	HOST_MAX = 256,
	LOCK_TRIES = 3
};

static enum status
dir_status(int e)
{
	return e == ENOTDIR ? ERR_UNSAFE : status_from_errno(e);
}

/* A directory that was made just now gets its mode, and its name is durable: a
 * journal that nobody finds after a power cut would be none. */
static enum status
dir_settle(int dirfd, int fd, mode_t mode, struct stat *st)
{
	if (fchmod(fd, mode) == -1 || fstat(fd, st) == -1)
		return status_from_errno(errno);
	int parent = openat(dirfd, ".", OPEN_DIR);
	enum status rc = OK;
	if (parent == -1 || fsync(parent) == -1)
		rc = status_from_errno(errno);
	close_fd(&parent);
	return rc;
}

/* Opens directory name in dirfd and makes it if it is missing, with this mode
 * whatever the umask is.  maker: as whom the process acts.  One that could not
 * be settled goes again: nobody would settle it later. */
static enum status
dir_make(int dirfd, const char *name, mode_t mode, uid_t maker, int *fd,
    struct stat *st)
{
	enum status rc = OK;
	bool made = false;

	*fd = openat(dirfd, name, OPEN_DIR);
	if (*fd == -1 && errno == ENOENT) {
		made = mkdirat(dirfd, name, mode) == 0;
		if (!made && errno != EEXIST)
			return status_from_errno(errno);
		*fd = openat(dirfd, name, OPEN_DIR);
	}
	if (*fd == -1)
		rc = dir_status(errno);
	else if (fstat(*fd, st) == -1)
		rc = status_from_errno(errno);
	else if (made && st->st_uid != maker)
		return ERR_UNSAFE; /* somebody has put another in its place */
	else if (made)
		rc = dir_settle(dirfd, *fd, mode, st);
	if (rc != OK && made)
		(void)unlinkat(dirfd, name, AT_REMOVEDIR);
	return rc;
}

/* The user's directory in .pennypost (top).  Root makes it and gives it away,
 * which is safe as nobody else can have put it there. */
static enum status
user_dir(int top, const struct user *u, uid_t maker, int *fd)
{
	struct stat st;
	enum status rc = dir_make(top, u->name, 0700, maker, fd, &st);

	if (rc != OK)
		return rc;
	if (st.st_uid == maker && maker != u->uid && maker == 0) {
		if (fchown(*fd, u->uid, u->gid) == -1 || fstat(*fd, &st) == -1)
			return status_from_errno(errno);
	}
	if (st.st_uid != u->uid || (st.st_mode & 077) != 0)
		return ERR_UNSAFE;
	return OK;
}

static enum status
state_dirs(
    int mailbox_dir, const struct user *u, uid_t maker, int *top, int *state)
{
	struct stat st;
	enum status rc =
	    dir_make(mailbox_dir, STATE_DIR, 0755, maker, top, &st);

	if (rc != OK)
		return rc;
	if ((st.st_uid != 0 && st.st_uid != maker) || (st.st_mode & 022) != 0)
		return ERR_UNSAFE;
	return user_dir(*top, u, maker, state);
}

enum status
state_open(const struct mailbox_path *path, const struct user *u,
    int *state_dir, char *why, size_t why_size)
{
	struct stat st;
	int dir = -1, top = -1, state = -1;
	enum status rc = mailbox_dir_open(path, u, &dir, &st, why, why_size);

	*state_dir = -1;
	if (rc != OK)
		return rc;
	bool users_own = st.st_uid == u->uid;
	if (users_own)
		fs_become(u->uid, u->gid);
	rc = state_dirs(dir, u, users_own ? u->uid : geteuid(), &top, &state);
	if (users_own)
		fs_become_self();
	if (rc == OK) {
		*state_dir = state;
		state = -1;
	} else {
		snprintf(why, why_size,
		    "state directory %s/" STATE_DIR "/%s: %s", path->dir,
		    u->name,
		    rc == ERR_UNSAFE ? "wrong owner or mode, or not a directory"
				     : status_text(rc));
	}
	close_fd(&dir);
	close_fd(&top);
	close_fd(&state);
	return rc;
}

bool
state_update_pending(int dirfd, const struct user *u)
{
	char name[sizeof(STATE_DIR) + sizeof(u->name) + sizeof("//journal")];
	struct stat st;

	snprintf(name, sizeof(name), STATE_DIR "/%s/journal", u->name);
	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (!S_ISREG(st.st_mode) || st.st_size > 0);
}

/* The user's state directory as a place to open files in, if it is there. */
static int
state_place(int dirfd, const struct user *u)
{
	char name[sizeof(STATE_DIR) + sizeof(u->name)];

	snprintf(name, sizeof(name), STATE_DIR "/%s", u->name);
	fs_become(u->uid, u->gid);
	int fd =
	    openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	fs_become_self();
	return fd;
}

int
state_intent_open(
    int dirfd, const struct mailbox_path *path, const struct user *u)
{
	char why[300];
	int state = state_place(dirfd, u), fd = -1;

	if (state == -1 && state_open(path, u, &state, why, sizeof(why)) != OK)
		return -1;
	if (state_file_open(state, u, TURNSTILE_FILE, O_RDWR | O_CREAT, &fd) !=
	    OK)
		fd = -1;
	close_fd(&state);
	return fd;
}

int
state_turnstile_open(int dirfd, const struct user *u)
{
	int state = state_place(dirfd, u), fd = -1;

	if (state != -1 &&
	    state_file_open(state, u, TURNSTILE_FILE, O_RDONLY, &fd) != OK)
		fd = -1;
	close_fd(&state);
	return fd;
}

/* ---- the session lock ---- */

static bool
host_name(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_alnum(v.p[i]) && strchr(".-_:", v.p[i]) == NULL)
			return false;
	return v.n > 0 && v.n < HOST_MAX;
}

/* Says who holds the lock, as far as the file can be believed. */
static void
read_holder(int fd, char *dst, size_t size)
{
	char text[LOCK_TEXT], since[64];
	unsigned long long pid, seconds;
	struct tm tm;
	ssize_t n = pread(fd, text, sizeof(text), 0);

	snprintf(dst, size, "another session");
	if (n <= 0 || text[n - 1] != '\n')
		return;
	struct view v = { text, (size_t)n - 1 };
	if (!view_number(view_token(&v), INT32_MAX, &pid))
		return;
	struct view host = view_token(&v);
	/* The year 9999 bounds the text. */
	if (!host_name(host) || !view_number(v, 253402300799ULL, &seconds))
		return;
	time_t t = (time_t)seconds;
	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(since, sizeof(since), "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		return;
	snprintf(dst, size, "pid %llu on %.*s since %s", pid, (int)host.n,
	    host.p, since);
}

/* Writes who holds the lock.  It holds without that, too. */
static void
write_holder(int fd, pid_t pid, const char *host)
{
	char text[LOCK_TEXT];
	int n = snprintf(text, sizeof(text), "%ld %s %lld\n", (long)pid, host,
	    (long long)time(NULL));

	if (n > 0 && (size_t)n < sizeof(text))
		file_replace(fd, text, (size_t)n);
}

/* The directory is the user's, so anything may be there. */
enum status
state_file_open(
    int state_dir, const struct user *u, const char *name, int flags, int *fd)
{
	struct stat st;

	fs_become(u->uid, u->gid);
	*fd = openat(state_dir, name,
	    flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	enum status rc = *fd == -1 ? status_from_errno(errno) : OK;
	fs_become_self();
	if (rc != OK)
		return rc;
	if (fstat(*fd, &st) == -1)
		rc = status_from_errno(errno);
	else if (!S_ISREG(st.st_mode) || st.st_uid != u->uid || st.st_nlink > 1)
		rc = ERR_UNSAFE;
	if (rc != OK)
		close_fd(fd);
	return rc;
}

enum status
session_lock(int state_dir, const struct user *u, pid_t pid, const char *host,
    int *fd, char *holder, size_t size)
{
	enum status rc = ERR_CHANGED;

	snprintf(holder, size, "%s", "");
	*fd = -1;
	/* It is never unlinked, but the user can. */
	for (int i = 0; rc == ERR_CHANGED && i < LOCK_TRIES; i++) {
		close_fd(fd);
		rc =
		    state_file_open(state_dir, u, "lock", O_RDWR | O_CREAT, fd);
		if (rc == OK)
			rc = lock_try(*fd, true);
		if (rc == OK && !lock_same_file(*fd, state_dir, "lock"))
			rc = ERR_CHANGED;
	}
	if (rc == OK)
		write_holder(*fd, pid, host);
	else if (rc == ERR_BUSY)
		read_holder(*fd, holder, size);
	if (rc != OK)
		close_fd(fd);
	return rc;
}
