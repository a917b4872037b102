/* The opener, its append processes and their askers, in processes of their
 * own, over channels as in life. */
#define _GNU_SOURCE
#include "t/unit/deliver_role.h"

#include "spool/lock.h"
#include "spool/pace.h"

/* ---- what it is for ---- */

static void
test_deliver(void)
{
	int asker = chain_asker(&chain, false);
	struct stat st;
	struct delivery d = chain_deliver(
	    asker, "Bob+x@EXAMPLE.org", "Subject: s\r\n\r\n.\r\nFrom me\r\n");

	ok(d.status == OK && strcmp(d.user, "bob") == 0 && d.text[0] != '\0',
	    "a message is delivered: %s: %s", d.user, d.text);
	const char *c = content("bob");
	const char *second = strchr(c, '\n');
	ok(strncmp(c, "From eve@example.com ", 21) == 0 && second != NULL &&
		strcmp(second + 1, "Return-Path: <eve@example.com>\n"
				   "X-Original-To: Bob+x@EXAMPLE.org\n"
				   "Delivered-To: bob@example.org\nSubject: "
				   "s\n\n.\n>From me\n\n") == 0,
	    "as it should be");
	ok(stat(box_path("bob"), &st) == 0 && (st.st_mode & 0777) == 0600 &&
		(geteuid() != 0 ||
		    (st.st_uid == CHAIN_UID + 1 && st.st_gid == CHAIN_MAIL)),
	    "in a mailbox that was made, 0600");
	d = chain_deliver(asker, "nobody", "x");
	ok(d.status == ERR_GONE, "an unknown user: %s", d.text);
	d = chain_deliver(asker, "bob@example.com", "x");
	ok(d.status == ERR_PERM, "somebody else's address: %s", d.text);

	struct delivery f = { .id = "AB12",
		.recipient = "alice",
		.original = "alice",
		.sender = "",
		.offset = 2,
		.length = 15 };
	f.file = file_of("xxSubject: file\r\nxx");
	ask_deliver(asker, &f);
	ok(f.status == OK && fcntl(f.file, F_GETFD) != -1,
	    "a message from a file, which is only lent: %s", f.text);
	ok(strstr(content("alice"), "@example.org\nSubject: file\n\n") != NULL,
	    "the part of it that was named");
	close(f.file);
	close(asker);
	reset();
}

/* ---- many at once ---- */

enum { CLIENTS = 20, EACH = 25 };

static void
client(unsigned n)
{
	int asker = chain_asker(&chain, false);
	char text[64];

	for (unsigned i = 0; i < EACH; i++) {
		snprintf(text, sizeof(text), "I: <%u.%u>\r\n\r\nx\r\n", n, i);
		struct delivery d = chain_deliver(asker, "alice", text);
		if (d.status != OK)
			_exit(1);
	}
	_exit(0);
}

static void
test_many(void)
{
	shared->flushes = 0;
	shared->flush_us = 2000; /* a disk, so that some must wait */
	unsigned good = run_clients(CLIENTS, client);
	shared->flush_us = 0;
	ok(good == CLIENTS, "%u clients are served (%u)", CLIENTS, good);
	size_t n = messages("alice");
	ok(n == CLIENTS * EACH, "%u messages are there (%zu)", CLIENTS * EACH,
	    n);
	unsigned once = 0;
	const char *all = content("alice");
	for (unsigned i = 0; i < CLIENTS * EACH; i++) {
		char id[32];
		snprintf(id, sizeof(id), "\nI: <%u.%u>\n", i / EACH, i % EACH);
		const char *at = strstr(all, id);
		once += at != NULL && strstr(at + 1, id) == NULL;
	}
	ok(once == CLIENTS * EACH, "each of them once");
	ok(shared->flushes > 0 && shared->flushes < CLIENTS * EACH / 4,
	    "with far fewer flushes (%u)", (unsigned)shared->flushes);
	reset();
}

/* ---- dotlocks, reload, end ---- */

static void
slow_client(unsigned n)
{
	struct delivery d =
	    chain_deliver(chain_asker(&chain, false), "alice", "x\r\n");

	(void)n;
	_exit(d.status == OK ? 0 : 1);
}

