/* The queue directory: nothing that was accepted is lost and nothing else is
 * published, whatever fails or ends when. */
#define _GNU_SOURCE
#include "spool/queue.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "common/file.h"
#include "common/msg.h"
#include "t/unit/fault.h"
#include "t/unit/tap.h"

#define ID "0123456789ABCDEF"

static char root[64];
static int root_fd = -1;
static struct queue q;
static char content[100000];

static void
fresh(void)
{
	char why[256];

	queue_close(&q);
	enum status st = queue_open(&q, root_fd, why, sizeof(why));
	if (st != OK) {
		printf("Bail out! queue_open: %s\n", why);
		exit(1);
	}
	queue_sweep(&q);
}

static unsigned
count(const char *sub)
{
	char path[128];
	unsigned n = 0;

	snprintf(path, sizeof(path), "%s/%s", root, sub);
	DIR *d = opendir(path);
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void
count_one(void *arg, const char *id)
{
	(void)id;
	++*(unsigned *)arg;
}

static unsigned
published(void)
{
	unsigned n = 0, foreign;

	return queue_scan(&q, count_one, &n, &foreign) == OK ? n : 999;
}

static void
clear(void)
{
	static const char *const subs[] = { "active", "incoming", "damaged" };
	char path[512];

	for (size_t i = 0; i < NELEM(subs); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, subs[i]);
		DIR *d = opendir(path);
		for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
			if (e->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%s/%s", root, subs[i],
			    e->d_name);
			if (unlink(path) == -1)
				rmdir(path);
		}
		if (d != NULL)
			closedir(d);
	}
}

/* What the role does for one message.  n: octets of content. */
static enum status
deposit(const char *id, size_t n, bool spooled)
{
	struct publication p = { .content = -1, .length = n };
	enum status st = OK;
	struct buf b;

	buf_init(&b, sizeof(content) + 4096);
	envelope_print_head(&b, &(struct envelope){ .id = view_of(id),
				    .arrived_us = 1,
				    .sender = view_of("a@b.example") });
	envelope_print_rcpt(&b, view_of("bob@b.example"), view_of("bob"));
	envelope_print_end(&b, 1, n);
	if (!spooled)
		buf_add(&b, content, n);
	if (spooled) {
		p.content = queue_spool(&q, &st);
		if (p.content != -1)
			st = file_write_at(p.content, content, n, 0);
	}
	int fd = st == OK ? queue_create(&q, id, &st) : -1;
	if (st == OK)
		st = file_write_at(fd, b.p, b.n, 0);
	close_fd(&fd);
	if (st == OK) {
		view_copy(view_of(id), p.id, sizeof(p.id));
		queue_publish(&q, &p, 1);
		st = p.status;
	} else if (fd != -1 || st != ERR_INVALID) {
		queue_forget(&q, id);
	}
	close_fd(&p.content);
	buf_free(&b);
	return st;
}

/* The record is there and holds what was deposited. */
static bool
whole(const char *id, size_t n)
{
	static char back[sizeof(content)];
	struct record r;
	const char *why;

	if (queue_load(&q, id, &r, &why) != OK)
		return false;
	bool good = r.env.rcpt_n == 1 && r.env.content_n == n &&
		    view_eqs(r.env.sender, "a@b.example") &&
		    queue_record_read(&r, back, n) == OK &&
		    memcmp(back, content, n) == 0;
	queue_unload(&r);
	return good;
}

