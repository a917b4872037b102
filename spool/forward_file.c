/* A user's ~/.forward.  Runs in: deliver (is there one?), and the processes
 * that it has made the user. */
#define _GNU_SOURCE
#include "spool/forward_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/msg.h"
#include "spool/ask_forward.h"
#include "spool/mailbox.h"

bool
forward_path(const struct user *u, char *out, size_t size)
{
	int n = snprintf(out, size, "%s/" FORWARD_NAME, u->home);

	return u->home[0] == '/' && n > 0 && (size_t)n < size;
}

/* Of a home directory that is not there, or is closed to its owner, nothing is
 * known that could be used; any other trouble may pass. */
static enum status
none_or_later(int e)
{
	switch (e) {
	case ENOENT:
	case ENOTDIR:
	case EACCES:
	case ELOOP:
	case ENAMETOOLONG:
		return ERR_GONE;
	default:
		return status_from_errno(e);
	}
}

enum status
forward_there(const struct user *u)
{
	char path[USER_HOME_MAX + 16];
	struct stat st;

	if (u->uid == 0 || !forward_path(u, path, sizeof(path)))
		return ERR_GONE;
	fs_become(u->uid, u->gid);
	int rc = fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW);
	int e = errno;
	fs_become_self();
	return rc == 0 ? OK : none_or_later(e);
}

/* Why a file must not be used, or NULL. */
static const char *
unsafe(const struct stat *st, const struct user *u)
{
	if (!S_ISREG(st->st_mode))
		return "is not a regular file";
	if (st->st_uid != u->uid && st->st_uid != 0)
		return "belongs to somebody else";
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return "is writable for others (chmod go-w)";
	if (st->st_nlink != 1)
		return "has more than one name";
	if (st->st_size > FORWARD_SIZE_MAX)
		return "is too large";
	return NULL;
}

/* Without waiting for anybody: a FIFO or a device is opened, looked at, and
 * closed. */
static enum status
open_checked(const char *path, const struct user *u, int *fd, size_t *octets,
    char *why, size_t size)
{
	struct stat st;
	const char *bad = NULL;

	*fd = open(
	    path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (*fd == -1 && errno == ELOOP)
		bad = "is a symbolic link";
	else if (*fd == -1 && (errno == ENXIO || errno == EACCES))
		bad = "cannot be opened";
	else if (*fd == -1 || fstat(*fd, &st) == -1)
		return none_or_later(errno);
	else
		bad = unsafe(&st, u);
	if (bad == NULL) {
		*octets = (size_t)st.st_size;
		return OK;
	}
	snprintf(why, size, "%s %s; it is ignored", path, bad);
	close_fd(fd);
	return ERR_GONE;
}

static unsigned
line_of(struct view text, const char *at)
{
	unsigned line = 1;

	for (const char *p = text.p; p < at; p++)
		line += *p == '\n';
	return line;
}

enum status
forward_parse(struct view text, const char *name, struct alias_target *target,
    unsigned max, unsigned *n, char *why, size_t size)
{
	struct view left = text;
	const char *wrong = "too many targets";
	size_t octets = 0;
	int rc;

	*n = 0;
	do {
		struct alias_target t;
		rc = target_next(&left, TARGETS_FORWARD, &t, &wrong);
		if (rc != 1)
			break;
		octets += strlen(t.text);
		if (*n == max || octets > FORWARD_SIZE_MAX) {
			wrong = "too many targets";
			rc = -1;
			break;
		}
		target[(*n)++] = t;
	} while (true);
	if (rc == 0)
		return *n > 0 ? OK : ERR_GONE;
	*n = 0;
	snprintf(why, size, "%s:%u: %s; the file is ignored", name,
	    line_of(text, left.n > 0 ? left.p : text.p + text.n), wrong);
	return ERR_GONE;
}

enum status
forward_read(const struct user *u, struct alias_target *target, unsigned max,
    unsigned *n, char *why, size_t size)
{
	static char text[FORWARD_SIZE_MAX];
	char path[USER_HOME_MAX + 16];
	size_t octets = 0;
	int fd = -1;

	*n = 0;
	why[0] = '\0';
	if (!forward_path(u, path, sizeof(path)))
		return ERR_GONE;
	enum status st = open_checked(path, u, &fd, &octets, why, size);
	if (st == OK && octets == 0)
		st = ERR_GONE;
	else if (st == OK)
		st = file_read_at(fd, text, octets, 0);
	close_fd(&fd);
	if (st != OK)
		return st;
	return forward_parse(
	    (struct view){ text, octets }, path, target, max, n, why, size);
}
