/* The queue directory: what is deposited is found again, what is no record is
 * not taken for one, and one process at a time runs it. */
#define _GNU_SOURCE
#include "t/unit/queue_records.h"

#include <time.h>

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

int
main(void)
{
	records_begin();
	test_basics();
	test_spool_file();
	test_damaged();
	test_long();
	test_locks();
	test_sweep_many();
	return records_end();
}
