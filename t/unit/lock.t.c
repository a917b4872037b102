/* fcntl locks and dotlocks. */
#define _GNU_SOURCE
#include "spool/lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "t/unit/lock_box.h"

/* What was waited for, however long a busy machine made of it. */
static int64_t slept_ns;

int
nanosleep(const struct timespec *t, struct timespec *left)
{
	slept_ns += t->tv_sec * INT64_C(1000000000) + t->tv_nsec;
	return (int)syscall(SYS_nanosleep, t, left);
}

static int write_errno; /* what write(2) fails with; 0: it works */

/* In front of libc's: a full disk. */
ssize_t
write(int fd, const void *p, size_t n)
{
	if (write_errno != 0) {
		errno = write_errno;
		return -1;
	}
	return syscall(SYS_write, fd, p, n);
}

static unsigned
entries(void)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* A process that does body(arg), says so by a byte, and stays. */
static pid_t
holder(void (*body)(void))
{
	int p[2];
	char c;

	if (pipe(p) == -1)
		abort();
	pid_t pid = fork();
	if (pid == 0) {
		body();
		if (write(p[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(p[1]);
	if (read(p[0], &c, 1) != 1)
		abort();
	close(p[0]);
	return pid;
}

static void
end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void
hold_posix(void)
{
	struct flock l = { .l_type = F_WRLCK };

	if (fcntl(open_box(O_RDWR), F_SETLK, &l) == -1)
		_exit(1);
}

static void
hold_ofd(void)
{
	if (lock_try(open_box(O_RDWR), true) != OK)
		_exit(1);
}

static void
hold_200ms(void)
{
	struct itimerval t = { .it_value = { 0, 200000 } };

	hold_ofd();
	setitimer(ITIMER_REAL, &t, NULL); /* and dies */
}

static void
test_fcntl(void)
{
	int a = open_box(O_RDWR), b = open_box(O_RDWR);
	int r = openat(dirfd_, "box", O_RDONLY | O_CLOEXEC);

	ok(lock_try(a, true) == OK, "an exclusive lock is had");
	ok(lock_try(a, true) == OK, "again through the same descriptor");
	ok(lock_try(b, true) == ERR_BUSY, "not through another of our own");
	ok(lock_try(r, false) == ERR_BUSY, "nor shared");
	lock_release(a);
	ok(lock_try(r, false) == OK && lock_try(a, false) == OK,
	    "two shared ones at once");
	ok(lock_try(b, true) == ERR_BUSY, "but no exclusive one beside them");
	lock_release(a);
	lock_release(r);
	ok(lock_try(r, true) != OK,
	    "no exclusive one through a read-only descriptor");

	pid_t p = holder(hold_posix);
	ok(lock_try(a, true) == ERR_BUSY, "a POSIX lock keeps us out");
	int64_t t = ms();
	slept_ns = 0;
	ok(lock_wait(a, true, 120) == ERR_BUSY, "waiting for it ends");
	ok(ms() - t >= 120 && slept_ns <= 120000000,
	    "after the time that was said");
	end(p);
	ok(lock_try(a, true) == OK, "its death frees it");
	lock_release(a);
	p = holder(hold_ofd);
	ok(lock_try(a, true) == ERR_BUSY, "an OFD lock of another process");
	end(p);
	ok(lock_try(a, true) == OK, "dies with it, kill -9 included");
	lock_release(a);
	p = holder(hold_200ms);
	t = ms();
	ok(lock_wait(a, true, 30000) == OK && ms() - t < 20000,
	    "a wait ends when the lock is free");
	end(p);
	close(a);
	close(b);
	close(r);
}

static void
test_same_file(void)
{
	int fd = open_box(O_RDWR);

	ok(lock_same_file(fd, dirfd_, "box"), "the name means the file");
	must(linkat(dirfd_, "box", dirfd_, "second", 0));
	ok(!lock_same_file(fd, dirfd_, "box"), "not with a second link");
	unlinkat(dirfd_, "second", 0);
	renameat(dirfd_, "box", dirfd_, "old");
	ok(!lock_same_file(fd, dirfd_, "box"), "not when the name has gone");
	put("box", "");
	ok(!lock_same_file(fd, dirfd_, "box"), "not when it is another file");
	unlinkat(dirfd_, "box", 0);
	must(symlinkat("old", dirfd_, "box"));
	ok(!lock_same_file(fd, dirfd_, "box"), "not through a link");
	unlinkat(dirfd_, "box", 0);
	unlinkat(dirfd_, "old", 0);
	ok(!lock_same_file(fd, dirfd_, "old"), "not when it was removed");
	close(fd);
}

static void
busy_with(const char *text, const char *what)
{
	put("box.lock", text);
	ok(dotlock_take(dirfd_, "box") == ERR_BUSY &&
		faccessat(dirfd_, "box.lock", F_OK, 0) == 0,
	    "%s is left alone", what);
	dotlock_release(dirfd_, "box");
	ok(faccessat(dirfd_, "box.lock", F_OK, 0) == 0,
	    "%s is not ours to release", what);
	unlinkat(dirfd_, "box.lock", 0);
}

static pid_t
dead_pid(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	return pid;
}

static void
test_dotlock(void)
{
	char host[256], text[400], got[400] = "";

	gethostname(host, sizeof(host));
	ok(dotlock_take(dirfd_, "box") == OK, "a dotlock is made");
	int fd = openat(dirfd_, "box.lock", O_RDONLY);
	ssize_t n = read(fd, got, sizeof(got) - 1);
	close(fd);
	snprintf(text, sizeof(text), "%ld %s ", (long)getpid(), host);
	ok(n > 0 && strncmp(got, text, strlen(text)) == 0 && got[n - 1] == '\n',
	    "it says who and where: %.*s", (int)n - 1, got);
	ok(dotlock_take(dirfd_, "box") == ERR_BUSY, "there is no second");
	ok(entries() == 1, "and nothing else lies there");
	dotlock_release(dirfd_, "box");
	ok(entries() == 0, "it is released");

	busy_with("", "mutt's empty one");
	busy_with("0", "procmail's");
	snprintf(text, sizeof(text), "%ld other.example.org %lld\n",
	    (long)dead_pid(), (long long)time(NULL));
	busy_with(text, "one of another host");
	snprintf(
	    text, sizeof(text), "1 %s %lld\n", host, (long long)time(NULL));
	busy_with(text, "that of a process that lives");
	snprintf(text, sizeof(text), "%ld %s %lld", (long)dead_pid(), host,
	    (long long)time(NULL));
	busy_with(text, "one without its line end");
	snprintf(text, sizeof(text), "-1 %s 1\n", host);
	busy_with(text, "one of a negative process");

	snprintf(text, sizeof(text), "%ld %s %lld\n", (long)dead_pid(), host,
	    (long long)time(NULL));
	put("box.lock", text);
	ok(dotlock_take(dirfd_, "box") == OK, "that of a dead one is taken");
	dotlock_release(dirfd_, "box");
	snprintf(text, sizeof(text), "1 %s 1000000000\n", host);
	put("box.lock", text);
	ok(dotlock_take(dirfd_, "box") == OK, "that from before the boot, too");
	dotlock_release(dirfd_, "box");
	ok(entries() == 0, "nothing is left");

	must(symlinkat("/etc/passwd", dirfd_, "box.lock"));
	ok(dotlock_take(dirfd_, "box") == ERR_BUSY, "a link is no dotlock");
	unlinkat(dirfd_, "box.lock", 0);
	mkfifoat(dirfd_, "box.lock", 0600);
	ok(dotlock_take(dirfd_, "box") == ERR_BUSY, "a FIFO does not hang us");
	unlinkat(dirfd_, "box.lock", 0);

	write_errno = ENOSPC;
	enum status st = dotlock_take(dirfd_, "box");
	write_errno = 0;
	ok(st == ERR_NOSPACE && entries() == 0,
	    "a full disk is called that and leaves no lock file");
	memset(text, 'x', 300);
	text[300] = '\0';
	ok(dotlock_take(dirfd_, text) == ERR_INVALID, "a name too long");
}

/* Many find the same stale one: one of them gets it. */
static void
test_race(void)
{
	char host[256], text[400];
	unsigned wrong = 0;

	gethostname(host, sizeof(host));
	for (int round = 0; round < 30; round++) {
		snprintf(text, sizeof(text), "%ld %s %lld\n", (long)dead_pid(),
		    host, (long long)time(NULL));
		put("box.lock", text);
		unsigned won = 0;
		int go[2], looked[2];
		if (pipe(go) == -1 || pipe(looked) == -1)
			abort();
		for (int i = 0; i < 8; i++) {
			if (fork() != 0)
				continue;
			char c;
			close(go[1]);
			if (read(go[0], &c, 1) == -1)
				_exit(2);
			enum status st = dotlock_take(dirfd_, "box");
			/* Alive until all the others have looked, too. */
			close(looked[1]);
			if (read(looked[0], &c, 1) == -1)
				_exit(2);
			_exit(st == OK);
		}
		close(go[0]);
		close(go[1]);
		close(looked[0]);
		close(looked[1]);
		for (int i = 0, how; i < 8; i++) {
			wait(&how);
			won += WIFEXITED(how) && WEXITSTATUS(how) == 1;
		}
		wrong += won != 1;
		unlinkat(dirfd_, "box.lock", 0);
	}
	ok(wrong == 0,
	    "of eight who find a stale dotlock one gets it "
	    "(%u of 30 rounds went wrong)",
	    wrong);
	ok(entries() == 0, "and none leaves anything");
}

int
main(void)
{
	box_begin();
	test_fcntl();
	test_same_file();
	test_dotlock();
	test_race();
	return box_end();
}
