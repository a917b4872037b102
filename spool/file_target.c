/* A message at the end of a file.  Runs in: a child of deliver's runner, as the
 * user. */
#define _GNU_SOURCE
#include "spool/file_target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "spool/append.h"
#include "spool/lock.h"

struct place {
	char dir[TARGET_TEXT_MAX + 1];
	const char *name;
	int dirfd, fd;
};

static enum run_outcome
say(enum run_outcome o, const char *dsn, const char *why, char *code,
    char *text)
{
	snprintf(code, RUN_CODE_MAX, "%s", dsn);
	snprintf(text, DELIVER_TEXT_MAX, "%s", why);
	return o;
}

static enum run_outcome
by_status(enum status st, const char *what, char *code, char *text)
{
	char why[DELIVER_TEXT_MAX];

	snprintf(why, sizeof(why), "%s: %s", what, status_text(st));
	switch (st) {
	case OK:
		return say(RUN_DONE, "2.0.0", "delivered to file", code, text);
	case ERR_QUOTA:
		return say(RUN_LATER, "4.2.2", why, code, text);
	case ERR_NOSPACE:
		return say(RUN_LATER, "4.3.1", why, code, text);
	case ERR_PERM:
	case ERR_UNSAFE:
	case ERR_GONE:
	case ERR_INVALID:
		return say(RUN_FAILED, "5.2.0", why, code, text);
	default:
		return say(RUN_LATER, "4.2.0", why, code, text);
	}
}

/* Splits the path, and opens its directory. */
static enum status
open_dir(const char *path, struct place *p)
{
	size_t n = strlen(path);

	if (path[0] != '/' || n >= sizeof(p->dir))
		return ERR_INVALID;
	memcpy(p->dir, path, n + 1);
	char *slash = strrchr(p->dir, '/');
	p->name = path + (slash - p->dir) + 1;
	if (slash == p->dir)
		slash++;
	*slash = '\0';
	if (p->name[0] == '\0' || strcmp(p->name, ".") == 0 ||
	    strcmp(p->name, "..") == 0)
		return ERR_UNSAFE;
	p->dirfd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->dirfd == -1) /* one that may be passed through, not read */
		p->dirfd = open(p->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return p->dirfd == -1 ? status_from_errno(errno) : OK;
}

static enum status
open_file(struct place *p)
{
	struct stat st;

	p->fd = openat(p->dirfd, p->name,
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
	    0600);
	if (p->fd == -1 || fstat(p->fd, &st) == -1)
		return status_from_errno(errno);
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1 ||
	    (st.st_mode & (S_ISUID | S_ISGID | S_IXUSR | S_IXGRP | S_IXOTH)))
		return ERR_UNSAFE;
	return OK;
}

static enum status
append(const struct order *o, struct place *p)
{
	const struct append_msg m = { .sender = o->run.sender,
		.original_to = o->run.original,
		.delivered_to = o->delivered_to,
		.file = o->run.file,
		.offset = o->run.offset,
		.length = o->run.length };
	enum status st = append_fields_ok(&m) ? OK : ERR_INVALID;

	if (st == OK)
		st = open_dir(o->run.text, p);
	if (st == OK)
		st = open_file(p);
	const struct lock_both locks = { .fd = p->fd,
		.dirfd = p->dirfd,
		.name = p->name,
		.dotlock = o->dotlock ? dotlock_here : NULL,
		.lock_wait = o->lock_wait,
		.turnstile = -1 };
	if (st == OK && (st = lock_take_both(&locks)) == OK) {
		st = append_batch(p->fd, &m, 1, o->mboxrd, time(NULL));
		if (st == OK && fsync(p->dirfd) == -1 && errno != EBADF &&
		    errno != EINVAL)
			st = status_from_errno(errno); /* the name may be new */
		lock_release_both(&locks);
	}
	close_fd(&p->fd);
	close_fd(&p->dirfd);
	return st;
}

enum run_outcome
file_target(const struct order *o, char *code, char *text)
{
	struct place p = { .dirfd = -1, .fd = -1 };

	if (strcmp(o->run.text, "/dev/null") == 0)
		return say(RUN_DONE, "2.0.0", "delivered to file", code, text);
	enum status st = append(o, &p);
	return by_status(st, o->run.text, code, text);
}
