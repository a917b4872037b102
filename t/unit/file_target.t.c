/* A message for a file: both locks, never one while the other is waited for
 * (spool/file_target.c). */
#define _GNU_SOURCE
#include "spool/file_target.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "spool/lock.h"
#include "t/unit/tap.h"

static char dir[] = "/tmp/file-target-XXXXXX", path[100];
static int dirfd_ = -1, content = -1;
static const char message[] = "Subject: to a file\r\n\r\nbody\r\n";

static void
put(const char *name, const char *s)
{
	int fd = openat(dirfd_, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd == -1 || write(fd, s, strlen(s)) == -1)
		abort();
	close(fd);
}

static unsigned
delivered(void)
{
	static char text[8192];
	int fd = openat(dirfd_, "file", O_RDONLY);
	ssize_t n = fd == -1 ? 0 : read(fd, text, sizeof(text) - 1);
	unsigned k = 0;

	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	for (const char *p = text; (p = strstr(p, "to a file")) != NULL; p++)
		k++;
	return k;
}

static enum run_outcome
deliver(int64_t lock_wait)
{
	static struct order o;
	char code[RUN_CODE_MAX], text[DELIVER_TEXT_MAX];

	o = (struct order){ .mboxrd = true,
		.dotlock = true,
		.lock_wait = lock_wait,
		.delivered_to = "b@x",
		.run = { .text = path,
		    .sender = "s@x",
		    .original = "b@x",
		    .length = strlen(message),
		    .file = content } };
	enum run_outcome got = file_target(&o, code, text);
	if (got != RUN_DONE)
		printf("# %s %s\n", code, text);
	return got;
}

/* Somebody gets the lock on the file, again and again. */
static bool
free_of_us(int fd, unsigned times)
{
	struct timespec pause = { .tv_nsec = 1000000 };
	unsigned got = 0;

	for (unsigned i = 0; i < 60000 && got < times; i++) {
		if (lock_try(fd, true) == OK) {
			got++;
			lock_release(fd);
		}
		nanosleep(&pause, NULL);
	}
	return got == times;
}

int
main(void)
{
	int how = -1;

	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/file", dir);
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put("content", message);
	content = openat(dirfd_, "content", O_RDONLY | O_CLOEXEC);

	ok(deliver(60000) == RUN_DONE && delivered() == 1, "a new file");
	ok(deliver(60000) == RUN_DONE && delivered() == 2, "one that is there");
	ok(faccessat(dirfd_, "file.lock", F_OK, 0) == -1,
	    "the dotlock is gone then");

	/* Another program has the dotlock, and wants the lock on the file next:
	 * who kept that one meanwhile would wait for ever. */
	put("file.lock", "0");
	pid_t pid = fork();
	if (pid == 0)
		_exit(deliver(600000) == RUN_DONE ? 0 : 1);
	int other = openat(dirfd_, "file", O_RDWR | O_CLOEXEC);
	ok(free_of_us(other, 20) && delivered() == 2,
	    "who waits for the dotlock does not hold the file");
	ok(waitpid(pid, &how, WNOHANG) == 0, "and waits");
	unlinkat(dirfd_, "file.lock", 0);
	waitpid(pid, &how, 0);
	ok(how == 0 && delivered() == 3, "and delivers when it may");

	put("file.lock", "0");
	ok(deliver(50) == RUN_LATER && delivered() == 3 &&
		lock_try(other, true) == OK,
	    "or says later, and holds nothing");
	unlinkat(dirfd_, "file.lock", 0);
	ok(deliver(50) == RUN_LATER && delivered() == 3 &&
		faccessat(dirfd_, "file.lock", F_OK, 0) == -1,
	    "the lock on the file keeps it out, too");
	lock_release(other);
	close(other);

	static const char *const names[] = { "file", "content" };
	for (size_t i = 0; i < NELEM(names); i++)
		unlinkat(dirfd_, names[i], 0);
	close(content);
	close(dirfd_);
	rmdir(dir);
	return done_testing();
}
