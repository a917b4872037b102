/* The maildrop role: locks, opening, updates by children, recovery
 * (pop3d/svc_maildrop.c, update_child.c, recover.c). */
#define _GNU_SOURCE
#include "t/unit/maildrop_role.h"

#include "common/ctl.h"
#include "spool/lock.h"

/* ---- lock and open ---- */

static void
test_lock(void)
{
	char text[MAILDROP_TEXT_MAX], want[64];
	enum status st;
	int one = introduce(auth, &alice), two = introduce(auth, &alice);
	int lock = ask_maildrop_lock(one, &st, text, sizeof(text));

	ok(lock != -1 && st == OK, "the session lock is handed out");
	int no = ask_maildrop_lock(two, &st, text, sizeof(text));
	snprintf(want, sizeof(want), "pid %ld on ", (long)getpid());
	ok(no == -1 && st == ERR_BUSY && strstr(text, want) != NULL,
	    "a second session: %s", text);
	close(two);
	close(one);
	two = introduce(auth, &alice);
	no = ask_maildrop_lock(two, &st, text, sizeof(text));
	ok(no == -1 && st == ERR_BUSY, "it lives in the descriptor alone");
	close(two);
	close(lock);
	two = introduce(auth, &alice);
	lock = ask_maildrop_lock(two, &st, text, sizeof(text));
	ok(lock != -1, "and dies with it: the role keeps none");
	close(lock);
	close(two);
}

static enum status
open_as_is(int *fd)
{
	char text[MAILDROP_TEXT_MAX];
	enum status st;
	int right = introduce(auth, &alice);
	int lock = ask_maildrop_lock(right, &st, text, sizeof(text));

	*fd = -1;
	if (lock != -1)
		*fd = ask_maildrop_open(right, &st, text, sizeof(text));
	if (*fd == -1 && strchr(text, '/') != NULL)
		ok(false, "no path is told: %s", text);
	close(lock);
	close(right);
	return st;
}

