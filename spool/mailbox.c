/* Opening a mailbox as its owner.  Runs in: the deliver opener and maildrop, as
 * root with the file system identity of the owner. */
#define _GNU_SOURCE /* O_PATH */
#include "spool/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/view.h"
#include "spool/lock.h"

__attribute__((format(printf, 4, 5))) static enum status
because(char *why, size_t size, enum status st, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return st;
}

/* ---- where it is ---- */

static bool
expand(const struct settings *s, const struct user *u, struct buf *out)
{
	for (const char *p = s->mailbox; *p != '\0'; p++) {
		if (*p != '%') {
			buf_addc(out, *p);
			continue;
		}
		p++;
		if (*p == 'u')
			buf_adds(out, u->name);
		else if (*p == 'h')
			buf_adds(out, u->home);
		else if (*p == '%')
			buf_addc(out, '%');
		else
			return false;
	}
	return !out->bad;
}

static bool
climbs(struct view path)
{
	bool found = true;

	while (found)
		if (view_eqs(view_split(&path, '/', &found), ".."))
			return true;
	return false;
}

enum status
mailbox_path(
    const struct settings *s, const struct user *u, struct mailbox_path *out)
{
	struct buf b;
	enum status st = ERR_INVALID;

	*out = (struct mailbox_path){ .dir = "" };
	buf_init(&b, sizeof(out->dir) + sizeof(out->name));
	if (!expand(s, u, &b))
		goto out;
	struct view path = buf_view(&b);
	const char *slash = path.n == 0 ? NULL : memrchr(path.p, '/', path.n);
	if (slash == NULL || path.p[0] != '/' || climbs(path))
		goto out;
	size_t n = (size_t)(slash - path.p);
	struct view name = { slash + 1, path.n - n - 1 };
	bool dotlock =
	    name.n >= 5 && memcmp(name.p + name.n - 5, ".lock", 5) == 0;
	if (name.n == 0 || name.p[0] == '.' || dotlock ||
	    !view_copy(name, out->name, sizeof(out->name)) ||
	    !view_copy((struct view){ path.p, n == 0 ? 1 : n }, out->dir,
		sizeof(out->dir)))
		goto out;
	st = OK;
out:
	buf_free(&b);
	return st;
}

/* ---- as whom ---- */

static void
set_fsgid(gid_t gid)
{
	setfsgid(gid);
	/* Neither call can say that it failed, but each says what was. */
	if ((gid_t)setfsgid((gid_t)-1) != gid)
		fatal("setfsgid to %ld failed", (long)gid);
}

static void
set_fsuid(uid_t uid)
{
	setfsuid(uid);
	if ((uid_t)setfsuid((uid_t)-1) != uid)
		fatal("setfsuid to %ld failed", (long)uid);
}

void
fs_become(uid_t uid, gid_t gid)
{
	static bool groups_seen;

	if (geteuid() != 0)
		return;
	if (uid == 0 || uid == (uid_t)-1 || gid == (gid_t)-1)
		fatal("refusing to open mail files as uid %ld", (long)uid);
	if (!groups_seen && getgroups(0, NULL) != 0)
		fatal("supplementary groups were not dropped");
	groups_seen = true;
	set_fsgid(gid);
	set_fsuid(uid);
}

void
fs_become_self(void)
{
	if (geteuid() != 0)
		return;
	set_fsuid(0);
	set_fsgid(getegid());
}

/* ---- the directory ---- */

/* Nobody but root can change what is in this directory. */
static bool
roots_own(const struct stat *st)
{
	return st->st_uid == 0 && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* One step of the way: opens name in *fd, which it replaces. */
static enum status
step(int *fd, const char *name, bool follow, struct stat *st)
{
	int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
	int next = openat(*fd, name, follow ? flags : flags | O_NOFOLLOW);

	if (next == -1)
		return errno == ENOTDIR ? ERR_UNSAFE : status_from_errno(errno);
	close(*fd);
	*fd = next;
	return fstat(next, st) == -1 ? status_from_errno(errno) : OK;
}

static enum status
walk(const char *path, int *fd, struct stat *st)
{
	struct view rest = view_of(path);
	bool more = true, follow = true;
	enum status rc = OK;
	char name[256];

	*fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*fd == -1 || fstat(*fd, st) == -1)
		return status_from_errno(errno);
	while (rc == OK && more) {
		struct view part = view_split(&rest, '/', &more);
		if (part.n == 0)
			continue;
		if (!view_copy(part, name, sizeof(name)))
			return ERR_INVALID;
		/* Never again below a place where somebody but root may have
		 * put a link. */
		follow = follow && roots_own(st);
		rc = step(fd, name, follow, st);
	}
	return rc;
}

