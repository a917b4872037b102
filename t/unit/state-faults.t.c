/* Each call that makes the state directory or takes the session lock fails
 * once: that is said, and the next try finds nothing in its way and makes all
 * that was missing. */
#define _GNU_SOURCE
#include "spool/state.h"

#include <fcntl.h>

#include "t/unit/spool_dir.h"
#include "t/unit/fault.h"

FAULTY('h', int, fchmod, (int fd, mode_t m), NULL, fd, m)
FAULTY('n', int, fchown, (int fd, uid_t u, gid_t g), NULL, fd, u, g)

/* Only taking a lock can fail. */
int
fcntl(int fd, int cmd, ...)
{
	va_list ap;

	va_start(ap, cmd);
	void *arg = va_arg(ap, void *);
	va_end(ap);
	if (cmd == F_OFD_SETLK && fault_now('k', NULL))
		return -1;
	return (int)syscall(SYS_fcntl, fd, cmd, arg);
}

static enum status
login(int *fd, char *holder, size_t size)
{
	int dir;
	enum status st = state_open(&box, &alice, &dir, why, sizeof(why));

	*fd = -1;
	if (st != OK)
		return st;
	st = session_lock(
	    dir, &alice, 4711, "mail.example.org", fd, holder, size);
	close(dir);
	return st;
}

static bool
mode_is(const char *path, mode_t mode, uid_t uid)
{
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & 07777) == mode &&
	       st.st_uid == uid;
}

/* One call fails; true: it was there to fail. */
static bool
one(long nth, int error, bool *good)
{
	char top[80], own_dir[100], holder[200];
	int fd, second;

	snprintf(top, sizeof(top), "%s/.pennypost", spool);
	snprintf(own_dir, sizeof(own_dir), "%s/alice", top);
	fault_arm(FAULT_ERROR, nth, error);
	enum status st = login(&fd, holder, sizeof(holder));
	bool came = fault_disarm();
	*good = (st == OK) == (fd != -1) && (came || st == OK);
	if (fd != -1)
		close(fd);
	/* The names are durable before anybody relies on them: a name that was
	 * left is of a flush that worked. */
	bool flushes = access(top, F_OK) != 0 || access(own_dir, F_OK) != 0;
	fault_trace();
	*good = *good && login(&fd, holder, sizeof(holder)) == OK;
	*good = *good && flushes == (strchr(fault.trace, 's') != NULL);
	*good = *good && mode_is(top, 0755, geteuid()) &&
		mode_is(own_dir, 0700, alice.uid);
	*good = *good && login(&second, holder, sizeof(holder)) == ERR_BUSY &&
		strncmp(holder, "pid 4711 ", 9) == 0;
	if (fd != -1)
		close(fd);
	char lock[120];
	snprintf(lock, sizeof(lock), "%s/lock", own_dir);
	must(unlink(lock));
	must(rmdir(own_dir));
	must(rmdir(top));
	return came;
}

int
main(void)
{
	static const struct {
		int error;
		const char *name;
	} errors[] = { { EIO, "EIO" }, { ENOSPC, "ENOSPC" },
		{ EDQUOT, "EDQUOT" }, { EMFILE, "EMFILE" },
		{ ENOLCK, "ENOLCK" }, { EINTR, "EINTR" } };

	spool_start();
	umask(077);
	for (size_t i = 0; i < NELEM(errors); i++) {
		unsigned long calls = 0, bad = 0;
		bool came = true, good;
		for (long nth = 1; came && nth < 100; nth++) {
			came = one(nth, errors[i].error, &good);
			calls += came;
			if (!good)
				printf("# call %ld\n", nth);
			bad += !good;
		}
		ok(bad == 0 && calls > 10, "%s: each of %lu calls",
		    errors[i].name, calls);
	}
	spool_end();
	return done_testing();
}
