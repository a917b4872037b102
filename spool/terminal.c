/*
 * Messages to terminals.
 *
 * Runs in: deliver; the scan and the write in a child that is the user.
 */
#define _GNU_SOURCE
#include "spool/terminal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fds.h"
#include "common/log.h"
#include "common/role.h"
#include "common/service.h"

enum {
	CHILDREN_MAX = 16,
	CHILD_MS = 5000, /* for one of them */
	TTYS_MAX = 32	 /* terminals of one user that are looked at */
};

struct tty {
	char path[64];
	struct timespec used;
};

/* ---- the child ---- */

static bool
is_newer(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec
				      : a->tv_nsec > b->tv_nsec;
}

static void
add_tty(struct tty *list, unsigned *n, const char *path, uid_t uid)
{
	struct stat st;
	unsigned i = *n;

	if (lstat(path, &st) == -1 || !S_ISCHR(st.st_mode) ||
	    st.st_uid != uid || (st.st_mode & S_IWGRP) == 0 || *n == TTYS_MAX)
		return;
	for (; i > 0 && is_newer(&st.st_atim, &list[i - 1].used); i--)
		list[i] = list[i - 1];
	snprintf(list[i].path, sizeof(list[i].path), "%s", path);
	list[i].used = st.st_atim;
	(*n)++;
}

static void
scan(const char *dir, const char *prefix, struct tty *list, unsigned *n,
    uid_t uid)
{
	char path[64];
	struct dirent *e;
	DIR *d = opendir(dir);

	while (d != NULL && (e = readdir(d)) != NULL) {
		size_t skip = strlen(prefix);
		if (strncmp(e->d_name, prefix, skip) != 0 ||
		    e->d_name[skip] < '0' || e->d_name[skip] > '9')
			continue;
		int len = snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (len > 0 && (size_t)len < sizeof(path))
			add_tty(list, n, path, uid);
	}
	if (d != NULL)
		closedir(d);
}

static bool
write_to(const char *path, uid_t uid, struct view text)
{
	struct stat st;
	int fd = open(
	    path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	/* What was looked at by its name may be another by now. */
	bool good = fd != -1 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) &&
		    st.st_uid == uid && (st.st_mode & S_IWGRP) != 0 &&
		    isatty(fd);

	/* Half of it does not count: it will be in the mailbox. */
	if (good && text.n > 0)
		good = write(fd, text.p, text.n) == (ssize_t)text.n;
	close_fd(&fd);
	return good;
}

bool
terminal_write(uid_t uid, struct view text)
{
	struct tty list[TTYS_MAX];
	unsigned n = 0;

	scan("/dev/pts", "", list, &n, uid);
	scan("/dev", "tty", list, &n, uid);
	for (unsigned i = 0; i < n; i++)
		if (write_to(list[i].path, uid, text))
			return true;
	return false;
}

static noreturn void
child(const struct user *u, struct view text, int report, int log_fd)
{
	const int keep[] = { report, log_fd };

	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	fds_keep_only(keep, NELEM(keep));
	proc_title("deliver: terminal of %s", u->name);
	if (geteuid() == 0)
		priv_become(u->uid, u->gid);
	char reached = (char)terminal_write(u->uid, text);
	(void)!write(report, &reached, 1);
	_exit(0);
}

/* ---- its parent ---- */

struct watcher {
	pid_t pid;
	int report;
	struct watch *watch;
	struct timer *timer;
	void (*done)(void *arg, bool reached);
	void *arg;
};
static unsigned children;

static void
finish(struct watcher *w, bool reached)
{
	watch_del(w->watch);
	timer_del(w->timer);
	close_fd(&w->report);
	kill(w->pid, SIGKILL);
	while (waitpid(w->pid, NULL, 0) == -1 && errno == EINTR)
		;
	children--;
	w->done(w->arg, reached);
	free(w);
}

static void
reported(void *arg, uint32_t events)
{
	struct watcher *w = arg;
	char reached = 0;

	(void)events;
	finish(w, read(w->report, &reached, 1) == 1 && reached == 1);
}

static void
too_long(void *arg)
{
	struct watcher *w = arg;

	w->timer = NULL;
	finish(w, false);
}

bool
terminal_start(const struct user *u, struct view text, int log_fd,
    void (*done)(void *arg, bool reached), void *arg)
{
	struct watcher *w = NULL;
	int pair[2] = { -1, -1 };

	if (children >= CHILDREN_MAX || u->uid == 0 ||
	    (geteuid() != 0 && u->uid != geteuid()) ||
	    pipe2(pair, O_CLOEXEC | O_NONBLOCK) == -1)
		return false;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		goto fail;
	log_flush();
	w->pid = fork();
	if (w->pid == 0)
		child(u, text, pair[1], log_fd);
	if (w->pid == -1)
		goto fail;
	close_fd(&pair[1]);
	w->report = pair[0];
	w->done = done;
	w->arg = arg;
	children++;
	w->timer = timer_add(CHILD_MS, too_long, w);
	w->watch = watch_add(w->report, EPOLLIN, reported, w);
	if (w->watch == NULL)
		fatal("watching a terminal's writer: %s", strerror(errno));
	return true;
fail:
	free(w);
	close_fd(&pair[0]);
	close_fd(&pair[1]);
	return false;
}
