/*
 * What the master does once, at its start or its end.  Runs in: master.
 */
#define _GNU_SOURCE
#include "common/master_start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/sandbox.h"

void
write_pid(const char *path)
{
	char text[32];

	if (path[0] == '\0')
		return;
	int fd = open(
	    path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (fd == -1 || write(fd, text, (size_t)n) != n)
		log_error("pid_file %s: %s", path, strerror(errno));
	close_fd(&fd);
}

void
leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null != -1 && fd < 3; fd++)
		dup2(null, fd);
	close_fd(&null);
}

void
say_missing_walls(void)
{
	bool root = geteuid() == 0;

	if (root && !sandbox_landlock_missing() && !sandbox_compiled_out())
		return;
	log_warn("warning: walls that are missing here:%s%s%s",
	    root ? "" : " uids of their own and chroot (not started as root);",
	    sandbox_landlock_missing() ? " Landlock (this kernel has none);"
				       : "",
	    sandbox_compiled_out() ? " seccomp (built with a sanitizer);" : "");
}

int
open_signals(void)
{
	static const int handled[] = { SIGCHLD, SIGHUP, SIGINT, SIGTERM,
		SIGUSR2 };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(handled) / sizeof(*handled); i++)
		sigaddset(&set, handled[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void
raise_file_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}