/* As mailbox_dir_open, with the identity the caller has taken. */
static enum status
dir_open(const struct mailbox_path *path, const struct user *u, int *dirfd,
    struct stat *st, char *why, size_t size)
{
	enum status rc = walk(path->dir, dirfd, st);

	if (rc != OK)
		because(why, size, rc, "directory %s: %s", path->dir,
		    status_text(rc));
	else if (st->st_uid != 0 && st->st_uid != u->uid)
		rc = because(why, size, ERR_UNSAFE,
		    "directory %s belongs to uid %ld, not to root or the user",
		    path->dir, (long)st->st_uid);
	else if ((st->st_mode & S_IWOTH) && !(st->st_mode & S_ISVTX))
		rc = because(why, size, ERR_UNSAFE,
		    "directory %s is writable for everybody; chmod +t it",
		    path->dir);
	if (rc != OK)
		close_fd(dirfd);
	return rc;
}

#define ROOT_REFUSED "uid 0 has no mailbox here; use an alias"

static bool
is_root(const struct user *u)
{
	return geteuid() == 0 && u->uid == 0;
}

enum status
mailbox_dir_open(const struct mailbox_path *path, const struct user *u,
    int *dirfd, struct stat *st, char *why, size_t why_size)
{
	struct stat own;

	*dirfd = -1;
	why[0] = '\0';
	if (is_root(u))
		return because(why, why_size, ERR_PERM, ROOT_REFUSED);
	fs_become(u->uid, u->gid);
	enum status rc =
	    dir_open(path, u, dirfd, st != NULL ? st : &own, why, why_size);
	fs_become_self();
	return rc;
}

/* Takes the directory's group on top of the user's identity, if that is what it
 * needs to make a name in it.  Group 0 is never taken. */
static bool
become_creator(const struct user *u, const struct stat *dir)
{
	if (geteuid() != 0 || !(dir->st_mode & S_IWGRP) || dir->st_gid == 0 ||
	    dir->st_gid == u->gid)
		return false;
	set_fsgid(dir->st_gid);
	return true;
}

/* ---- the mailbox ---- */

enum { OPEN_SAFE = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC };

/* The name of the new file must survive a power cut, too: messages will be
 * acknowledged in it.  As root, because the user may be allowed to write the
 * directory but not to read it; without root flushing the file must do. */
static enum status
sync_name(int dirfd, int file)
{
	fs_become_self();
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum status st = OK;
	if (fsync(fd != -1 ? fd : file) == -1)
		st = status_from_errno(errno);
	close_fd(&fd);
	return st;
}

/* Makes the mailbox.  Leaves the identity changed. */
static enum status
create_new(int dirfd, const struct stat *dir, const char *name,
    const struct user *u, int flags, int *fd)
{
	flags |= O_CREAT | O_EXCL | OPEN_SAFE;
	*fd = openat(dirfd, name, flags, 0600);
	if (*fd == -1 && (errno == EACCES || errno == EPERM) &&
	    become_creator(u, dir))
		*fd = openat(dirfd, name, flags, 0600);
	if (*fd == -1)
		return errno == EEXIST ? ERR_CHANGED : status_from_errno(errno);
	return sync_name(dirfd, *fd);
}

/* Is fd still open under this name?  The link count alone does not tell: a
 * second name of somebody's other file may have been here just long enough to
 * be opened.  The kernel's entry that fd was opened by does: once it has been
 * unlinked or renamed it never has that name again, even if the name is made
 * anew.  So if the count was one before, this name was the one. */