static void
test_basics(void)
{
	enum status st;
	struct record r;
	const char *why;
	char name[64];

	ok(deposit(ID, 3000, false) == OK && whole(ID, 3000),
	    "a message is published");
	ok(count("incoming") == 0, "and nothing stays in incoming/");
	ok(deposit(ID, 10, false) == ERR_INVALID && whole(ID, 3000),
	    "an id that is taken is refused, and the record unharmed");
	ok(count("incoming") == 0, "again nothing stays");
	ok(deposit("01234567", sizeof(content), true) == OK &&
		whole("01234567", sizeof(content)),
	    "a spooled message is published");
	ok(deposit("89ABCDEF", 0, false) == OK && whole("89ABCDEF", 0) &&
		deposit("89ABCDE0", 0, true) == OK && whole("89ABCDE0", 0),
	    "empty ones, too");
	ok(published() == 4, "all are found at a start");
	st = queue_load(&q, ID, &r, &why);
	ok(st == OK && queue_mark(&r, 0, RCPT_DONE) == OK, "marking");
	queue_unload(&r);
	st = queue_load(&q, ID, &r, &why);
	ok(st == OK && r.env.rcpt[0].state == RCPT_DONE, "is on disk");
	int fd = queue_record_reader(&q, &r, &st);
	ok(fd != -1 && write(fd, "x", 1) == -1,
	    "the descriptor that is given away cannot write");
	queue_unload(&r);
	ok(queue_remove(&q, ID) == OK && published() == 3, "removed");
	ok(queue_load(&q, ID, &r, &why) == ERR_GONE, "is gone");
	ok(queue_set_aside(&q, "01234567", name, sizeof(name)) == OK &&
		count("damaged") == 1 && published() == 2,
	    "a record is set aside");
	deposit("01234567", 10, false);
	ok(queue_set_aside(&q, "01234567", name, sizeof(name)) == OK &&
		count("damaged") == 2,
	    "a second of that name beside it, not over it (%s)", name);
	clear();
}

static void
test_spool_file(void)
{
	struct publication p = { .id = ID };
	enum status st;
	struct stat s;
	int fd = queue_spool(&q, &st);

	ok(fd != -1 && fstat(fd, &s) == 0 && s.st_nlink == 0 &&
		s.st_size == 0 && (s.st_mode & 0777) == 0600,
	    "a spool file has no name");
	file_write_at(fd, "0123456789", 10, 0);
	close(queue_create(&q, ID, &st));
	p.content = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	p.length = 11;
	queue_publish(&q, &p, 1);
	ok(p.status == ERR_INVALID && count("incoming") == 0 &&
		published() == 0,
	    "a length beyond its end is refused");
	close(fd);
	/* Without O_TMPFILE. */
	fault_arm(FAULT_ERROR, 1, EOPNOTSUPP);
	fd = queue_spool(&q, &st);
	fault_disarm();
	ok(fd != -1 && fstat(fd, &s) == 0 && s.st_nlink == 0 &&
		count("incoming") == 0,
	    "nor where the file system cannot make such a one");
	close_fd(&fd);
	/* Without copy_file_range: openat, then it. */
	fault.stays = false;
	fault_arm(FAULT_ERROR, 6, EXDEV);
	st = deposit(ID, sizeof(content), true);
	bool came = fault_disarm();
	ok(came && st == OK && whole(ID, sizeof(content)),
	    "content is copied by hand if it must be");
	clear();
}

