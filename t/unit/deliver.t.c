/* The opener, its append processes and their askers, in processes of their
 * own, over channels as in life. */
#define _GNU_SOURCE
#include "t/unit/chain_faults.h"

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

static void
test_unsafe(void)
{
	int asker = chain_asker(&chain, false), q = chain_asker(&chain, true);

	chain_must(symlink("/etc/passwd", box_path("bob")) == 0, "symlink");
	struct delivery d = chain_deliver(asker, "bob", "x");
	ok(d.status == ERR_UNSAFE && strchr(d.text, '/') == NULL,
	    "a worker is told no path: %s", d.text);
	d = chain_deliver(q, "bob", "x");
	ok(d.status == ERR_UNSAFE && strstr(d.text, chain.base) != NULL,
	    "the queue is told what is wrong: %s", d.text);
	unlink(box_path("bob"));

	char top[128], dir[160], journal[200];
	snprintf(top, sizeof(top), "%s/mail/.pennypost", chain.base);
	snprintf(dir, sizeof(dir), "%s/bob", top);
	snprintf(journal, sizeof(journal), "%s/journal", dir);
	mkdir(top, 0755);
	mkdir(dir, 0700);
	int fd = open(journal, O_WRONLY | O_CREAT, 0600);
	chain_must(write(fd, "x", 1) == 1, journal);
	close(fd);
	d = chain_deliver(q, "bob", "x");
	ok(d.status == ERR_BUSY && messages("bob") == 0,
	    "unfinished deletions come first: %s", d.text);
	unlink(journal);
	rmdir(dir);
	rmdir(top);

	/* Replaced between opening and writing. */
	struct delivery o = { .recipient = "bob",
		.id = "1",
		.sender = "",
		.original = "bob",
		.file = -1,
		.content = view_of("x\r\n") };
	deliver_put_open(&m, &o);
	msg_call(asker, &m, 5000);
	int c = deliver_got_open(&m, &o);
	rename(box_path("bob"), box_path("old"));
	deliver_put_append(&m, &o);
	bool answered = msg_call(c, &m, 5000);
	deliver_got_append(&m, &o);
	ok(answered && o.status == ERR_CHANGED && messages("old") == 0,
	    "a mailbox that was renamed meanwhile is not written");
	close(c);
	unlink(box_path("old"));
	close(asker);
	close(q);
	alive("all that");
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

static unsigned
wait_all(void)
{
	unsigned good = 0;
	int how;

	while (wait(&how) > 0)
		good += how == 0;
	return good;
}

/* Forked from a process that has no other children but the opener. */
static unsigned
run_clients(unsigned n, void (*body)(unsigned))
{
	int how;
	pid_t boss = fork();

	if (boss == 0) {
		for (unsigned i = 0; i < n; i++)
			if (fork() == 0)
				body(i);
		_exit((int)wait_all());
	}
	waitpid(boss, &how, 0);
	return (unsigned)WEXITSTATUS(how);
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

/* ---- a mailbox that another program holds ---- */

/* On a busy machine all takes longer, so these tests are made anew with longer
 * times until what they say of times holds: 1, 3, 9 times as long. */
static int scale;
static void reload(const char *extra);

static void
lock_wait_600(void)
{
	char text[80];

	snprintf(text, sizeof(text),
	    "append_processes 4\nmailbox_lock_wait %dms\n", 600 * scale);
	reload(text);
}

static void
busy_client(unsigned n)
{
	int asker = chain_asker(&chain, false);
	int64_t t = ms();
	struct delivery d;

	if (n < 6) {
		d = chain_deliver(asker, "alice", "x\r\n");
		t = ms() - t;
		if (d.status != ERR_BUSY)
			_exit(1);
		/* mailbox_lock_wait is 600 ms; t is told by a flush count */
		if (t < 300 * scale)
			shared->flushes += 1;
		_exit(t < 2500 * scale ? 0 : 1);
	}
	for (int i = 0; i < 20; i++) {
		d = chain_deliver(asker, n & 1 ? "bob" : "u2", "x\r\n");
		if (d.status != OK)
			_exit(1);
	}
	_exit(ms() - t < 500 * scale ? 0 : 1);
}

static void
test_busy(void)
{
	int asker = chain_asker(&chain, false);

	unsigned good = 0;
	bool behind = false;
	pid_t p;
	chain_deliver(asker, "alice", "first\r\n");
	for (scale = 1; scale <= 9 && good != 12; scale *= 3) {
		lock_wait_600();
		p = hold("alice", 60000);
		shared->flushes = 0;
		good = run_clients(12, busy_client);
		behind = behind || messages("alice") != 1;
		kill(p, SIGKILL);
		waitpid(p, NULL, 0);
	}
	ok(good == 12,
	    "six get ERR_BUSY in time, six others are served "
	    "meanwhile (%u)",
	    good);
	ok(!behind, "nothing was written behind the lock");

	struct delivery d = { .status = ERR_BUSY };
	int64_t t = 0;
	for (scale = 1; scale <= 9 && d.status != OK; scale *= 3) {
		lock_wait_600();
		p = hold("alice", 200 * scale);
		t = ms();
		d = chain_deliver(asker, "alice", "x\r\n");
		t = ms() - t;
		waitpid(p, NULL, 0);
	}
	ok(d.status == OK && t >= 100,
	    "a lock that is released in time is waited for (%ld ms)", (long)t);
	scale = 1;
	lock_wait_600();
	p = hold("alice", 60000);
	d = chain_deliver(asker, "alice", "x\r\n");
	ok(d.status == ERR_BUSY && d.text[0] != '\0', "else not: %s", d.text);
	kill(p, SIGKILL);
	waitpid(p, NULL, 0);
	d = chain_deliver(asker, "alice", "x\r\n");
	ok(d.status == OK && messages("alice") == 3, "and then it goes on");
	close(asker);
	reset();
	unlink(box_path("u2"));
}

static void
third_wheel(unsigned n)
{
	int asker = chain_asker(&chain, false);
	int64_t t = ms();

	usleep(n * 20000 * (unsigned)scale);
	struct delivery d = chain_deliver(asker, "alice", "x\r\n");
	t = ms() - t;
	/* The first two wait 600 ms, the others not at all. */
	_exit(
	    d.status == ERR_BUSY && (n < 2 ? t >= 500 * scale : t < 400 * scale)
		? 0
		: 1);
}

static void
test_two_wait(void)
{
	unsigned good = 0;

	for (scale = 1; scale <= 9 && good != 5; scale *= 3) {
		lock_wait_600();
		pid_t p = hold("alice", 60000);
		chain_must(geteuid() != 0 || chown(box_path("alice"), CHAIN_UID,
						 CHAIN_UID) == 0,
		    "chown");
		good = run_clients(5, third_wheel);
		kill(p, SIGKILL);
		waitpid(p, NULL, 0);
	}
	scale = 1;
	lock_wait_600();
	ok(good == 5, "two wait in front of a mailbox, three do not (%u)",
	    good);
	reset();
}

/* ---- things that go wrong ---- */

static void
mixed_client(unsigned n)
{
	int asker = chain_asker(&chain, false);
	static char text[50000];

	memset(text, 'x', sizeof(text) - 1);
	if (n == 1)
		text[100] = '\0';
	struct delivery d = chain_deliver(asker, "alice", text);
	_exit(d.status == (n == 1 ? OK : ERR_NOSPACE) ? 0 : 1);
}

static void
test_full(void)
{
	int asker = chain_asker(&chain, false);

	chain_deliver(asker, "alice", "S: first\r\n\r\nx\r\n");
	char *before = strdup(content("alice"));
	shared->write_errno = ENOSPC;
	struct delivery d = chain_deliver(asker, "alice", "x\r\n");
	ok(d.status == ERR_NOSPACE && strcmp(content("alice"), before) == 0,
	    "a full disk: %s", d.text);
	shared->write_errno = EDQUOT;
	d = chain_deliver(asker, "alice", "x\r\n");
	ok(d.status == ERR_QUOTA && strcmp(content("alice"), before) == 0,
	    "a full quota: %s", d.text);
	free(before);
	/* Small ones fit where large ones do not, in the same batch, too:
	 * all three come while the mailbox is held. */
	shared->write_errno = ENOSPC;
	shared->write_max = 1000;
	shared->flush_us = 100000;
	unsigned good = run_clients(3, mixed_client);
	ok(good == 3 && messages("alice") == 2,
	    "what fits of a batch is delivered (%u)", good);
	shared->write_errno = 0;
	shared->flush_us = shared->write_max = 0;

	before = strdup(content("alice"));
	struct delivery f = { .id = "AB12",
		.recipient = "alice",
		.original = "alice",
		.sender = "",
		.length = FILE_MAX };
	f.file = file_of("");
	chain_must(ftruncate(f.file, FILE_MAX) == 0, "ftruncate");
	ask_deliver(asker, &f);
	ok(f.status == ERR_QUOTA && strcmp(content("alice"), before) == 0,
	    "a file as large as a file may be: %s", f.text);
	close(f.file);
	free(before);

	unsigned none = 0, worse = 0;
	struct rlimit old;
	prlimit(chain.opener, RLIMIT_NOFILE, NULL, &old);
	for (unsigned n = 4; n < 64; n++) {
		struct rlimit few = { n, old.rlim_max };
		prlimit(chain.opener, RLIMIT_NOFILE, &few, NULL);
		d = chain_deliver(asker, "alice", "x\r\n");
		none += d.status == ERR_NOMEM;
		worse += d.status != OK && d.status != ERR_NOMEM;
	}
	prlimit(chain.opener, RLIMIT_NOFILE, &old, NULL);
	ok(none > 0 && worse == 0,
	    "an opener out of descriptors says so and lives on (%u)", none);
	close(asker);
	alive("all that");
	reset();
}

static bool
appenders_are(unsigned n)
{
	pid_t pid[32];

	for (int i = 0; i < 1000 && chain_appenders(&chain, pid, 32) != n; i++)
		usleep(20000);
	return chain_appenders(&chain, pid, 32) == n;
}

static void
test_death(void)
{
	int asker = chain_asker(&chain, false);
	pid_t pid[32];
	struct delivery d = { .status = ERR_DOWN };
	unsigned n = chain_appenders(&chain, pid, 32);

	ok(n == 4, "append_processes of them (%u)", n);
	for (unsigned i = 0; i < n; i++)
		kill(pid[i], SIGKILL);
	for (int i = 0; i < 1500 && d.status != OK; i++) {
		d = chain_deliver(asker, "alice", "x\r\n");
		if (d.status != OK && d.status != ERR_DOWN)
			break;
		usleep(20000);
	}
	ok(d.status == OK, "dead append processes are replaced: %s", d.text);
	ok(appenders_are(4), "all of them");
	close(asker);
	reset();
}

/* ---- dotlocks, reload, end ---- */

static void
reload(const char *extra)
{
	msg_start(&m, CTL_SETTINGS);
	msg_put_u32(&m, geteuid() == 0 ? CTL_F_ROOT : 0);
	m.fd = chain_settings_fd(&chain, extra);
	msg_send(chain.ctl, &m);
	close_fd(&m.fd);
	usleep(200000);
}

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
	struct rlimit all, size;

	chain_shared();
	getrlimit(RLIMIT_FSIZE, &all);
	size = all;
	size.rlim_cur = FILE_MAX; /* for the role, not for us */
	setrlimit(RLIMIT_FSIZE, &size);
	chain_start(&chain, 3, "append_processes 4\nmailbox_lock_wait 600ms\n");
	setrlimit(RLIMIT_FSIZE, &all);
	test_deliver();
	test_unsafe();
	test_many();
	test_busy();
	test_two_wait();
	test_full();
	test_death();
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
