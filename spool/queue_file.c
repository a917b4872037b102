/* Records on their way into the queue.  Runs in: queue and its publishers. */
#define _GNU_SOURCE /* O_TMPFILE, renameat2, copy_file_range */
#include "spool/queue_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/msg.h"
#include "spool/queue.h"

enum { PIECE = 65536 };

ssize_t
file_pread(int fd, void *p, size_t n, uint64_t offset)
{
	char *to = p;
	size_t have = 0;

	while (have < n) {
		ssize_t r =
		    pread(fd, to + have, n - have, (off_t)(offset + have));
		if (r == 0)
			break;
		if (r == -1 && errno != EINTR)
			return -1;
		if (r > 0)
			have += (size_t)r;
	}
	return (ssize_t)have;
}

bool
file_write(int fd, const void *p, size_t n)
{
	const char *from = p;

	while (n > 0) {
		ssize_t r = write(fd, from, n);
		if (r == 0)
			errno = EIO;
		if (r == 0 || (r == -1 && errno != EINTR))
			return false;
		if (r > 0) {
			from += r;
			n -= (size_t)r;
		}
	}
	return true;
}

static int
append_by_hand(int fd, int from, uint64_t at, uint64_t n)
{
	static char piece[PIECE];

	while (n > 0) {
		ssize_t r = file_pread(from, piece,
		    n < sizeof(piece) ? (size_t)n : sizeof(piece), at);
		if (r <= 0)
			return (int)r;
		if (!file_write(fd, piece, (size_t)r))
			return -1;
		at += (uint64_t)r;
		n -= (uint64_t)r;
	}
	return 1;
}

int
file_append(int fd, int from, uint64_t n)
{
	off_t at = 0;

	while (n > 0) {
		ssize_t r = copy_file_range(
		    from, &at, fd, NULL, n < 1 << 30 ? (size_t)n : 1 << 30, 0);
		if (r > 0) {
			n -= (uint64_t)r;
			continue;
		}
		if (r == -1 && errno == EINTR)
			continue;
		/* The file systems that cannot say so in many ways, and
		 * some of them by 0; the disk's own errors come again. */
		return append_by_hand(fd, from, (uint64_t)at, n);
	}
	return 1;
}

int
file_move(int from_dir, const char *from, int to_dir, const char *to)
{
	if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	/* A file system without RENAME_NOREPLACE. */
	if (linkat(from_dir, from, to_dir, to, 0) == -1)
		return -1;
	unlinkat(from_dir, from, 0);
	return 0;
}

/* ---- files in incoming/ ---- */

int
queue_spool(struct queue *q, enum status *st)
{
	char name[32];
	int fd = openat(
	    q->incoming, ".", O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);

	*st = OK;
	if (fd != -1)
		return fd;
	if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL) {
		snprintf(name, sizeof(name), "spool-%ld-%u", (long)getpid(),
		    ++q->spool_serial);
		fd = openat(q->incoming, name,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd != -1 && unlinkat(q->incoming, name, 0) == 0)
			return fd;
	}
	*st = status_from_errno(errno);
	close_fd(&fd);
	return -1;
}

int
queue_create(struct queue *q, const char *id, enum status *st)
{
	struct stat there;
	int fd = -1;

	/* Looked up now to refuse early; the rename will not overwrite. */
	if (fstatat(q->active, id, &there, AT_SYMLINK_NOFOLLOW) == 0)
		errno = EEXIST;
	else if (errno == ENOENT)
		fd = openat(q->incoming, id,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	*st = fd != -1		? OK
	      : errno == EEXIST ? ERR_INVALID
				: status_from_errno(errno);
	return fd;
}

void
queue_forget(struct queue *q, const char *id)
{
	unlinkat(q->incoming, id, 0);
}

/* ---- publication ---- */

static int
flush(int fd, int (*sync)(int))
{
	int rc;

	do
		rc = sync(fd);
	while (rc == -1 && errno == EINTR);
	return rc;
}

/* The record's file, complete but not yet flushed; -1 with p->status. */
static int
complete(struct queue *q, struct publication *p)
{
	int rc = 1;
	int fd = openat(
	    q->incoming, p->id, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	p->status = OK;
	if (fd == -1) {
		p->status = status_from_errno(errno);
		return -1;
	}
	if (p->content != -1)
		rc = lseek(fd, 0, SEEK_END) == -1
			 ? -1
			 : file_append(fd, p->content, p->length);
	if (rc == 1)
		return fd;
	p->status = rc == 0 ? ERR_INVALID : status_from_errno(errno);
	close(fd);
	return -1;
}

static void
publish_one(struct queue *q, struct publication *p, int fd)
{
	if (flush(fd, fdatasync) == -1)
		p->status = status_from_errno(errno);
	else if (file_move(q->incoming, p->id, q->active, p->id) == -1)
		p->status =
		    errno == EEXIST ? ERR_INVALID : status_from_errno(errno);
}

/*
 * All are written, then the disk is told to begin with all of them, then each
 * is waited for: a journalling file system then needs one or two commits for
 * all instead of one each.
 */
void
queue_publish(struct queue *q, struct publication *p, unsigned n)
{
	int fd[QUEUE_PUBLISH_MAX];
	unsigned moved = 0;
	enum status dir = OK;

	for (unsigned i = 0; i < n; i++)
		fd[i] = complete(q, &p[i]);
	for (unsigned i = 0; i < n && n > 1; i++)
		if (fd[i] != -1)
			sync_file_range(fd[i], 0, 0, SYNC_FILE_RANGE_WRITE);
	for (unsigned i = 0; i < n; i++) {
		if (fd[i] != -1)
			publish_one(q, &p[i], fd[i]);
		moved += p[i].status == OK;
		close_fd(&fd[i]);
		close_fd(&p[i].content);
	}
	if (moved > 0 && flush(q->active, fsync) == -1)
		dir = status_from_errno(errno);
	for (unsigned i = 0; i < n; i++) {
		if (p[i].status != OK)
			unlinkat(q->incoming, p[i].id, 0);
		else if (dir != OK)
			unlinkat(q->active, p[i].id, 0);
		if (p[i].status == OK)
			p[i].status = dir;
	}
}