static bool
has_name(int fd, const char *name)
{
	char proc[64], path[4096 + 1];

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(proc, path, sizeof(path) - 1);
	if (n <= 0) /* no /proc, or too long a path */
		return true;
	path[n] = '\0';
	const char *slash = strrchr(path, '/');
	return slash != NULL && strcmp(slash + 1, name) == 0;
}

static enum status
check_file(
    int fd, const struct user *u, const char *file, char *why, size_t size)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return because(why, size, status_from_errno(errno),
		    "mailbox %s: %s", file, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return because(why, size, ERR_UNSAFE,
		    "mailbox %s is not a regular file", file);
	if (st.st_uid != u->uid)
		return because(why, size, ERR_UNSAFE,
		    "mailbox %s belongs to uid %ld, not to %s", file,
		    (long)st.st_uid, u->name);
	if (st.st_nlink != 1)
		return because(why, size, ERR_UNSAFE,
		    "mailbox %s has %lu hard links", file,
		    (unsigned long)st.st_nlink);
	if (st.st_mode & S_IWOTH)
		return because(why, size, ERR_UNSAFE,
		    "mailbox %s is writable for everybody", file);
	if (!has_name(fd, strrchr(file, '/') + 1))
		return because(why, size, ERR_CHANGED,
		    "mailbox %s was moved while it was opened", file);
	return OK;
}

/* Opens or makes the mailbox with the identity the caller has taken. */
static enum status
file_open(int dirfd, const struct stat *dir, const struct mailbox_path *path,
    const struct user *u, int flags, bool create, int *fd)
{
	*fd = openat(dirfd, path->name, flags | OPEN_SAFE);
	if (*fd != -1)
		return OK;
	if (errno != ENOENT || !create)
		return status_from_errno(errno);
	enum status rc = create_new(dirfd, dir, path->name, u, flags, fd);
	if (rc != ERR_CHANGED)
		return rc;
	/* Somebody was quicker. */
	*fd = openat(dirfd, path->name, flags | OPEN_SAFE);
	return *fd != -1 ? OK : status_from_errno(errno);
}

enum status
mailbox_open(const struct mailbox_path *path, const struct user *u, int flags,
    bool create, int *fd, int *dirfd, char *why, size_t why_size)
{
	char file[sizeof(path->dir) + sizeof(path->name)];
	struct stat dir;
	int d = -1;

	*fd = -1;
	if (dirfd != NULL)
		*dirfd = -1;
	why[0] = '\0';
	snprintf(file, sizeof(file), "%s/%s", path->dir, path->name);
	if (is_root(u))
		return because(why, why_size, ERR_PERM, ROOT_REFUSED);
	fs_become(u->uid, u->gid);
	enum status rc = dir_open(path, u, &d, &dir, why, why_size);
	bool dir_ok = rc == OK;
	if (dir_ok)
		rc = file_open(d, &dir, path, u, flags, create, fd);
	fs_become_self();
	if (!dir_ok)
		return rc;
	if (rc != OK)
		because(
		    why, why_size, rc, "mailbox %s: %s", file, status_text(rc));
	else
		rc = check_file(*fd, u, file, why, why_size);
	if (rc != OK) {
		close_fd(fd);
	} else if (dirfd != NULL) {
		*dirfd = d;
		d = -1;
	}
	close_fd(&d);
	return rc;
}

/* ---- dotlocks ---- */

enum status
mailbox_dotlock_take(int dirfd, const char *name, const struct user *u)
{
	struct stat dir;

	if (fstat(dirfd, &dir) == -1)
		return status_from_errno(errno);
	fs_become(u->uid, u->gid);
	enum status rc = dotlock_take(dirfd, name);
	if (rc == ERR_PERM && become_creator(u, &dir))
		rc = dotlock_take(dirfd, name);
	fs_become_self();
	return rc;
}

void
mailbox_dotlock_release(int dirfd, const char *name, const struct user *u)
{
	struct stat dir;

	fs_become(u->uid, u->gid);
	if (fstat(dirfd, &dir) == 0)
		become_creator(u, &dir);
	dotlock_release(dirfd, name);
	fs_become_self();
}

bool
mailbox_dotlock_own(int dirfd, const char *name, const struct user *u)
{
	fs_become(u->uid, u->gid);
	bool own = dotlock_own(dirfd, name);
	fs_become_self();
	return own;
}
