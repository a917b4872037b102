#ifndef T_UNIT_LOCK_BOX_H
#define T_UNIT_LOCK_BOX_H
/* A directory with a mailbox, "box", that is locked.  To use: define
 * _GNU_SOURCE; box_begin(); box_end() when all in it is gone. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "spool/lock.h"
#include "t/unit/tap.h"

static char dir[] = "/tmp/lock.XXXXXX";
static int dirfd_;

static int64_t
ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int
open_box(int flags)
{
	int fd = openat(dirfd_, "box", flags | O_CREAT | O_CLOEXEC, 0600);

	if (fd == -1)
		abort();
	return fd;
}

static void
put(const char *name, const char *text)
{
	int fd = openat(dirfd_, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd == -1 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
}

static void
must(int rc)
{
	if (rc == -1)
		abort();
}

static void
box_begin(void)
{
	if (mkdtemp(dir) == NULL)
		abort();
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int
box_end(void)
{
	rmdir(dir);
	return done_testing();
}
#endif