/* Deliveries pass the turnstile, and leave gaps. */
static void
test_turns(void)
{
	int asker = chain_asker(&chain, false), how = -1;
	char append[160];

	reload("append_processes 2\nmailbox_lock_wait 60s\n"
	       "mailbox_locks fcntl dotlock\n");
	ok(appenders_are(2) &&
		chain_deliver(asker, "alice", "x\r\n").status == OK,
	    "a delivery comes through");
	snprintf(append, sizeof(append), "%s/mail/.pennypost/alice/append",
	    chain.base);
	int fd = open(append, O_RDONLY | O_CLOEXEC);
	size_t before = messages("alice");
	turnstile_close(fd);
	pid_t p = fork();
	if (p == 0)
		slow_client(0);
	usleep(400000);
	ok(fd != -1 && messages("alice") == before &&
		waitpid(p, NULL, WNOHANG) == 0,
	    "while somebody waits for the mailbox none begins");
	turnstile_leave(fd);
	waitpid(p, &how, 0);
	ok(how == 0 && messages("alice") == before + 1, "then it does");

	int64_t longest = 0, last = ms();
	unsigned good = 0;
	shared->flush_us = 700000;
	for (unsigned i = 0; i < 6; i++) {
		good += chain_deliver(asker, "alice", "x\r\n").status == OK;
		longest = ms() - last > longest ? ms() - last : longest;
		last = ms();
	}
	shared->flush_us = 0;
	ok(good == 6 && longest >= PACE_GAP,
	    "a run of deliveries has a gap (%lld ms)", (long long)longest);

	reload("append_processes 2\nmailbox_lock_wait 300ms\n");
	turnstile_close(fd);
	struct delivery d = chain_deliver(asker, "alice", "x\r\n");
	ok(d.status == ERR_BUSY,
	    "who waits for ever makes it busy, no more: %s", d.text);
	close(fd);
	close(asker);
	reset();
}

static void
test_dotlock(void)
{
	int asker = chain_asker(&chain, false);
	char lock[160];
	pid_t pid[32];

	reload("append_processes 2\nmailbox_lock_wait 600ms\n"
	       "mailbox_locks fcntl dotlock\nquoting mboxo\n");
	ok(appenders_are(2), "after a reload there are fewer append processes");
	snprintf(lock, sizeof(lock), "%s.lock", box_path("alice"));
	struct delivery d =
	    chain_deliver(asker, "alice", "S: x\r\n\r\n>From a\r\n");
	ok(d.status == OK && access(lock, F_OK) == -1 &&
		strstr(content("alice"), "\n>From a\n") != NULL,
	    "delivered with a dotlock, which is gone again; mboxo: %s", d.text);
	int fd = open(lock, O_WRONLY | O_CREAT | O_EXCL, 0644);
	close(fd);
	int64_t t = ms();
	d = chain_deliver(asker, "alice", "x\r\n");
	ok(d.status == ERR_BUSY && ms() - t < 25000 && access(lock, F_OK) == 0,
	    "another program's dotlock keeps us out: %s", d.text);
	unlink(lock);

	/* mailutils rewrites a mailbox by putting another file in its place,
	 * under the dotlock only: perhaps when we have the other lock. */
	size_t before = messages("alice");
	shared->replace = true;
	d = chain_deliver(asker, "alice", "S: replaced\r\n\r\nx\r\n");
	ok(d.status == OK && !shared->replace && before > 0 &&
		messages("old") == before && messages("alice") == 1 &&
		access(lock, F_OK) == -1,
	    "a mailbox that another took the place of under a dotlock is not "
	    "written: %s",
	    d.text);
	unlink(box_path("old"));

	/* An append process dies while it holds one. */
	shared->flush_us = 100000000;
	pid_t p = fork();
	if (p == 0)
		slow_client(0);
	for (int i = 0; i < 6000 && access(lock, F_OK) == -1; i++)
		usleep(10000);
	ok(access(lock, F_OK) == 0, "it is there while we write");
	shared->flush_us = 0;
	chain_appenders(&chain, pid, 32);
	for (unsigned i = 0; i < 2; i++)
		kill(pid[i], SIGKILL);
	waitpid(p, NULL, 0);
	for (int i = 0; i < 6000 && access(lock, F_OK) == 0; i++)
		usleep(10000);
	ok(access(lock, F_OK) == -1, "and not for long after its holder died");
	ok(appenders_are(2), "both are replaced");
	d = chain_deliver(asker, "alice", "x\r\n");
	ok(d.status == OK, "the next one is delivered: %s", d.text);
	reload("append_processes 5\n");
	ok(appenders_are(5), "more after another reload");
	close(asker);
	reset();
}

int
main(void)
{
	deliver_start();
	test_deliver();
	test_many();
	test_turns();
	test_dotlock();
	alive("all tests");
	/* Told to stop in the middle of a flush. */
	int how = -1;
	unsigned flushes = shared->flushes;
	shared->flush_us = 700000;
	pid_t slow = fork();
	if (slow == 0)
		slow_client(0);
	for (int i = 0; i < 6000 && shared->flushes == flushes; i++)
		usleep(10000);
	/* What it leaves behind becomes our child. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	ok(chain_stop(&chain), "it ends when it is told to");
	waitpid(slow, &how, 0);
	ok(how == 0, "but finishes the delivery that it has begun");
	for (int i = 0; i < 6000 && waitpid(-1, NULL, WNOHANG) != -1; i++)
		usleep(10000);
	ok(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD,
	    "and leaves no process behind");
	return done_testing();
}
