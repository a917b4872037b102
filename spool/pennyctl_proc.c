/* What the workers' processes show of themselves.  Runs in: pennyctl. */
#define _GNU_SOURCE
#include "spool/pennyctl_proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TITLE_MAX = 512, STAT_MAX = 1024 };

void
ctl_word(struct view v, char out[CTL_WORD])
{
	size_t n = v.n < CTL_WORD - 1 ? v.n : CTL_WORD - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = v.p[i] >= ' ' && v.p[i] < 0x7f ? v.p[i] : '?';
	out[n] = '\0';
}

struct ctl_session *
ctl_session_add(struct ctl_daemon *d)
{
	if (d->n == d->cap) {
		size_t cap = d->cap == 0 ? 64 : 2 * d->cap;
		struct ctl_session *more =
		    realloc(d->sessions, cap * sizeof(*more));
		if (more == NULL)
			return NULL;
		d->sessions = more;
		d->cap = cap;
	}
	struct ctl_session *s = &d->sessions[d->n++];
	memset(s, 0, sizeof(*s));
	return s;
}

/* The beginning of a file of that process. */
static struct view
proc_file(pid_t pid, const char *name, char *out, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, out, size);
	if (fd != -1)
		close(fd);
	return (struct view){ out, n > 0 ? (size_t)n : 0 };
}

/* 0: it has ended. */
static pid_t
parent(pid_t pid)
{
	char text[STAT_MAX];
	unsigned long long n;
	struct view v = proc_file(pid, "stat", text, sizeof(text));
	const char *end = memrchr(text, ')', v.n);

	if (end == NULL)
		return 0;
	v = (struct view){ end + 1, v.n - (size_t)(end + 1 - text) };
	view_token(&v); /* its state */
	return view_number(view_token(&v), INT32_MAX, &n) ? (pid_t)n : 0;
}

/* "smtpd: worker CLIENT STATE [USER]", as the process has it; false: it does
 * not serve anybody. */
static bool
title(const struct ctl_daemon *d, pid_t pid, struct ctl_session *s)
{
	char text[TITLE_MAX];
	struct view v = proc_file(pid, "cmdline", text, sizeof(text));
	const char *nul = memchr(text, '\0', v.n);

	if (nul != NULL)
		v.n = (size_t)(nul - text);
	struct view name = view_token(&v), role = view_token(&v);
	if (name.n == 0 || name.p[name.n - 1] != ':' ||
	    !view_eqs((struct view){ name.p, name.n - 1 }, d->name) ||
	    !view_eqs(role, "worker"))
		return false;
	struct view client = view_token(&v), state = view_token(&v);
	if (state.n == 0) /* "idle" */
		return false;
	if (s->client[0] == '\0')
		ctl_word(client, s->client);
	ctl_word(state, s->state);
	ctl_word(view_token(&v), s->user);
	return true;
}

/* Is it a worker of a pool of the same master, but not of the one that
 * answers? */
static bool
is_former(const struct ctl_daemon *d, pid_t pid)
{
	pid_t pool = parent(pid);

	return pool != 0 && pool != d->pool && parent(pool) == d->master;
}

void
ctl_proc_look(struct ctl_daemon *d)
{
	struct ctl_session found;
	unsigned long long pid;
	struct dirent *e;

	for (size_t i = 0; i < d->n; i++)
		title(d, d->sessions[i].pid, &d->sessions[i]);
	DIR *dir = opendir("/proc");
	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (!view_number(view_of(e->d_name), INT32_MAX, &pid))
			continue;
		found =
		    (struct ctl_session){ .pid = (pid_t)pid, .former = true };
		if (!title(d, found.pid, &found) || !is_former(d, found.pid))
			continue;
		struct ctl_session *s = ctl_session_add(d);
		if (s == NULL)
			break;
		*s = found;
	}
	if (dir != NULL)
		closedir(dir);
}

bool
ctl_proc_kill(
    const struct ctl_daemon *d, const struct ctl_session *s, const char **why)
{
	if (!is_former(d, s->pid)) {
		*why = "it has ended";
		return false;
	}
	if (kill(s->pid, SIGKILL) == 0)
		return true;
	*why = strerror(errno);
	return false;
}
