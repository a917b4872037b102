/* A private file of lines, replaced whole.  Runs in: pennyctl. */
#define _GNU_SOURCE
#include "spool/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/msg.h"
#include "common/passdb_file.h"
#include "common/private_file.h"

enum { GROWTH = 1 << 16, TRIES = 100 };

/* Opens the file and takes its lock; it may have been replaced meanwhile. */
static int
open_locked(const char *path)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat held, there;

	for (int i = 0; i < TRIES; i++) {
		int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (fd == -1)
			return -1;
		if (fcntl(fd, F_OFD_SETLKW, &l) == -1 ||
		    fstat(fd, &held) == -1 || stat(path, &there) == -1) {
			int e = errno;
			close(fd);
			errno = e;
			return -1;
		}
		if (held.st_dev == there.st_dev && held.st_ino == there.st_ino)
			return fd;
		close(fd);
	}
	errno = EBUSY;
	return -1;
}

static bool
make_text(const struct private_file *f, const struct replace *r, void *arg,
    struct buf *out)
{
	struct view rest = { f->text, f->size };

	while (rest.n > 0) {
		const char *lf = memchr(rest.p, '\n', rest.n);
		size_t n = lf == NULL ? rest.n : (size_t)(lf - rest.p) + 1;
		if (!r->line(arg, (struct view){ rest.p, n }, out))
			return false;
		rest = (struct view){ rest.p + n, rest.n - n };
	}
	/* What comes behind is not to be glued to a line without an end. */
	if (out->n > 0 && out->p[out->n - 1] != '\n')
		buf_addc(out, '\n');
	return r->end(arg, out) && !out->bad;
}

static enum status
write_new(const char *name, const struct buf *b, const struct stat *old)
{
	enum status st = OK;

	if (unlink(name) == -1 && errno != ENOENT)
		return status_from_errno(errno);
	int fd = open(
	    name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return status_from_errno(errno);
	if (fchown(fd, old->st_uid, old->st_gid) == -1 ||
	    fchmod(fd, old->st_mode & 07777) == -1)
		st = status_from_errno(errno);
	if (st == OK)
		st = file_write_at(fd, b->p, b->n, 0);
	if (st == OK)
		st = file_flush(fd);
	close(fd);
	return st;
}

static enum status
put_in_place(const char *name, const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');

	view_copy(
	    (struct view){ path, slash == path ? 1 : (size_t)(slash - path) },
	    dir, sizeof(dir));
	if (rename(name, path) == -1)
		return status_from_errno(errno);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum status st =
	    fd == -1 || fsync(fd) == -1 ? status_from_errno(errno) : OK;
	close_fd(&fd);
	return st;
}

bool
replace_file(const char *given, const struct replace *r, void *arg)
{
	char path[PATH_MAX], name[PATH_MAX + 16], *err = NULL;
	struct private_file f = { .text = NULL };
	enum status st = OK;
	struct buf out;
	bool done = false;
	int lock = -1;

	buf_init(&out, PASSDB_FILE_MAX + GROWTH);
	/* Where a link leads to, there the file is. */
	if (realpath(given, path) == NULL || (lock = open_locked(path)) == -1) {
		fprintf(stderr, "pennyctl: %s: %s\n", given, strerror(errno));
		goto out;
	}
	snprintf(name, sizeof(name), "%s.pennyctl-new", path);
	if (!private_file_read(path, r->keyword, PASSDB_FILE_MAX, &f, &err)) {
		fprintf(stderr, "pennyctl: %s\n", err == NULL ? path : err);
		goto out;
	}
	if (!make_text(&f, r, arg, &out)) /* has said why */
		goto out;
	st = write_new(name, &out, &f.st);
	if (st == OK && !r->check(arg, name, &err)) {
		fprintf(stderr, "pennyctl: %s\n",
		    err == NULL ? "out of memory" : err);
		unlink(name);
		goto out;
	}
	if (st == OK)
		st = put_in_place(name, path);
	if (st == OK) {
		done = true;
		goto out;
	}
	unlink(name);
	fprintf(stderr, "pennyctl: %s: %s\n", path, status_text(st));
out:
	free(err);
	buf_wipe(&out);
	private_file_wipe(&f);
	close_fd(&lock);
	return done;
}
