/* pennyctl mailbox who: which process holds the session lock, which the mailbox
 * lock.  Runs in: pennyctl, as whoever calls it: only root sees the processes
 * of others.  Nothing of a mailbox is read. */
#define _GNU_SOURCE /* F_OFD_GETLK */
#include "spool/pennyctl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/view.h"
#include "spool/state.h"

/* What a file says about itself, for a terminal. */
static void
say_text(int fd)
{
	char text[300], date[40] = "?";
	unsigned long long pid, since;
	struct tm tm;
	ssize_t n = pread(fd, text, sizeof(text), 0);

	if (n <= 0 || text[n - 1] != '\n')
		return;
	struct view v = { text, (size_t)n - 1 }, host;
	if (!view_number(view_token(&v), INT32_MAX, &pid))
		return;
	host = view_token(&v);
	if (!view_number(v, 253402300799ULL, &since))
		return;
	for (size_t i = 0; i < host.n; i++)
		if (!ascii_alnum(host.p[i]) &&
		    strchr("-._:", host.p[i]) == NULL)
			return;
	time_t t = (time_t)since;
	if (localtime_r(&t, &tm) != NULL)
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	printf(", pid %llu on %.*s since %s", pid, (int)host.n, host.p, date);
}

static void
say_process(const char *pid)
{
	char path[64], comm[64] = "?";
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, comm, sizeof(comm) - 1);
	if (fd != -1)
		close(fd);
	if (n > 0)
		comm[n] = '\0';
	for (char *p = comm; *p != '\0'; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = *p == '\n' ? '\0' : '?';
	printf("  open in process %s (%s)\n", pid, comm);
}

/* Does that process have the file open? */
static bool
has_open(const char *pid, const struct stat *file)
{
	char path[64];
	struct stat sb;
	struct dirent *e;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	DIR *d = opendir(path);
	while (d != NULL && !found && (e = readdir(d)) != NULL)
		found = fstatat(dirfd(d), e->d_name, &sb, 0) == 0 &&
			sb.st_dev == file->st_dev && sb.st_ino == file->st_ino;
	if (d != NULL)
		closedir(d);
	return found;
}

/* The kernel tells no process for a lock that belongs to a descriptor; so all
 * that have the file open are named. */
static void
say_processes(const struct stat *file)
{
	struct dirent *e;
	char own[24];
	DIR *d = opendir("/proc");

	snprintf(own, sizeof(own), "%ld", (long)getpid());
	while (d != NULL && (e = readdir(d)) != NULL)
		if (ascii_digit(e->d_name[0]) && strcmp(e->d_name, own) != 0 &&
		    has_open(e->d_name, file))
			say_process(e->d_name);
	if (d != NULL)
		closedir(d);
}

/* True: somebody holds it. */
static bool
say_lock(const char *what, int fd, bool text)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat sb;

	if (fcntl(fd, F_OFD_GETLK, &l) == -1 || fstat(fd, &sb) == -1) {
		printf("%s: %s\n", what, strerror(errno));
		return false;
	}
	if (l.l_type == F_UNLCK) {
		printf("%s: free\n", what);
		return false;
	}
	printf("%s: held for %s", what,
	    l.l_type == F_RDLCK ? "reading" : "writing");
	if (l.l_pid > 0)
		printf(" by process %ld", (long)l.l_pid);
	if (text)
		say_text(fd);
	putchar('\n');
	say_processes(&sb);
	return true;
}

int
ctl_who(struct ctl_box *b, char **argv)
{
	char name[sizeof(b->path.name) + sizeof(".lock")];
	bool held = false;
	int fd;

	(void)argv;
	if (state_file_open(b->state, &b->user, "lock", O_RDWR, &fd) == OK) {
		held = say_lock("session", fd, true);
		close(fd);
	} else {
		puts("session: free");
	}
	held |= say_lock("mailbox", b->mbox, false);
	snprintf(name, sizeof(name), "%s.lock", b->path.name);
	fd = openat(b->dir, name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd != -1) {
		printf("dotlock: there");
		say_text(fd);
		putchar('\n');
		close(fd);
		held = true;
	} else {
		puts("dotlock: none");
	}
	return held ? CTL_FOUND : CTL_FINE;
}