/* Records that are not what they should be. */
static void
write_file(const char *name, const char *text, size_t n)
{
	int fd = openat(q.active, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	file_write_at(fd, text, n, 0);
	close(fd);
}

static bool
load_damaged(const char *id)
{
	struct record r;
	const char *why = "";
	enum status st = queue_load(&q, id, &r, &why);

	queue_unload(&r);
	return st == ERR_DAMAGED && why[0] != '\0';
}

static void
test_damaged(void)
{
	char path[256];
	static char big[ENVELOPE_MAX + 65536];
	struct stat s;
	int fd;

	deposit(ID, 3000, false);
	fd = openat(q.active, ID, O_RDWR);
	fstat(fd, &s);
	(void)!ftruncate(fd, s.st_size - 1);
	ok(load_damaged(ID), "a record that lost its last octet");
	(void)!ftruncate(fd, s.st_size + 1);
	ok(load_damaged(ID), "or has one more");
	(void)!ftruncate(fd, 100);
	ok(load_damaged(ID), "or ends in its envelope");
	(void)!ftruncate(fd, 0);
	ok(load_damaged(ID), "or is empty");
	close(fd);
	write_file("00000001", big, sizeof(big));
	ok(load_damaged("00000001"), "or is all NULs");
	memset(big, 'x', sizeof(big));
	write_file("00000001", big, sizeof(big));
	ok(load_damaged("00000001"), "or never ends");
	clear();
	deposit(ID, 10, false);
	(void)!renameat(q.active, ID, q.active, "00000002");
	ok(load_damaged("00000002"), "or was renamed");
	(void)!symlinkat("00000002", q.active, "00000003");
	ok(load_damaged("00000003"), "or is a link");
	(void)!mkdirat(q.active, "00000004", 0700);
	ok(load_damaged("00000004"), "or a directory");
	snprintf(path, sizeof(path), "%s/active/00000005", root);
	(void)!mkfifo(path, 0600);
	ok(load_damaged("00000005"), "or a FIFO, without waiting");
	write_file("README", "x", 1);
	write_file("../active/x", "x", 1);
	unsigned n = 0, foreign = 0;
	queue_scan(&q, count_one, &n, &foreign);
	ok(n == 4 && foreign == 2, "other names are no records");
	clear();
}

/* An envelope longer than one read. */
static void
test_long(void)
{
	struct record r;
	const char *why;
	struct buf b;
	bool good = true;

	buf_init(&b, ENVELOPE_MAX);
	for (unsigned n = 400; n < 420; n++) {
		buf_clear(&b);
		envelope_print_head(&b, &(struct envelope){ .id = view_of(ID),
					    .sender = view_of("") });
		for (unsigned i = 0; i < n; i++)
			envelope_print_rcpt(&b,
			    view_of("somebody@department.example"),
			    view_of("someone"));
		envelope_print_end(&b, n, 5);
		buf_adds(&b, "\n\nabc");
		write_file(ID, b.p, b.n);
		good &= queue_load(&q, ID, &r, &why) == OK &&
			r.env.rcpt_n == n && r.env.content_at == b.n - 5;
		queue_unload(&r);
	}
	ok(good, "envelopes around the size of one read");
	buf_free(&b);
	clear();
}

static void
test_locks(void)
{
	struct queue other;
	char why[256];

	fresh();
	ok(q.runner, "the first is the runner");
	ok(queue_open(&other, root_fd, why, sizeof(why)) == OK && !other.runner,
	    "the second is not");
	ok(queue_run(&other) == ERR_BUSY, "nor later");
	queue_touched(&q);
	ok(!queue_touched(&q), "nothing new");
	struct timespec t = { .tv_nsec = 20000000 };
	nanosleep(&t, NULL);
	queue_touch(&other);
	ok(queue_touched(&q) && !queue_touched(&q), "until it is touched");
	queue_sweep(&other);
	enum status st;
	close(queue_create(&other, ID, &st));
	ok(queue_sweep(&q) == 0 && count("incoming") == 1,
	    "what another process writes is not swept away");
	queue_close(&other);
	ok(queue_sweep(&q) == 1 && count("incoming") == 0,
	    "what a dead one left is");
	struct queue third;
	queue_open(&third, root_fd, why, sizeof(why));
	queue_close(&q);
	ok(queue_run(&third) == OK, "the next one runs when the first ends");
	queue_close(&third);
	fresh();
	chmod(root, 0770);
	ok(queue_open(&third, root_fd, why, sizeof(why)) == ERR_UNSAFE &&
		why[0] != '\0',
	    "a directory that others may write is refused: %s", why);
	chmod(root, 0700);
}

static void
test_sweep_many(void)
{
	char name[32];
	enum status st;

	for (unsigned i = 0; i < 2500; i++) {
		snprintf(name, sizeof(name), "%08X", i);
		close(queue_create(&q, name, &st));
	}
	ok(queue_sweep(&q) == 2500 && count("incoming") == 0,
	    "2,500 leftovers are removed");
}

/* ---- each operation fails ---- */

static void
test_faults(bool spooled)
{
	static const int errors[] = { EIO, ENOSPC, EDQUOT, EFBIG, EINTR };
	static const enum status want[] = { ERR_IO, ERR_NOSPACE, ERR_QUOTA,
		ERR_QUOTA, ERR_BUSY };
	size_t size = spooled ? sizeof(content) : 3000;
	unsigned rounds = 0, honest = 0, clean = 0, right = 0;

	for (size_t e = 0; e < NELEM(errors); e++) {
		bool came = true;
		for (long nth = 1; came; nth++) {
			fault_arm(FAULT_ERROR, nth, errors[e]);
			enum status st = deposit(ID, size, spooled);
			came = fault_disarm();
			rounds++;
			/* OK: it is all there.  Else: there is nothing. */
			honest += st == OK ? whole(ID, size) : published() == 0;
			clean += st == OK || count("incoming") == 0;
			right += st == OK || st == want[e];
			clear();
		}
	}
	ok(rounds > 20 && honest == rounds,
	    "%s: each operation fails: the answer is true (%u times)",
	    spooled ? "spooled" : "inline", rounds);
	ok(clean == rounds, "and nothing is left behind (%u)", clean);
	ok(right == rounds, "and it says why (%u)", right);
}

/* From the N-th operation on nothing works any more, not even cleaning up. */
static void
test_dead_disk(bool spooled)
{
	size_t size = spooled ? sizeof(content) : 3000;
	unsigned rounds = 0, honest = 0;
	bool came = true;

	for (long nth = 1; came; nth++) {
		fault.stays = true;
		fault_arm(FAULT_ERROR, nth, EIO);
		enum status st = deposit(ID, size, spooled);
		came = fault_disarm();
		rounds++;
		/* Not accepted, but published: at most once, and whole. */
		honest += st == OK ? whole(ID, size)
				   : published() == 0 || whole(ID, size);
		fresh();
		honest += count("incoming") == 0;
		clear();
	}
	ok(rounds > 4 && honest == 2 * rounds,
	    "%s: a disk that dies: nothing half-published (%u times)",
	    spooled ? "spooled" : "inline", rounds);
}

static void
test_short(bool spooled)
{
	size_t size = spooled ? sizeof(content) : 3000;
	unsigned rounds = 0, good = 0;
	bool came = true;

	for (long nth = 1; came; nth++) {
		fault_arm(FAULT_SHORT, nth, 0);
		enum status st = deposit(ID, size, spooled);
		came = fault_disarm();
		rounds++;
		good += st == OK && whole(ID, size);
		clear();
	}
	ok(good == rounds, "%s: short writes are continued (%u times)",
	    spooled ? "spooled" : "inline", rounds);
}

/* ---- the process ends before each operation ---- */

static void
test_crash(bool spooled)
{
	size_t size = spooled ? sizeof(content) : 3000;
	unsigned rounds = 0, kept = 0, none_half = 0, swept = 0;
	bool ended = false;

	for (long nth = 1; !ended; nth++) {
		int told[2], status;
		char yes = 0;
		(void)!pipe(told);
		pid_t pid = fork();
		if (pid == 0) {
			char why[256];
			queue_open(&q, root_fd, why, sizeof(why));
			queue_sweep(&q);
			fault_arm(FAULT_DIE, nth, 0);
			enum status st = deposit(ID, size, spooled);
			fault_disarm();
			if (st == OK)
				(void)!write(told[1], "y", 1);
			_exit(77);
		}
		close(told[1]);
		bool acknowledged = read(told[0], &yes, 1) == 1;
		close(told[0]);
		waitpid(pid, &status, 0);
		ended = WIFEXITED(status) && WEXITSTATUS(status) == 77;
		fresh(); /* the next start */
		rounds++;
		kept += !acknowledged || whole(ID, size);
		none_half += published() == 0 || whole(ID, size);
		swept += count("incoming") == 0;
		clear();
	}
	ok(rounds > 4 && kept == rounds,
	    "%s: kill before each operation: what was accepted is there "
	    "(%u times)",
	    spooled ? "spooled" : "inline", rounds);
	ok(none_half == rounds, "and nothing is half-published");
	ok(swept == rounds, "and nothing stays in incoming/");
}

/* ---- many at once ---- */

static void
prepare(struct publication *p, unsigned i)
{
	enum status st;
	struct buf b;

	snprintf(p->id, sizeof(p->id), "%08X", i);
	p->content = -1;
	buf_init(&b, 4096);
	envelope_print_head(&b, &(struct envelope){ .id = view_of(p->id),
				    .sender = view_of("a@b.example") });
	envelope_print_rcpt(&b, view_of("bob@b.example"), view_of("bob"));
	envelope_print_end(&b, 1, 4);
	buf_add(&b, content, 4);
	int fd = queue_create(&q, p->id, &st);
	file_write_at(fd, b.p, b.n, 0);
	close(fd);
	buf_free(&b);
}

static void
test_batch(void)
{
	struct publication p[QUEUE_PUBLISH_MAX];
	unsigned rounds = 0, good = 0;
	bool came = true;

	for (long nth = 1; came; nth++) {
		unsigned n = 5;
		for (unsigned i = 0; i < n; i++)
			prepare(&p[i], i);
		fault_arm(FAULT_ERROR, nth, EIO);
		queue_publish(&q, p, n);
		came = fault_disarm();
		bool right = true;
		for (unsigned i = 0; i < n; i++) {
			right &= p[i].status == OK ? whole(p[i].id, 4)
						   : p[i].status == ERR_IO;
			right &= p[i].status == OK ||
				 faccessat(q.active, p[i].id, F_OK, 0) == -1;
		}
		good += right && count("incoming") == 0;
		rounds++;
		clear();
	}
	ok(rounds > 10 && good == rounds,
	    "five together: one that fails takes no other with it (%u)",
	    rounds);
	for (unsigned i = 0; i < QUEUE_PUBLISH_MAX; i++)
		prepare(&p[i], i);
	write_file(p[3].id, "x", 1); /* published by somebody meanwhile */
	queue_publish(&q, p, QUEUE_PUBLISH_MAX);
	good = 0;
	for (unsigned i = 0; i < QUEUE_PUBLISH_MAX; i++)
		good += p[i].status == OK && whole(p[i].id, 4);
	ok(good == QUEUE_PUBLISH_MAX - 1 && p[3].status == ERR_INVALID,
	    "the most at once, and one whose name is taken");
	clear();
}

/* What is durable when: the record before it has its name, the name before the
 * answer. */
static void
test_flushes(void)
{
	fault_trace();
	deposit(ID, 3000, false);
	ok(strcmp(fault.trace, "owodrs") == 0,
	    "inline: create, write; open, flush, rename, flush (%s)",
	    fault.trace);
	clear();
	fault_trace();
	deposit(ID, 3000, true);
	ok(strcmp(fault.trace, "owowocdrs") == 0,
	    "spooled: the copy is flushed, too (%s)", fault.trace);
	clear();
}

static void
test_no_rename_flag(void)
{
	/* The operations of an inline deposit: create, write, open, flush. */
	fault_arm(FAULT_ERROR, 5, EINVAL);
	enum status st = deposit(ID, 3000, false);
	bool came = fault_disarm();

	ok(came && st == OK && whole(ID, 3000) && count("incoming") == 0,
	    "a file system without RENAME_NOREPLACE");
	clear();
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (char)(i * 7 + i / 251);
	snprintf(root, sizeof(root), "/tmp/queue.t.XXXXXX");
	if (mkdtemp(root) == NULL)
		return 1;
	root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	q.incoming = q.active = q.damaged = q.lock = q.deposit = -1;
	fresh();
	test_basics();
	test_spool_file();
	test_damaged();
	test_long();
	test_locks();
	test_sweep_many();
	for (int spooled = 0; spooled < 2; spooled++) {
		test_faults(spooled);
		test_dead_disk(spooled);
		test_short(spooled);
	}
	test_batch();
	test_flushes();
	test_no_rename_flag();
	queue_close(&q); /* so that children are runners */
	test_crash(false);
	queue_close(&q);
	test_crash(true);
	queue_close(&q);
	clear();
	char cmd[4][128];
	static const char *const rest[] = { "active", "incoming", "hold",
		"damaged" };
	for (size_t i = 0; i < 4; i++) {
		snprintf(cmd[i], sizeof(cmd[i]), "%s/%s", root, rest[i]);
		rmdir(cmd[i]);
	}
	(void)!unlinkat(root_fd, "lock", 0);
	(void)!unlinkat(root_fd, "deposit", 0);
	ok(rmdir(root) == 0, "nothing else was left in the directory");
	return done_testing();
}
