/*
 * pennyctl check: both configurations, the queue and all mailboxes of the
 * users file, in one.  Runs in: pennyctl.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/paths.h"
#include "spool/control_client.h"
#include "spool/pennyctl.h"

int
ctl_wait(pid_t pid)
{
	int status = 0;

	if (pid == -1)
		return -1;
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Where pennyctl is, there are the daemons. */
static bool
beside(const char *name, char *out, size_t size)
{
	const char *dir = getenv("PENNYPOST_PROGRAMS");
	char own[PATH_MAX];
	int n;

	if (dir == NULL || dir[0] == '\0') {
		ssize_t len = readlink("/proc/self/exe", own, sizeof(own) - 1);
		if (len <= 0)
			return false;
		own[len] = '\0';
		*strrchr(own, '/') = '\0';
		dir = own;
	}
	n = snprintf(out, size, "%s/%s", dir, name);
	return n > 0 && (size_t)n < size;
}

/* smtpd -t, pop3d -t: what they find they say themselves. */
static int
config(const char *name, const char *file)
{
	char path[PATH_MAX], program[16], check[] = "-t", with[] = "-f";
	char *conf = strdup(file);
	char *argv[] = { program, check, with, conf, NULL };
	int rc = CTL_FAILED;

	snprintf(program, sizeof(program), "%s", name);
	if (conf != NULL && beside(name, path, sizeof(path))) {
		fflush(stdout);
		pid_t pid = fork();
		if (pid == 0) {
			execv(path, argv);
			fprintf(stderr, "pennyctl: %s: %s\n", path,
			    strerror(errno));
			_exit(CTL_FAILED);
		}
		rc = ctl_wait(pid);
		printf("%s: %s: %s\n", name, file,
		    rc == 0 ? "no fault" : "see above");
	}
	free(conf);
	return rc == 0 ? CTL_FINE : CTL_FOUND;
}

static bool
count(void *arg, const struct view *word, unsigned n)
{
	(void)n;
	*(uint64_t *)arg += view_eqs(word[0], "M");
	return true;
}

static bool
content(void *arg, struct view v)
{
	(void)arg;
	(void)v;
	return false;
}

/* Every record is read, by the server or, where none runs, here.  In a process
 * of its own, as it becomes the queue's user then. */
static int
queue(const char *file)
{
	const struct control_from from = { .program = "pennyctl",
		.config = file };
	uint64_t n = 0;
	const struct control_reader r = { count, content, &n };

	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		int rc = control_ask(&from, "list", &r);
		if (rc == 0)
			printf("queue: %" PRIu64 " messages, no fault\n", n);
		fflush(stdout);
		_exit(rc == 0 ? CTL_FINE : CTL_FOUND);
	}
	return ctl_wait(pid) == CTL_FINE ? CTL_FINE : CTL_FOUND;
}

int
ctl_check(const char *smtpd, int argc, char **argv)
{
	const char *pop3d = PENNYPOST_CONFIG_DIR "/pop3d.conf";
	static const struct option options[] = {
		{ "pop3d", required_argument, NULL, 'p' }, { NULL, 0, NULL, 0 }
	};
	int opt, rc, worst = CTL_FINE;

	if (smtpd == NULL)
		smtpd = PENNYPOST_CONFIG_DIR "/smtpd.conf";
	optind = 0;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt != 'p')
			return -1;
		pop3d = optarg;
	}
	if (optind != argc)
		return -1;
	rc = config("smtpd", smtpd);
	worst = rc > worst ? rc : worst;
	rc = config("pop3d", pop3d);
	worst = rc > worst ? rc : worst;
	rc = queue(smtpd);
	worst = rc > worst ? rc : worst;
	rc = ctl_verify_all(pop3d);
	worst = rc > worst ? rc : worst;
	if (fflush(stdout) == EOF)
		return CTL_FAILED;
	return worst;
}
