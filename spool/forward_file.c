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

enum { FORWARD_WHY_MAX = TARGET_TEXT_MAX + 200 };

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

	/* Nothing acts as root, or in root's group. */
	if (u->uid == 0 || u->gid == 0 || !forward_path(u, path, sizeof(path)))
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
	snprintf(why, size, "%s %s", path, bad);
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

/* What is made of a file and its lists. */
struct parse {
	forward_include *include;
	void *arg;
	struct alias_target *target;
	unsigned max, *n;
	size_t octets;
	char *why;
	size_t why_size;
};

static enum status
mistake(const struct parse *p, const char *name, struct view text,
    struct view left, const char *wrong)
{
	snprintf(p->why, p->why_size, "%s:%u: %s", name,
	    line_of(text, left.n > 0 ? left.p : text.p + text.n), wrong);
	return ERR_GONE;
}

static enum status
parse(struct parse *p, struct view text, const char *name, unsigned allowed)
{
	struct view left = text, list;
	const char *wrong;
	struct alias_target t;
	enum status st = OK;
	int rc;

	while (
	    st == OK && (rc = target_next(&left, allowed, &t, &wrong)) != 0) {
		if (rc == -1)
			return mistake(p, name, text, left, wrong);
		if (t.kind == TARGET_INCLUDE) {
			st = p->include(
			    p->arg, t.text, &list, p->why, p->why_size);
			if (st == OK)
				st = parse(p, list, t.text, TARGETS_LIST);
			continue;
		}
		p->octets += strlen(t.text);
		if (*p->n == p->max || p->octets > FORWARD_SIZE_MAX)
			return mistake(p, name, text, left, "too many targets");
		p->target[(*p->n)++] = t;
	}
	return st;
}

enum status
forward_parse(struct view text, const char *name, forward_include *include,
    void *arg, struct alias_target *target, unsigned max, unsigned *n,
    char *why, size_t size)
{
	struct parse p = { .include = include,
		.arg = arg,
		.target = target,
		.max = max,
		.n = n,
		.why = why,
		.why_size = size };

	*n = 0;
	enum status st =
	    parse(&p, text, name, TARGETS_FORWARD | 1 << TARGET_INCLUDE);
	if (st == OK && *n == 0)
		st = ERR_GONE;
	if (st != OK)
		*n = 0;
	return st;
}

/* ---- files ---- */

/* A file of this user, whole.  ERR_GONE: as forward_read has it. */
static enum status
slurp(const struct user *u, const char *path, char *text, struct view *out,
    char *why, size_t size)
{
	size_t octets = 0;
	int fd = -1;
	enum status st = open_checked(path, u, &fd, &octets, why, size);

	if (st == OK)
		st = file_read_at(fd, text, octets, 0);
	close_fd(&fd);
	*out = (struct view){ text, st == OK ? octets : 0 };
	return st;
}

static enum status
read_list(
    void *arg, const char *path, struct view *text, char *why, size_t size)
{
	static char octets[FORWARD_SIZE_MAX];
	enum status st = slurp(arg, path, octets, text, why, size);

	if (st == ERR_GONE && why[0] == '\0')
		snprintf(why, size, "%s: there is no such list", path);
	return st;
}

enum status
forward_read(const struct user *u, struct alias_target *target, unsigned max,
    unsigned *n, char *why, size_t size)
{
	static char octets[FORWARD_SIZE_MAX];
	char path[USER_HOME_MAX + 16], wrong[FORWARD_WHY_MAX] = "";
	struct user self = *u;
	struct view text;

	*n = 0;
	why[0] = '\0';
	if (!forward_path(u, path, sizeof(path)))
		return ERR_GONE;
	enum status st = slurp(u, path, octets, &text, wrong, sizeof(wrong));
	if (st == OK)
		st = forward_parse(text, path, read_list, &self, target, max, n,
		    wrong, sizeof(wrong));
	/* A list does not say itself who includes it. */
	if (st == ERR_GONE && strncmp(wrong, path, strlen(path)) == 0)
		snprintf(why, size, "%s; the file is ignored", wrong);
	else if (st == ERR_GONE && wrong[0] != '\0')
		snprintf(why, size, "%s is ignored: %s", path, wrong);
	return st;
}
