/*
 * Files with hashes or secrets in them, and files of aliases.  Runs in: auth,
 * lookup, expand, deliver, maildrop.
 */
#define _GNU_SOURCE
#include "common/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SETTLED = 2 }; /* s: the coarsest clock of a file system (FAT, NFSv2) */

bool
private_file_error(char **err, const char *path, const char *fmt, ...)
{
	char *what = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&what, fmt, ap);
	va_end(ap);
	if (n == -1 || asprintf(err, "%s%s", path, what) == -1)
		*err = NULL;
	if (n != -1)
		free(what);
	return false;
}

struct want {
	const char *keyword;
	size_t max;
	bool secret, any_owner;
};

/* Whoever can write this file is everybody; whoever can read a secret one may
 * guess. */
static bool
owner_check(
    const char *path, const struct want *w, const struct stat *st, char **err)
{
	mode_t bad = S_IWGRP | (w->secret ? S_IRWXO : S_IWOTH);

	if (!S_ISREG(st->st_mode))
		return private_file_error(err, path, ": not a regular file");
	if (st->st_uid != 0 && st->st_uid != geteuid() && !w->any_owner)
		return private_file_error(err, path,
		    ": belongs to uid %u: the %s file must be %s: "
		    "chown %u '%s'",
		    (unsigned)st->st_uid, w->keyword,
		    geteuid() == 0 || !w->secret ? "root's" : "yours",
		    w->secret ? (unsigned)geteuid() : 0u, path);
	if (st->st_mode & bad)
		return private_file_error(err, path,
		    ": mode %04o: others can %s the %s file: "
		    "chmod %s '%s'",
		    (unsigned)st->st_mode & 07777,
		    st->st_mode & (S_IWGRP | S_IWOTH) ? "change" : "read",
		    w->keyword, w->secret ? "0640" : "go-w", path);
	if (st->st_size > (off_t)w->max)
		return private_file_error(
		    err, path, ": larger than %zu MiB", w->max >> 20);
	return true;
}

static bool
same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool
slurp(const char *path, int fd, struct private_file *f, char **err)
{
	struct stat after;
	size_t want = (size_t)f->st.st_size;

	f->text = calloc(1, want + 1);
	if (f->text == NULL)
		return private_file_error(err, path, ": out of memory");
	while (f->size < want) {
		ssize_t n = read(fd, f->text + f->size, want - f->size);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return private_file_error(
			    err, path, ": %s", strerror(errno));
		if (n == 0)
			break;
		f->size += (size_t)n;
	}
	if (f->size < want || fstat(fd, &after) == -1 ||
	    after.st_size != f->st.st_size ||
	    !same_time(after.st_mtim, f->st.st_mtim))
		return private_file_error(
		    err, path, ": changed while it was read");
	return true;
}

static bool
file_read(const char *path, const struct want *w, struct private_file *out,
    char **err)
{
	bool good = false;

	*err = NULL;
	memset(out, 0, sizeof(*out));
	/* O_NONBLOCK: a FIFO must not stop us; owner_check refuses it. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1 || fstat(fd, &out->st) == -1)
		private_file_error(err, path, ": cannot be read: %s%s%s%s",
		    strerror(errno),
		    errno == ENOENT ? "; create it, or take '" : "",
		    errno == ENOENT ? w->keyword : "",
		    errno == ENOENT ? "' out of the configuration" : "");
	else
		good = owner_check(path, w, &out->st, err) &&
		       slurp(path, fd, out, err);
	if (fd != -1)
		close(fd);
	return good;
}

bool
private_file_read(const char *path, const char *keyword, size_t max,
    struct private_file *out, char **err)
{
	return file_read(
	    path, &(struct want){ keyword, max, true, false }, out, err);
}

bool
admin_file_read(const char *path, const char *keyword, size_t max,
    bool any_owner, struct private_file *out, char **err)
{
	return file_read(
	    path, &(struct want){ keyword, max, false, any_owner }, out, err);
}

void
private_file_wipe(struct private_file *f)
{
	if (f->text != NULL)
		explicit_bzero(f->text, f->size);
	free(f->text);
	f->text = NULL;
	f->size = 0;
}

/* ---- changes ---- */

/* Two writes within one tick of the file's clock leave no trace, so what was
 * read right after a change is read once more a little later. */
static bool
settled(const struct stat *st)
{
	return st->st_ctim.tv_sec + SETTLED < time(NULL);
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size && same_time(a->st_mtim, b->st_mtim) &&
	       same_time(a->st_ctim, b->st_ctim);
}

void
private_watch_set(struct private_watch *w, const struct stat *read)
{
	w->seen = *read;
	w->settled = settled(read);
}

bool
private_watch_due(struct private_watch *w, const char *path, bool *changed)
{
	struct stat now;

	if (stat(path, &now) == -1)
		memset(&now, 0, sizeof(now));
	*changed = !same_file(&now, &w->seen);
	if (!*changed && (w->settled || !settled(&now)))
		return false;
	private_watch_set(w, &now);
	return true;
}
