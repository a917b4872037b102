/* What the deliver role refuses or cannot do: mailboxes that are not safe or
 * that another program holds, full disks, append processes that die. */
#define _GNU_SOURCE
#include "t/unit/deliver_role.h"

/* ---- mailboxes that are not safe ---- */

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

/* ---- a mailbox that another program holds ---- */

/* On a busy machine all takes longer, so these tests are made anew with longer
 * times until what they say of times holds: 1, 3, 9 times as long. */
static int scale;

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

int
main(void)
{
	deliver_start();
	test_unsafe();
	test_busy();
	test_two_wait();
	test_full();
	test_death();
	ok(chain_stop(&chain), "it ends when it is told to");
	return done_testing();
}
