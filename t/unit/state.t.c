/* The state directory beside the mailboxes, and the session lock in it. */
#define _GNU_SOURCE
#include "spool/state.h"

#include <signal.h>
#include <sys/wait.h>

#include "t/unit/spool_dir.h"

/* ---- the state directory ---- */

static enum status
state_try(void)
{
	int fd;
	enum status st = state_open(&box, &alice, &fd, why, sizeof(why));

	if ((st == OK) != (fd != -1) || (st == OK) != (why[0] == '\0'))
		return ERR_INVALID;
	close(fd);
	return st;
}

static void
test_state(void)
{
	struct stat st;
	char top[128], own_dir[256];
	int fd;

	snprintf(top, sizeof(top), "%s/.pennypost", spool);
	snprintf(own_dir, sizeof(own_dir), "%s/alice", top);
	mode_t old = umask(077);
	ok(state_try() == OK, "the state directory is made: %s", why);
	umask(old);
	must(stat(top, &st));
	ok((st.st_mode & 07777) == 0755 && st.st_uid == geteuid(),
	    ".pennypost is 0755 whatever the umask is, and ours");
	must(stat(own_dir, &st));
	ok((st.st_mode & 07777) == 0700 && st.st_uid == alice.uid &&
		st.st_gid == alice.gid,
	    "that in it is 0700 and the user's");
	ok(state_try() == OK, "both are found again");

	fd = open(spool, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ok(!state_update_pending(fd, &alice), "no deletions are pending");
	put(in(own_dir, "journal"), "x");
	ok(state_update_pending(fd, &alice), "with a journal they are");
	must(unlink(in(own_dir, "journal")));
	close(fd);

	must(chmod(own_dir, 0770));
	ok(state_try() == ERR_UNSAFE, "one that a group may write: %s", why);
	must(chmod(own_dir, 0700));
	must(chmod(top, 0775));
	ok(state_try() == ERR_UNSAFE, ".pennypost that a group may write");
	must(chmod(top, 0755));
	if (root) {
		must(chown(own_dir, 0, 0));
		ok(state_try() == OK && stat(own_dir, &st) == 0 &&
			st.st_uid == alice.uid,
		    "one that was not given away yet is");
		must(chown(own_dir, BOB, BOB));
		ok(state_try() == ERR_UNSAFE, "another user's: %s", why);
		must(chown(own_dir, alice.uid, alice.gid));
		must(chown(top, BOB, BOB));
		ok(state_try() == ERR_UNSAFE, ".pennypost of another user");
		must(chown(top, alice.uid, alice.gid));
		ok(state_try() == ERR_UNSAFE, "even of this one");
		must(chown(top, 0, 0));
	}
	must(rmdir(own_dir));
	must(symlink("/tmp", own_dir));
	ok(state_try() == ERR_UNSAFE, "a link in it");
	must(unlink(own_dir));
	must(rmdir(top));
	must(symlink("/tmp", top));
	ok(state_try() == ERR_UNSAFE, "a link in its place");
	must(unlink(top));
	put(top, "");
	ok(state_try() == ERR_UNSAFE, "a file in its place");
	must(unlink(top));

	struct mailbox_path spool_box = box;
	snprintf(box.dir, sizeof(box.dir), "%s/home", base);
	must(mkdir(box.dir, 0700));
	own(box.dir, alice.uid, 0700);
	ok(state_try() == OK, "beside a mailbox at home: %s", why);
	must(stat(in(box.dir, ".pennypost"), &st));
	ok(st.st_uid == alice.uid, "it is the user's own");
	must(rmdir(in(box.dir, ".pennypost/alice")));
	must(rmdir(in(box.dir, ".pennypost")));
	must(rmdir(box.dir));
	box = spool_box;
}

/* ---- the session lock ---- */

static enum status
session(int dir, int *fd, char *holder, size_t size)
{
	return session_lock(
	    dir, &alice, 4711, "mail.example.org", fd, holder, size);
}

static void
foreign_text(int dir, int holder_fd, const char *text, const char *want)
{
	char holder[200];
	int fd;

	if (ftruncate(holder_fd, 0) == -1 ||
	    pwrite(holder_fd, text, strlen(text), 0) != (ssize_t)strlen(text))
		abort();
	enum status st = session(dir, &fd, holder, sizeof(holder));
	ok(st == ERR_BUSY && fd == -1 && strcmp(holder, want) == 0,
	    "holder: %s", holder);
}

static void
test_session(void)
{
	char holder[200], lock[256];
	int dir, a, b;

	if (state_open(&box, &alice, &dir, why, sizeof(why)) != OK)
		abort();
	snprintf(lock, sizeof(lock), "%s/.pennypost/alice/lock", spool);
	ok(session(dir, &a, holder, sizeof(holder)) == OK, "a session begins");
	ok(session(dir, &b, holder, sizeof(holder)) == ERR_BUSY && b == -1,
	    "a second one does not");
	ok(strncmp(holder, "pid 4711 on mail.example.org since 20", 37) == 0 &&
		strcmp(holder + strlen(holder) - 4, " UTC") == 0,
	    "and is told why: %s", holder);
	foreign_text(dir, a, "1 h 0\n",
	    "pid 1 on h since "
	    "1970-01-01 00:00:00 UTC");
	foreign_text(dir, a, "", "another session");
	foreign_text(dir, a, "1 h 0", "another session");
	foreign_text(dir, a, "x h 0\n", "another session");
	foreign_text(dir, a, "1 h\033[2J 0\n", "another session");
	foreign_text(dir, a, "1 h 99999999999999999\n", "another session");
	pid_t pid = fork();
	if (pid == 0)
		pause();
	close(a);
	ok(session(dir, &a, holder, sizeof(holder)) == ERR_BUSY,
	    "it lives as long as a copy of its descriptor");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ok(session(dir, &a, holder, sizeof(holder)) == OK,
	    "and not one moment longer, kill -9 included");
	close(a);

	must(unlink(lock));
	must(symlink("/etc/passwd", lock));
	ok(session(dir, &a, holder, sizeof(holder)) == ERR_UNSAFE && a == -1,
	    "a link in place of the lock");
	must(unlink(lock));
	must(mkfifo(lock, 0600));
	own(lock, alice.uid, 0600);
	alarm(60);
	ok(session(dir, &a, holder, sizeof(holder)) == ERR_UNSAFE,
	    "a FIFO in place of the lock");
	alarm(0);
	must(unlink(lock));
	put(lock, "mine\n");
	must(link(lock, in(spool, "precious")));
	ok(session(dir, &a, holder, sizeof(holder)) == ERR_UNSAFE,
	    "a second link to the lock");
	must(unlink(in(spool, "precious")));
	must(unlink(lock));
	close(dir);
	must(rmdir(in(spool, ".pennypost/alice")));
	must(rmdir(in(spool, ".pennypost")));
}

int
main(void)
{
	spool_start();
	test_state();
	test_session();
	spool_end();
	return done_testing();
}
