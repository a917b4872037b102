/* Locks on mailboxes.  Runs in: append, maildrop and its children; dotlocks in
 * the deliver opener, too. */
#define _GNU_SOURCE /* F_OFD_SETLK */
#include "spool/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/msg.h"
#include "common/service.h"
#include "common/view.h"

enum {
	LOCK_STEP_MAX = 20, /* ms between two tries */
	DOTLOCK_TEXT = 400, /* octets looked at */
	HOST_MAX = 256,
	BOOT_SLACK = 60 /* seconds a clock may be set at boot */
};

static int
lock_set(int fd, short type)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET };
	int rc;

	do
		rc = fcntl(fd, F_OFD_SETLK, &l);
	while (rc == -1 && errno == EINTR);
	return rc;
}

enum status
lock_try(int fd, bool exclusive)
{
	if (lock_set(fd, exclusive ? F_WRLCK : F_RDLCK) == 0)
		return OK;
	if (errno == EAGAIN || errno == EACCES) /* POSIX allows either */
		return ERR_BUSY;
	return status_from_errno(errno);
}

enum status
lock_wait_turn(int fd, bool exclusive, int64_t ms, int turnstile)
{
	return lock_take_both(&(struct lock_both){ .fd = fd,
	    .shared = !exclusive,
	    .lock_wait = ms,
	    .turnstile = turnstile });
}

enum status
lock_wait_state(int fd, bool exclusive, int64_t ms, int state_dir)
{
	enum status st = lock_try(fd, exclusive);

	if (st != ERR_BUSY)
		return st;
	int turnstile = turnstile_open(state_dir);
	st = lock_wait_turn(fd, exclusive, ms, turnstile);
	close_fd(&turnstile);
	return st;
}

enum status
lock_wait(int fd, bool exclusive, int64_t ms)
{
	return lock_wait_turn(fd, exclusive, ms, -1);
}

void
lock_release(int fd)
{
	/* It cannot fail in a way that leaves the lock behind: if the file
	 * system has lost us, it has lost the lock. */
	lock_set(fd, F_UNLCK);
}

bool
lock_same_file(int fd, int dirfd, const char *name)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 &&
	       fstatat(dirfd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino &&
	       a.st_nlink == 1 && S_ISREG(a.st_mode);
}

/* ---- the turnstile ---- */

int
turnstile_open(int state_dir)
{
	return openat(state_dir, TURNSTILE_FILE,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void
turnstile_close(int fd)
{
	/* Where it cannot be had we wait like everybody else. */
	if (fd != -1)
		lock_set(fd, F_RDLCK);
}

void
turnstile_leave(int fd)
{
	if (fd != -1)
		lock_set(fd, F_UNLCK);
}

bool
turnstile_closed(int fd)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fd != -1 && fcntl(fd, F_OFD_GETLK, &l) == 0 &&
	       l.l_type != F_UNLCK;
}

/* ---- dotlocks ---- */

struct dotlock {
	unsigned long long pid, time;
	char host[HOST_MAX];
};

static bool
dotlock_name(char *dst, size_t size, const char *mailbox_name)
{
	int n = snprintf(dst, size, "%s.lock", mailbox_name);

	return n > 0 && (size_t)n < size;
}

static void
own_host(char *dst, size_t size)
{
	if (gethostname(dst, size) == -1 || dst[0] == '\0')
		snprintf(dst, size, "localhost");
	dst[size - 1] = '\0';
}

/* Reads who holds the dotlock fd.  False: it is not ours to understand (mutt's
 * are empty, procmail's hold "0"). */
static bool
dotlock_read(int fd, struct dotlock *out)
{
	char text[DOTLOCK_TEXT];
	ssize_t n = pread(fd, text, sizeof(text), 0);

	if (n <= 0 || text[n - 1] != '\n')
		return false;
	struct view v = { text, (size_t)n - 1 };
	return view_number(view_token(&v), INT32_MAX, &out->pid) &&
	       out->pid > 0 &&
	       view_copy(view_token(&v), out->host, sizeof(out->host)) &&
	       view_number(v, INT64_MAX / 2, &out->time);
}

/* Its holder was of this host and is dead, or was there before the last
 * boot. */
static bool
dotlock_stale(const struct dotlock *d)
{
	char host[HOST_MAX];
	struct timespec now, up;

	own_host(host, sizeof(host));
	if (strcmp(host, d->host) != 0)
		return false;
	if (kill((pid_t)d->pid, 0) == -1 && errno == ESRCH)
		return true;
	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	return (int64_t)d->time < (int64_t)now.tv_sec - up.tv_sec - BOOT_SLACK;
}

/* Removes the dotlock name if it is stale.  Two who find the same stale one
 * must not remove each other's new one: who removes holds a lock on the old
 * inode and has seen that the name still means it. */
static bool
dotlock_break(int dirfd, const char *name)
{
	struct dotlock d;
	struct stat st;
	bool broken = false;
	int fd = openat(dirfd, name,
	    O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd == -1)
		return errno == ENOENT;
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    lock_try(fd, true) != OK || !dotlock_read(fd, &d) ||
	    !dotlock_stale(&d) || !lock_same_file(fd, dirfd, name))
		goto out;
	broken = unlinkat(dirfd, name, 0) == 0;
out:
	close(fd);
	return broken;
}