static void
test_open(void)
{
	char path[200], other[200], text[200];
	int fd;

	snprintf(path, sizeof(path), "%s/alice", spool);
	snprintf(other, sizeof(other), "%s/other", spool);
	put_file("alice", mail, alice.uid);
	ok(open_as_is(&fd) == OK, "the mailbox is handed out");
	ok((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY, "for reading only");
	ssize_t n = read(fd, text, sizeof(text));
	ok(n == (ssize_t)strlen(mail) && memcmp(text, mail, (size_t)n) == 0,
	    "it is the right one");
	close(fd);

	unlink(path);
	ok(open_as_is(&fd) == ERR_GONE, "no mailbox");
	put_file("other", mail, alice.uid);
	ok(symlink(other, path) == 0 && open_as_is(&fd) == ERR_UNSAFE,
	    "a link is refused");
	unlink(path);
	ok(link(other, path) == 0 && open_as_is(&fd) == ERR_UNSAFE,
	    "a second name is refused");
	unlink(path);
	ok(mkfifo(path, 0600) == 0 &&
		(geteuid() != 0 || chown(path, alice.uid, alice.gid) == 0) &&
		open_as_is(&fd) == ERR_UNSAFE,
	    "a FIFO is refused, at once");
	unlink(path);
	if (geteuid() == 0) {
		put_file("alice", mail, 0);
		enum status st = open_as_is(&fd);
		ok(st == ERR_PERM || st == ERR_UNSAFE,
		    "root's file is refused");
		unlink(path);
	} else {
		tap_skip("a mailbox of another owner", "needs root");
	}
	put_file("alice", mail, alice.uid);
}

/* ---- update ---- */

static void
test_commit(void)
{
	ok(commit(2) == OK && seen->runs == 1, "an update");
	ok(seen->n == 2 && seen->del[1].offset == 25 &&
		seen->del[1].length == 10 &&
		memcmp(seen->del[1].uid, dels[1].uid, 16) == 0 &&
		seen->size == strlen(mail) && seen->ctime_ns == 77,
	    "with what was named");
	ok(seen->uid == alice.uid && seen->gid == alice.gid &&
		(geteuid() != 0 || seen->groups == 0),
	    "by the user");
	ok(seen->writable && strcmp(seen->name, "alice") == 0,
	    "the mailbox is open for writing");
	/* mailbox, its directory, state directory, report */
	ok(seen->fds == 4, "no descriptor of the role (%u)", seen->fds);
	ok(seen->dotlocked && !exists("alice.lock"), "under the dotlock");
	ok(commit(0) == OK && seen->runs == 1, "nothing marked: no child");

	seen->status = ERR_CHANGED;
	ok(commit(1) == ERR_CHANGED, "what the update says is answered");
	seen->status = OK;

	put_file("alice.lock", "1 elsewhere.example 1\n", alice.uid);
	seen->runs = 0;
	ok(commit(1) == ERR_BUSY && seen->runs == 0 && exists("alice.lock"),
	    "another program's dotlock is respected");
	char path[200];
	snprintf(path, sizeof(path), "%s/alice.lock", spool);
	unlink(path);

	/* More than fits into one message. */
	unsigned n = 5000;
	struct maildrop_del *many = calloc(n, sizeof(*many));
	char text[MAILDROP_TEXT_MAX];
	int lock, right = opened(&lock);
	for (unsigned i = 0; i < n; i++)
		many[i] = (struct maildrop_del){ i * 3, 2, { 1 } };
	ok(ask_maildrop_commit(right, &(struct maildrop_seen){ 1, 2, n * 3, 0 },
	       many, n, text, sizeof(text)) == OK &&
		seen->n == n,
	    "5,000 messages");
	free(many);
	close(lock);
	close(right);
}

static void
test_death(void)
{
	seen->mood = DIES;
	seen->recovers = 0;
	ok(commit(1) == ERR_IO, "the child dies: not OK");
	ok(seen->recovers == 1 && seen->recover_dotlocked && seen->locked,
	    "and what it left is mended at once, under both locks");
	ok(!exists("alice.lock"), "then others may come");
	seen->mood = FINE;
}

/* The update fails when messages have been moved already. */
static void
test_half_moved(void)
{
	int fd = -1;

	seen->mood = HALF_MOVED;
	seen->recovers = 0;
	seen->recover_dotlocked = false;
	ok(commit(1) == ERR_IO && seen->recovers == 1 &&
		seen->recover_dotlocked && seen->locked,
	    "a failed update is mended at once, under both locks");
	ok(!exists("alice.lock") && !exists(".pennypost/alice/journal"),
	    "then others may come");

	seen->status = ERR_NOSPACE;
	seen->recovers = 0;
	ok(commit(1) == ERR_NOSPACE && seen->recovers == 1,
	    "it cannot be mended now");
	ok(exists("alice.lock"), "other programs keep out of what is left");
	seen->mood = FINE;
	ok(open_as_is(&fd) == ERR_NOSPACE && fd == -1 && exists("alice.lock"),
	    "nor at the next login");
	seen->status = OK;
	seen->recover_dotlocked = false;
	ok(open_as_is(&fd) == OK && seen->recover_dotlocked,
	    "the login that can takes the dotlock over");
	ok(!exists("alice.lock"), "and gives it back");
	close_fd(&fd);
}

/* QUIT is said, an update begins and does not end, the session dies. */
static void
quit_and_die(void)
{
	struct msg *m = calloc(1, sizeof(*m));
	int lock, right = opened(&lock);

	seen->mood = HANGS;
	seen->runs = 0;
	msg_start(m, MAILDROP_DELETE);
	msg_put_u64(m, 1);
	msg_put_u64(m, 2);
	msg_put_u64(m, 100);
	msg_put_u32(m, 1);
	msg_put_u64(m, 0);
	msg_put_u64(m, 10);
	msg_put_view(m, (struct view){ "0123456789abcdef", 16 });
	ok(msg_call(right, m, 60000), "a row");
	msg_start(m, MAILDROP_COMMIT);
	msg_put_u32(m, 1);
	msg_put_u64(m, 0);
	msg_send(right, m);
	for (int i = 0; i < 6000 && seen->runs == 0; i++)
		poll(NULL, 0, 10);
	close(right);
	close(lock);
	ok(seen->runs == 1 && exists("alice.lock"), "an update goes on");
	free(m);
}

static void
test_session_death(void)
{
	int fd = -1;

	quit_and_die();
	ok(open_as_is(&fd) == OK, "others are served meanwhile");
	close_fd(&fd);
	seen->mood = FINE;
	for (int i = 0; i < 6000 && exists("alice.lock"); i++)
		poll(NULL, 0, 10);
	ok(!exists("alice.lock"), "without the session that wanted it");
}

/* The last one: the role ends. */
static void
test_stop(void)
{
	struct msg *m = calloc(1, sizeof(*m));
	int status;

	quit_and_die();
	msg_start(m, CTL_STOP);
	msg_send(ctl, m);
	poll(NULL, 0, 100);
	ok(waitpid(role_pid, &status, WNOHANG) == 0 && exists("alice.lock"),
	    "told to stop, it waits for the update");
	seen->mood = FINE;
	waitpid(role_pid, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "ends in order");
	ok(!exists("alice.lock"), "and leaves no lock");
	free(m);
}

static void
put_journal(void)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/.pennypost", spool);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/.pennypost/alice", spool);
	if (mkdir(path, 0700) == 0 && geteuid() == 0 &&
	    chown(path, alice.uid, alice.gid) == -1)
		abort();
	put_file(".pennypost/alice/journal", "x", alice.uid);
}

static void
test_journal(void)
{
	int fd;

	put_journal();
	seen->recovers = 0;
	ok(open_as_is(&fd) == OK && seen->recovers == 1,
	    "an interrupted update is finished before the mailbox is shown");
	close_fd(&fd);
	ok(open_as_is(&fd) == OK && seen->recovers == 1, "and only once");
	close_fd(&fd);
	put_journal();
	seen->status = ERR_IO;
	ok(open_as_is(&fd) == ERR_IO, "if it cannot be, nobody sees it");
	put_journal();
	seen->status = ERR_DAMAGED;
	ok(open_as_is(&fd) == OK, "a journal that was set aside is no matter");
	close_fd(&fd);
	seen->status = OK;
}

int
main(void)
{
	spool_begin();
	put_journal();
	role_begin();
	for (int i = 0; i < 6000 && seen->recovers == 0; i++)
		poll(NULL, 0, 10);
	ok(seen->recovers == 1 && seen->recover_dotlocked,
	    "at its start it finishes what a crash interrupted");
	for (int i = 0; i < 6000 && exists("alice.lock"); i++)
		poll(NULL, 0, 10);
	test_lock();
	test_open();
	test_commit();
	test_death();
	test_half_moved();
	test_session_death();
	test_journal();
	test_stop();
	spool_end();
	return done_testing();
}
