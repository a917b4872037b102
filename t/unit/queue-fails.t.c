/* The queue directory, when an operation fails or the process ends before it:
 * nothing that was accepted is lost and nothing else is published. */
#define _GNU_SOURCE
#include "t/unit/queue_records.h"

#include <sys/wait.h>

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
	records_begin();
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
	return records_end();
}
