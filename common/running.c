/*
 * The file by which others know a running master.  Runs in: the master; smtpd
 * -r, pop3d -r.
 *
 *   pid 4711
 *   begun 3
 *   ended 3
 *   result ok
 *   end 12
 *
 * The last line counts what was written: a reader that sees the same number
 * twice has seen one writing.
 */
#define _GNU_SOURCE
#include "common/running.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"

enum {
	TEXT = 512,
	WAIT_MS = 80000, /* systemd waits for 90 s */
	STEP_MS = 20
};

/* ---- the master's side ---- */

static int state_fd = -1;
static char path[512];
static struct running self;
static uint64_t written;

static bool
make_path(const struct settings *s, const char *name, char *out, size_t size)
{
	int n = snprintf(out, size, "%s/%s.state", s->run_directory, name);

	return s->run_directory[0] != '\0' && n > 0 && (size_t)n < size;
}

static void
say(void)
{
	char text[TEXT];

	if (state_fd == -1)
		return;
	int n = snprintf(text, sizeof(text),
	    "pid %ld\nbegun %llu\nended %llu\nresult %s\nend %llu\n",
	    (long)self.pid, (unsigned long long)self.begun,
	    (unsigned long long)self.ended, self.result,
	    (unsigned long long)++written);
	if (n < 0 || (size_t)n >= sizeof(text) ||
	    pwrite(state_fd, text, (size_t)n, 0) != n ||
	    ftruncate(state_fd, n) == -1)
		log_error("%s: %s", path, strerror(errno));
}

static bool
lock(int fd)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_SETLK, &l) != -1;
}

static int
open_own(const struct settings *s)
{
	int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	bool root = geteuid() == 0;
	int fd = open(path, flags, 0644);

	if (fd == -1 && errno == ENOENT && root) {
		if (mkdir(s->run_directory, 0755) != -1)
			(void)!chmod(s->run_directory, 0755);
		fd = open(path, flags, 0644);
	}
	if (fd == -1) {
		/* Somebody who only tries it out has no such directory. */
		if (root)
			log_warn("warning: %s: %s; see run_directory", path,
			    strerror(errno));
		return -1;
	}
	if (!lock(fd)) {
		log_warn("warning: %s belongs to another one that runs; give "
			 "each a run_directory of its own",
		    path);
		close(fd);
		return -1;
	}
	(void)!fchmod(fd, 0644);
	return fd;
}

void
running_open(const struct settings *s, const char *name, int fd)
{
	self = (struct running){ .pid = getpid(), .result = "ok" };
	if (!make_path(s, name, path, sizeof(path))) {
		close_fd(&fd);
		return;
	}
	state_fd = fd != -1 ? fd : open_own(s);
	say();
}

void
running_reload_begins(void)
{
	self.begun++;
	say();
}

void
running_reload_ended(const char *why)
{
	if (self.ended == self.begun)
		return; /* nobody asked for it: certificates have changed */
	snprintf(
	    self.result, sizeof(self.result), "%s", why == NULL ? "ok" : why);
	for (char *p = self.result; *p != '\0'; p++)
		if (*p == '\n')
			*p = ' ';
	self.ended = self.begun;
	say();
}

int
running_fd(void)
{
	return state_fd;
}

void
running_close(bool keep)
{
	if (state_fd != -1 && !keep)
		unlink(path);
	close_fd(&state_fd);
}

/* ---- everybody else ---- */

static bool
field(const char *text, const char *name, unsigned long long *out)
{
	const char *at = strstr(text, name);
	char *end;

	if (at == NULL)
		return false;
	at += strlen(name);
	*out = strtoull(at, &end, 10);
	return end != at && *end == '\n';
}

static bool
parse(const char *text, struct running *out, unsigned long long *number)
{
	unsigned long long pid, begun, ended;
	const char *result = strstr(text, "\nresult ");

	if (strncmp(text, "pid ", 4) != 0 || !field(text, "pid ", &pid) ||
	    !field(text, "\nbegun ", &begun) ||
	    !field(text, "\nended ", &ended) || result == NULL || pid < 2 ||
	    pid > INT32_MAX || !field(text, "\nend ", number))
		return false;
	*out = (struct running){
		.pid = (pid_t)pid, .begun = begun, .ended = ended
	};
	result += strlen("\nresult ");
	snprintf(out->result, sizeof(out->result), "%.*s",
	    (int)strcspn(result, "\n"), result);
	return true;
}

static bool
read_once(int fd, struct running *out, unsigned long long *number)
{
	char text[TEXT + 1];
	ssize_t n = pread(fd, text, TEXT, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	return parse(text, out, number);
}

bool
running_read(const struct settings *s, const char *name, struct running *out)
{
	struct flock l = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	unsigned long long one = 0, two = 1;
	char file[512];
	bool good = false;

	errno = 0;
	if (!make_path(s, name, file, sizeof(file)))
		return false;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1) {
		if (errno == ENOENT)
			errno = 0;
		return false;
	}
	/* Whoever wrote it is gone when nobody holds the lock. */
	if (fcntl(fd, F_OFD_GETLK, &l) != -1 && l.l_type != F_UNLCK)
		for (int i = 0; i < 100 && !good; i++)
			good = read_once(fd, out, &one) &&
			       read_once(fd, out, &two) && one == two;
	close(fd);
	errno = 0;
	return good;
}

static void
pause_ms(long ms)
{
	struct timespec t = { .tv_nsec = ms * 1000000 };

	nanosleep(&t, NULL);
}

/* Signals the master.  False: said why not. */
static bool
ask(const struct settings *s, const char *name, int sig, struct running *was)
{
	if (!running_read(s, name, was)) {
		fprintf(stderr,
		    "%s: it does not run: nobody holds "
		    "%s/%s.state%s%s\n",
		    name, s->run_directory, name, errno == 0 ? "" : ": ",
		    errno == 0 ? "" : strerror(errno));
		return false;
	}
	if (kill(was->pid, sig) == -1) {
		fprintf(stderr, "%s: process %ld: %s\n", name, (long)was->pid,
		    strerror(errno));
		return false;
	}
	return true;
}

/* Waits until what was asked of *was has come out.  False: it went wrong, and
 * that was said. */
static int
outcome(const struct settings *s, const char *name, const struct running *was,
    const char *what)
{
	struct running now;

	for (long ms = 0; ms < WAIT_MS; ms += STEP_MS) {
		if (!running_read(s, name, &now)) {
			fprintf(stderr,
			    "%s: it ended meanwhile; the log says "
			    "why\n",
			    name);
			return 1;
		}
		/* Another process: it has read what there is as it started. */
		if (now.pid != was->pid)
			return 0;
		/* What was under way when we asked is not ours. */
		if (now.ended > was->begun) {
			if (strcmp(now.result, "ok") == 0)
				return 0;
			fprintf(stderr,
			    "%s: %s refused: %s; the old one stays "
			    "in force\n",
			    name, what, now.result);
			return 1;
		}
		pause_ms(STEP_MS);
	}
	fprintf(stderr, "%s: no answer after %d seconds; the log may say why\n",
	    name, WAIT_MS / 1000);
	return 1;
}

int
running_reload(const struct settings *s, const char *name)
{
	struct running was;

	return ask(s, name, SIGHUP, &was)
		   ? outcome(s, name, &was, "the new configuration")
		   : 1;
}

int
running_upgrade(const struct settings *s, const char *name)
{
	struct running was;

	return ask(s, name, SIGUSR2, &was)
		   ? outcome(s, name, &was, "the new program")
		   : 1;
}
