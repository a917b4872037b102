/* Unix sockets to listen on.  Runs in: the master. */
#define _GNU_SOURCE
#include "common/listen_unix.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/listen.h"
#include "common/msg.h"

/* Nobody but root and ourselves can change what stands in that directory, or,
 * for the ones above it (last false), put another in its place. */
static bool
is_ours(const char *dir, bool last, char *why, size_t size)
{
	struct stat st;

	if (lstat(dir, &st) == -1) {
		snprintf(why, size, "%s: %s", dir, strerror(errno));
		return false;
	}
	bool writable = (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
			(last || (st.st_mode & S_ISVTX) == 0);
	if (S_ISDIR(st.st_mode) && !writable &&
	    (st.st_uid == 0 || st.st_uid == geteuid()))
		return true;
	snprintf(why, size,
	    "%s: the directory must belong to root and be writable for nobody "
	    "else",
	    dir);
	return false;
}

/* The path without links, whose every directory was looked at. */
static bool
safe_path(const char *path, struct sockaddr_un *out, char *why, size_t size)
{
	char dir[LISTEN_ADDRESS_MAX], real[PATH_MAX];
	const char *slash = strrchr(path, '/');

	view_copy(
	    (struct view){ path, slash == path ? 1 : (size_t)(slash - path) },
	    dir, sizeof(dir));
	if (realpath(dir, real) == NULL) {
		snprintf(why, size, "%s: %s", dir, strerror(errno));
		return false;
	}
	int n = snprintf(out->sun_path, sizeof(out->sun_path), "%s%s",
	    strcmp(real, "/") == 0 ? "" : real, slash);
	if (n < 0 || (size_t)n >= sizeof(out->sun_path)) {
		snprintf(why, size, "the name of the socket is too long");
		return false;
	}
	for (bool last = true;; last = false) {
		if (!is_ours(real, last, why, size))
			return false;
		char *up = strrchr(real, '/');
		if (up == real && up[1] == '\0')
			return true;
		up[up == real ? 1 : 0] = '\0';
	}
}

/* What is there may be the socket of a server that has gone. */
static bool
remove_stale(const struct sockaddr_un *a, char *why, size_t size)
{
	struct stat st;

	if (lstat(a->sun_path, &st) == -1) {
		if (errno == ENOENT)
			return true;
		snprintf(why, size, "%s", strerror(errno));
		return false;
	}
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(why, size,
		    "there is a file of that name, and it is "
		    "no socket");
		return false;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc =
	    fd == -1 ? -1 : connect(fd, (const struct sockaddr *)a, sizeof(*a));
	bool gone = rc == -1 && fd != -1 && errno == ECONNREFUSED;
	close_fd(&fd);
	if (!gone) {
		snprintf(why, size, "another program listens there");
		return false;
	}
	if (unlink(a->sun_path) == -1 && errno != ENOENT) {
		snprintf(why, size, "%s", strerror(errno));
		return false;
	}
	return true;
}

int
listen_unix(const struct listener *l, char *why, size_t size)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd;

	if (!safe_path(l->address, &a, why, size) ||
	    !remove_stale(&a, why, size))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t old = umask(0177);
	int rc = fd == -1 ? -1 : bind(fd, (struct sockaddr *)&a, sizeof(a));
	umask(old);
	/* Nobody connects before it has its permissions. */
	if (rc == -1 || listen(fd, LISTEN_BACKLOG) == -1 ||
	    chmod(a.sun_path, l->mode) == -1) {
		snprintf(why, size, "%s", strerror(errno));
		close_fd(&fd);
	}
	return fd;
}

bool
listen_unix_is(int fd, const char *path)
{
	struct sockaddr_un a = { 0 };
	socklen_t n = sizeof(a);

	return getsockname(fd, (struct sockaddr *)&a, &n) == 0 &&
	       a.sun_family == AF_UNIX && n > sizeof(sa_family_t) &&
	       strncmp(a.sun_path, path, sizeof(a.sun_path)) == 0;
}