/* Makes the dotlock with its text in it: written under a name of our own and
 * linked, so that no crash leaves one without a holder. */
static enum status
dotlock_make(int dirfd, const char *name)
{
	char own[NAME_MAX + 1], host[HOST_MAX], text[DOTLOCK_TEXT];
	enum status st = ERR_INVALID;
	int fd = -1;

	own_host(host, sizeof(host));
	int n =
	    snprintf(own, sizeof(own), "%s.%s.%ld", name, host, (long)getpid());
	int len = snprintf(text, sizeof(text), "%ld %s %lld\n", (long)getpid(),
	    host, (long long)time(NULL));
	if (n < 0 || (size_t)n >= sizeof(own) || len < 0 ||
	    (size_t)len >= sizeof(text))
		return st;
	/* One left by a dead process of our pid: nobody else makes it. */
	unlinkat(dirfd, own, 0);
	fd = openat(dirfd, own,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd == -1)
		return status_from_errno(errno);
	errno = EIO; /* for a short write */
	if (write(fd, text, (size_t)len) != len)
		st = status_from_errno(errno);
	else if (linkat(dirfd, own, dirfd, name, 0) == 0)
		st = OK;
	else
		st = errno == EEXIST ? ERR_BUSY : status_from_errno(errno);
	unlinkat(dirfd, own, 0);
	close_fd(&fd);
	return st;
}

enum status
dotlock_take(int dirfd, const char *mailbox_name)
{
	char name[NAME_MAX + 1];

	if (!dotlock_name(name, sizeof(name), mailbox_name))
		return ERR_INVALID;
	enum status st = dotlock_make(dirfd, name);
	if (st == ERR_BUSY && dotlock_break(dirfd, name))
		st = dotlock_make(dirfd, name);
	return st;
}

bool
dotlock_own(int dirfd, const char *mailbox_name)
{
	char name[NAME_MAX + 1], host[HOST_MAX];
	struct dotlock d;

	if (!dotlock_name(name, sizeof(name), mailbox_name))
		return false;
	int fd = openat(dirfd, name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	own_host(host, sizeof(host));
	bool own = fd != -1 && dotlock_read(fd, &d) &&
		   d.pid == (unsigned long long)getpid() &&
		   strcmp(d.host, host) == 0;
	close_fd(&fd);
	return own;
}

void
dotlock_release(int dirfd, const char *mailbox_name)
{
	char name[NAME_MAX + 1];

	/* Not one that somebody made who thought ours was stale. */
	if (dotlock_own(dirfd, mailbox_name) &&
	    dotlock_name(name, sizeof(name), mailbox_name))
		unlinkat(dirfd, name, 0);
}

/* ---- both ---- */

enum status
dotlock_here(const struct lock_both *b, bool take)
{
	enum status st = OK;

	if (take)
		st = dotlock_take(b->dirfd, b->name);
	else
		dotlock_release(b->dirfd, b->name);
	return st == ERR_PERM ? OK : st;
}

void
lock_release_both(const struct lock_both *b)
{
	if (b->dotlock != NULL)
		b->dotlock(b, false);
	lock_release(b->fd);
}

enum status
lock_try_both(const struct lock_both *b)
{
	enum status st = lock_try(b->fd, !b->shared);

	if (st == OK && b->dotlock != NULL) {
		st = b->dotlock(b, true);
		if (st != OK)
			lock_release(b->fd);
	}
	/* Not before both are held: who takes dotlocks only (mailutils) may put
	 * another file in the place of this one until then. */
	if (st == OK && b->name != NULL &&
	    !lock_same_file(b->fd, b->dirfd, b->name)) {
		lock_release_both(b);
		st = ERR_CHANGED;
	}
	return st;
}

/* Sleeps until the next try, longer each time.  False: no more tries. */
static bool
step_wait(int64_t until, int64_t *step)
{
	int64_t left = until - now_ms();

	if (left <= 0)
		return false;
	if (*step > left)
		*step = left;
	struct timespec t = { .tv_nsec = (long)*step * 1000000 };
	nanosleep(&t, NULL);
	*step = *step * 2 < LOCK_STEP_MAX ? *step * 2 : LOCK_STEP_MAX;
	return true;
}

enum status
lock_take_both(const struct lock_both *b)
{
	int64_t until = now_ms() + b->lock_wait, step = 1;
	enum status st = lock_try_both(b);

	if (st != ERR_BUSY || b->lock_wait <= 0)
		return st;
	turnstile_close(b->turnstile);
	while (st == ERR_BUSY && step_wait(until, &step))
		st = lock_try_both(b);
	turnstile_leave(b->turnstile);
	return st;
}
