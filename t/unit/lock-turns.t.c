/* Who waits for a mailbox: the turnstile, and both of its locks. */
#define _GNU_SOURCE
#include "spool/lock.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "t/unit/lock_box.h"

/* Another file takes the place of the mailbox while its dotlock is made. */
static bool replace;

int
linkat(int from, const char *old, int to, const char *name, int flags)
{
	if (replace) {
		replace = false;
		renameat(to, "box", to, "old");
		close(openat(to, "box", O_WRONLY | O_CREAT | O_EXCL, 0600));
	}
	return (int)syscall(SYS_linkat, from, old, to, name, flags);
}

static bool
within(int64_t limit, bool (*what)(int), int fd, bool want)
{
	for (int64_t end = ms() + limit; what(fd) != want;) {
		if (ms() > end)
			return false;
		usleep(1000);
	}
	return true;
}

static bool
may_lock(int fd)
{
	if (lock_try(fd, true) != OK)
		return false;
	lock_release(fd);
	return true;
}

static void
test_turnstile(void)
{
	put("append", "");
	int a = openat(dirfd_, "append", O_RDWR), b = turnstile_open(dirfd_);
	int c = turnstile_open(dirfd_), how = -1;

	ok(b != -1 && !turnstile_closed(a), "a turnstile is open");
	turnstile_close(b);
	turnstile_close(c);
	ok(turnstile_closed(a), "until somebody waits");
	turnstile_leave(b);
	ok(turnstile_closed(a), "or two");
	turnstile_leave(c);
	ok(!turnstile_closed(a), "and then again");
	turnstile_close(-1);
	turnstile_leave(-1);
	ok(!turnstile_closed(-1), "none is none");

	int box = open_box(O_RDWR);
	must(lock_try(box, true) == OK ? 0 : -1);
	pid_t pid = fork();
	if (pid == 0)
		_exit(lock_wait_state(open_box(O_RDWR), false, 60000, dirfd_) ==
				  OK &&
			      !turnstile_closed(a)
			  ? 0
			  : 1);
	ok(within(30000, turnstile_closed, a, true),
	    "who waits for the mailbox closes it");
	lock_release(box);
	waitpid(pid, &how, 0);
	ok(how == 0 && !turnstile_closed(a), "and opens it when he has it");
	must(lock_try(box, true) == OK ? 0 : -1);
	int other = open_box(O_RDWR);
	ok(lock_wait_turn(other, false, 50, b) == ERR_BUSY &&
		!turnstile_closed(a),
	    "or when he gives up");
	lock_release(box);
	close(other);
	close(box);
	close(c);
	close(b);
	close(a);
	unlinkat(dirfd_, "append", 0);
}

static void
test_both(void)
{
	int box = open_box(O_RDWR), other = open_box(O_RDWR), how = -1;
	struct lock_both b = { .fd = box,
		.dirfd = dirfd_,
		.name = "box",
		.dotlock = dotlock_here,
		.lock_wait = 60000,
		.turnstile = -1 };

	ok(lock_take_both(&b) == OK && lock_try(other, true) == ERR_BUSY &&
		dotlock_own(dirfd_, "box"),
	    "both locks are taken");
	lock_release_both(&b);
	ok(may_lock(other) && faccessat(dirfd_, "box.lock", F_OK, 0) == -1,
	    "and released");

	put("box.lock", "0");
	put("append", "");
	int a = openat(dirfd_, "append", O_RDWR);
	pid_t pid = fork();
	if (pid == 0) {
		b.turnstile = turnstile_open(dirfd_);
		close(box);
		b.fd = open_box(O_RDWR);
		_exit(lock_take_both(&b) == OK && dotlock_own(dirfd_, "box")
			  ? 0
			  : 1);
	}
	ok(within(30000, turnstile_closed, a, true) &&
		within(30000, may_lock, other, true),
	    "who waits for a dotlock holds nothing but the turnstile");
	unlinkat(dirfd_, "box.lock", 0);
	waitpid(pid, &how, 0);
	ok(how == 0 && !turnstile_closed(a), "and gets it");
	unlinkat(dirfd_, "box.lock", 0);
	close(a);
	unlinkat(dirfd_, "append", 0);

	put("box.lock", "0");
	b.lock_wait = 50;
	ok(lock_take_both(&b) == ERR_BUSY && may_lock(other), "not for ever");
	unlinkat(dirfd_, "box.lock", 0);

	replace = true;
	ok(lock_take_both(&b) == ERR_CHANGED && may_lock(other) &&
		faccessat(dirfd_, "box.lock", F_OK, 0) == -1,
	    "not that of a file which another took the place of meanwhile");
	close(box);
	close(other);
	unlinkat(dirfd_, "box", 0);
	unlinkat(dirfd_, "old", 0);
}

int
main(void)
{
	box_begin();
	test_turnstile();
	test_both();
	return box_end();
}
