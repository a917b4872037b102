/* When a user has logged in last.  Runs in: maildrop. */
#define _GNU_SOURCE
#include "pop3d/login_delay.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/msg.h"
#include "common/view.h"
#include "spool/state.h"

enum { TEXT_MAX = 24 };

/* Anything may be there in its place; -1: nothing that will do. */
static int
open_note(int state_dir, const struct user *u, int flags)
{
	struct stat st;

	fs_become(u->uid, u->gid);
	int fd = openat(state_dir, "login",
	    flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	fs_become_self();
	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_uid != u->uid || st.st_nlink > 1)
		close_fd(&fd);
	return fd;
}

unsigned
login_too_early(int state_dir, const struct user *u, int64_t delay, time_t now)
{
	char text[TEXT_MAX];
	unsigned long long last = 0;
	int fd = open_note(state_dir, u, O_RDONLY);

	if (fd == -1)
		return 0;
	ssize_t n = pread(fd, text, sizeof(text), 0);
	close(fd);
	if (n <= 0 || text[n - 1] != '\n' ||
	    !view_number(
		(struct view){ text, (size_t)n - 1 }, INT64_MAX / 2, &last))
		return 0;
	/* A clock that was set back must not lock anybody out. */
	int64_t since = (int64_t)now - (int64_t)last;
	return since >= 0 && since < delay ? (unsigned)(delay - since) : 0;
}

void
login_note(int state_dir, const struct user *u, time_t now)
{
	char text[TEXT_MAX];
	int fd = open_note(state_dir, u, O_WRONLY | O_CREAT);
	int n = snprintf(text, sizeof(text), "%lld\n", (long long)now);

	if (fd == -1)
		return;
	file_replace(fd, text, (size_t)n);
	close(fd);
}
