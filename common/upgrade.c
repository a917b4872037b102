/*
 * Starting a successor.  Runs in: the master.
 *
 * The listening sockets go as LISTEN_FDS, as systemd would pass them.  The new
 * master is nobody's child but init's (or systemd's, which watches over it).
 */
#define _GNU_SOURCE
#include "common/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/msg.h"
#include "common/role.h"
#include "common/view.h"

#define SUCCESSOR "PENNYPOST_SUCCESSOR"
enum {
	FIRST = 3,
	/* Above whatever has to be moved to FIRST and the next ones. */
	ASIDE = FIRST + ROLE_LISTEN_MAX + 2
};

static char program[PATH_MAX];
static char **arguments;

void
upgrade_init(char **argv)
{
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

	program[n > 0 ? n : 0] = '\0';
	arguments = argv;
}

/* Places fd at to, where it survives exec. */
static bool
place(int fd, int to)
{
	return dup2(fd, to) == to;
}

static bool
set_number(const char *name, long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", value);
	return setenv(name, text, 1) == 0;
}

/* In the new process. */
static noreturn void
become_successor(const int *listen_fd, unsigned n, int state_fd, int ready_fd)
{
	int moved[ROLE_LISTEN_MAX + 2], to = FIRST;
	char text[64];
	sigset_t none;

	for (unsigned i = 0; i < n; i++)
		moved[i] = fcntl(listen_fd[i], F_DUPFD_CLOEXEC, ASIDE);
	moved[n] = fcntl(ready_fd, F_DUPFD_CLOEXEC, ASIDE);
	moved[n + 1] =
	    state_fd == -1 ? -1 : fcntl(state_fd, F_DUPFD_CLOEXEC, ASIDE);
	for (unsigned i = 0; i < n + 1; i++)
		if (moved[i] == -1 || !place(moved[i], to++))
			_exit(126);
	if (moved[n + 1] != -1 && !place(moved[n + 1], to++))
		_exit(126);
	snprintf(text, sizeof(text), "%d %d", FIRST + (int)n,
	    moved[n + 1] == -1 ? -1 : FIRST + (int)n + 1);
	if (setenv(SUCCESSOR, text, 1) == -1 ||
	    !set_number("LISTEN_FDS", (long)n) ||
	    !set_number("LISTEN_PID", (long)getpid()))
		_exit(126);
	unsetenv("WATCHDOG_PID"); /* it was ours */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(program, arguments);
	dprintf(FIRST + (int)n, "%s: %s", program, strerror(errno));
	_exit(127);
}

int
upgrade_start(const int *listen_fd, unsigned n, int state_fd, pid_t *pid,
    char *err, size_t size)
{
	int ready[2] = { -1, -1 }, told[2] = { -1, -1 }, out = -1;
	pid_t between = -1;

	*pid = 0;
	if (pipe2(ready, O_CLOEXEC) == -1 || pipe2(told, O_CLOEXEC) == -1)
		goto out;
	between = fork();
	if (between == 0) {
		pid_t p = fork();
		if (p == 0)
			become_successor(listen_fd, n, state_fd, ready[1]);
		_exit(write(told[1], &p, sizeof(p)) != sizeof(p));
	}
	close_fd(&told[1]);
	if (between == -1 ||
	    read(told[0], pid, sizeof(*pid)) != (ssize_t)sizeof(*pid) ||
	    *pid <= 0)
		goto out;
	out = ready[0];
	ready[0] = -1;
out:
	if (out == -1)
		snprintf(
		    err, size, "starting %s: %s", program, strerror(errno));
	while (between > 0 && waitpid(between, NULL, 0) == -1 && errno == EINTR)
		;
	close_fd(&ready[0]);
	close_fd(&ready[1]);
	close_fd(&told[0]);
	close_fd(&told[1]);
	return out;
}

bool
upgrade_successor(int *ready_fd, int *state_fd)
{
	const char *text = getenv(SUCCESSOR);
	struct view word, rest = view_of(text == NULL ? "" : text);
	unsigned long long ready, state;
	bool good = false;

	*ready_fd = *state_fd = -1;
	word = view_token(&rest);
	if (view_number(word, ASIDE, &ready) && ready >= FIRST &&
	    fcntl((int)ready, F_SETFD, FD_CLOEXEC) != -1) {
		*ready_fd = (int)ready;
		good = true;
		if (view_number(rest, ASIDE, &state) && state > ready &&
		    fcntl((int)state, F_SETFD, FD_CLOEXEC) != -1)
			*state_fd = (int)state;
	}
	unsetenv(SUCCESSOR);
	return good;
}
