/* Records on their way into the queue.  Runs in: queue and its publishers. */
#define _GNU_SOURCE /* O_TMPFILE, renameat2, copy_file_range */
#include "spool/queue_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/file.h"
#include "common/msg.h"
#include "spool/queue.h"

enum { PIECE = 65536 };

static enum status
copy_by_hand(int fd, uint64_t at, int from, uint64_t done, uint64_t n)
{
	static char piece[PIECE];
	enum status st = OK;

	while (st == OK && n > 0) {
		size_t k = n < sizeof(piece) ? (size_t)n : sizeof(piece);
		st = file_read_at(from, piece, k, done);
		if (st == OK)
			st = file_write_at(fd, piece, k, at);
		at += k;
		done += k;
		n -= k;
	}
	return st == ERR_CHANGED ? ERR_INVALID : st;
}

enum status
file_copy(int fd, uint64_t at, int from, uint64_t start, uint64_t n)
{
	off_t in = (off_t)start, out = (off_t)at;

	while (n > 0) {
		ssize_t k = copy_file_range(
		    from, &in, fd, &out, n < 1 << 30 ? (size_t)n : 1 << 30, 0);
		if (k == -1 && errno == EINTR)
			continue;
		/* The file systems that cannot say so in many ways, and
		 * some of them by 0; the disk's own errors come again. */
		if (k <= 0)
			return copy_by_hand(
			    fd, (uint64_t)out, from, (uint64_t)in, n);
		n -= (uint64_t)k;
	}
	return OK;
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

enum status
queue_space(struct queue *q, uint64_t size, uint64_t keep)
{
	struct statfs s;

	if (fstatfs(q->incoming, &s) == -1)
		return status_from_errno(errno);
	uint64_t block = (uint64_t)s.f_bsize, free = (uint64_t)s.f_bavail;
	/* In blocks, as octets could overflow.  There are file systems that do
	 * not know. */
	if (s.f_blocks > 0 && block > 0 && size / block + keep / block >= free)
		return ERR_NOSPACE;
	return OK;
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

/* Opens the record, and appends its content if that lies elsewhere; -1 with
 * p->status.  It is not flushed yet. */
static int
complete(struct queue *q, struct publication *p)
{
	int fd = openat(
	    q->incoming, p->id, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat s;

	p->status = OK;
	if (fd == -1 || (p->content != -1 && fstat(fd, &s) == -1))
		p->status = status_from_errno(errno);
	else if (p->content != -1)
		p->status = file_copy(
		    fd, (uint64_t)s.st_size, p->content, p->offset, p->length);
	if (p->status != OK)
		close_fd(&fd);
	return fd;
}

static void
publish_one(struct queue *q, struct publication *p, int fd)
{
	p->status = file_flush(fd);
	if (p->status == OK &&
	    file_move(q->incoming, p->id, q->active, p->id) == -1)
		p->status =
		    errno == EEXIST ? ERR_INVALID : status_from_errno(errno);
}

/* The names in it. */
static enum status
flush_directory(int dir)
{
	int rc;

	do
		rc = fsync(dir);
	while (rc == -1 && errno == EINTR);
	return rc == -1 ? status_from_errno(errno) : OK;
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
	if (moved > 0)
		dir = flush_directory(q->active);
	for (unsigned i = 0; i < n; i++) {
		if (p[i].status != OK)
			unlinkat(q->incoming, p[i].id, 0);
		else if (dir != OK)
			unlinkat(q->active, p[i].id, 0);
		if (p[i].status == OK)
			p[i].status = dir;
	}
}
