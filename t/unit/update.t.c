/* Updates: what they refuse, what they leave alone, and journals that lie. */
#define _GNU_SOURCE /* fallocate */
#include "spool/update.h"

#include "spool/lock.h"
#include "t/crash/box.h"
#include "t/crash/explore.h"
#include "t/unit/tap.h"

static const struct image none;

/* What the mailbox is now. */
static bool
box_is(struct image want)
{
	struct image got = disk_get(MBOX);
	bool good = got.n == want.n && memcmp(got.p, want.p, got.n) == 0;

	free(got.p);
	return good;
}

static bool
exists(const char *name)
{
	return faccessat(disk.state, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void
append_text(const char *text)
{
	struct stat sb;

	if (fstat(disk.mbox, &sb) == -1 ||
	    pwrite(disk.mbox, text, strlen(text), sb.st_size) == -1)
		abort();
}

/* ---- what is removed ---- */

static void
removes(void)
{
	static const struct {
		unsigned which;
		const char *name;
	} cases[] = { { 0x01, "the first" }, { 0x40, "the last" },
		{ 0x7f, "all" }, { 0x70, "the last three" },
		{ 0x2a, "every second" }, { 0x41, "the first and the last" },
		{ 0x3f, "all but the last" }, { 0x08, "one in the middle" } };

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct stat a, b;
		struct box x;
		box_make(&x, cases[i].which, sizes[0], false, false, 300);
		disk_put(MBOX, x.before);
		unlinkat(disk.state, "journal", 0);
		fchmod(disk.mbox, 0640);
		fstat(disk.mbox, &a);
		enum status st = box_run(&x);
		fstat(disk.mbox, &b);
		ok(st == OK && box_is(x.after) && a.st_ino == b.st_ino &&
			b.st_mode == a.st_mode &&
			!update_unfinished(disk.state),
		    "%s", cases[i].name);
		if (cases[i].which == 0x70 || cases[i].which == 0x7f)
			ok(!exists("journal"), "%s: no journal is needed",
			    cases[i].name);
		box_free(&x);
	}
}

static void
nothing_to_do(void)
{
	struct box x;
	int other;

	box_make(&x, 0, sizes[0], false, false, 300);
	other = openat(disk.state, "mbox", O_RDWR);
	lock_try(other, true);
	disk_record(true);
	ok(box_run(&x) == OK && disk.n == 0,
	    "nothing to remove: nothing is written, nobody is waited for");
	disk_record(false);
	close(other);
	ok(update_recover(disk.mbox, disk.state) == OK, "nothing to recover");
	box_free(&x);
}

/* What came after the scan stays. */
static void
appended(void)
{
	static const char m[] =
	    "From x@y Fri Nov 20 22:00:00 2026\nSubject: new\n\nz\n\n";
	static const struct {
		const char *before, *text, *after, *name;
		enum status want;
	} cases[] = {
		{ "", m, m, "a message", OK },
		{ "\n", m, m, "a blank line and a message", OK },
		{ "\n\n\n", m, m, "three blank lines and a message", OK },
		{ "\n", "", "", "a blank line", OK },
		{ "", "more text\n", NULL, "text", ERR_CHANGED },
		{ "\n", "more text\n", NULL, "a blank line and text",
		    ERR_CHANGED },
		{ "", "From the start\n", NULL, "no From_ line", ERR_CHANGED },
	};
	for (size_t i = 0; i < NELEM(cases); i++) {
		for (unsigned which = 0x40; which < 0x80; which += 0x3f) {
			struct box x;
			box_make(&x, which, sizes[1], false, false, 300);
			disk_put(MBOX, x.before);
			append_text(cases[i].before);
			append_text(cases[i].text);
			struct image now = disk_get(MBOX);
			enum status st = box_run(&x);
			if (cases[i].after != NULL)
				add(&x.after, cases[i].after,
				    strlen(cases[i].after));
			ok(st == cases[i].want &&
				box_is(st == OK ? x.after : now),
			    "%s behind the last message, which goes (%#x)",
			    cases[i].name, which);
			free(now.p);
			box_free(&x);
		}
	}
}

/* ---- what is refused ---- */

static void
spoil(struct update_job *job, struct update_del *d, int how)
{
	switch (how) {
	case 0:
		d[1].uid[15] ^= 1;
		break;
	case 1:
		d[1].offset++;
		break;
	case 2:
		d[1].length--;
		break;
	case 3:
		job->ino++;
		break;
	case 4:
		job->dev++;
		break;
	case 5:
		job->size = UINT64_C(1) << 40;
		break;
	case 6:
		job->mbox_name = "another";
		break;
	case 7:
		d[1].offset = d[0].offset;
		break;
	case 8:
		d[1].length = UINT64_MAX - 5;
		break;
	case 9:
		d[0].length = 0;
		break;
	case 10:
		d[1].length += 400;
		break;
	default:
		break;
	}
}

static void
refuses(void)
{
	static const struct {
		const char *name;
		enum status want;
	} cases[] = { { "another unique-id", ERR_CHANGED },
		{ "an offset that is wrong", ERR_CHANGED },
		{ "a length that is wrong", ERR_CHANGED },
		{ "another inode", ERR_CHANGED },
		{ "another device", ERR_CHANGED },
		{ "a file that has shrunk", ERR_CHANGED },
		{ "a file of another name", ERR_CHANGED },
		{ "offsets that do not ascend", ERR_INVALID },
		{ "a length that overflows", ERR_INVALID },
		{ "a length of nothing", ERR_INVALID },
		{ "a length that reaches over the next", ERR_CHANGED } };

	for (int how = 0; how < (int)NELEM(cases); how++) {
		struct box x;
		struct stat sb;
		box_make(&x, 0x12, sizes[0], false, false, 300);
		disk_put(MBOX, x.before);
		fstat(disk.mbox, &sb);
		struct update_job job = { .mbox = disk.mbox,
			.mbox_dir = disk.state,
			.mbox_name = "mbox",
			.state_dir = disk.state,
			.dev = sb.st_dev,
			.ino = sb.st_ino,
			.size = x.scanned,
			.del = x.del,
			.n = x.n };
		spoil(&job, x.del, how);
		disk_record(true);
		enum status st = update_run(&job);
		disk_record(false);
		ok(st == cases[how].want && disk.n == 0 && box_is(x.before),
		    "%s: nothing is written", cases[how].name);
		box_free(&x);
	}
}

/* With the inode's own word that nobody wrote, two messages are looked at; with
 * any other word all are. */
static void
ctime_word(void)
{
	for (int right = 0; right < 2; right++) {
		struct box x;
		struct stat sb;
		box_make(&x, 0x2a, sizes[0], false, false, 300);
		disk_put(MBOX, x.before);
		fstat(disk.mbox, &sb);
		x.del[1].uid[0] ^= 1;
		int64_t ns = sb.st_ctim.tv_sec * INT64_C(1000000000) +
			     sb.st_ctim.tv_nsec;
		enum status st =
		    update_run(&(struct update_job){ .mbox = disk.mbox,
			.mbox_dir = disk.state,
			.mbox_name = "mbox",
			.state_dir = disk.state,
			.dev = sb.st_dev,
			.ino = sb.st_ino,
			.ctime_ns = right ? ns : ns - 1,
			.size = x.scanned,
			.del = x.del,
			.n = x.n });
		ok(st == (right ? OK : ERR_CHANGED) &&
			box_is(right ? x.after : x.before),
		    "the ctime is %s", right ? "the same" : "another");
		box_free(&x);
	}
}

static void
locks(void)
{
	struct box x;
	struct stat sb;
	int other = openat(disk.state, "mbox", O_RDWR);

	box_make(&x, 0x12, sizes[0], false, false, 300);
	disk_put(MBOX, x.before);
	lock_try(other, false);
	ok(box_run(&x) == ERR_BUSY && box_is(x.before),
	    "somebody reads under a lock");
	lock_release(other);
	fstat(disk.mbox, &sb);
	struct update_job job = { .mbox = disk.mbox,
		.mbox_dir = disk.state,
		.mbox_name = "mbox",
		.state_dir = disk.state,
		.dotlock = true,
		.lock_wait = 50,
		.dev = sb.st_dev,
		.ino = sb.st_ino,
		.size = x.scanned,
		.del = x.del,
		.n = x.n,
		.window = 300 };
	int dot = openat(disk.state, "mbox.lock", O_CREAT | O_WRONLY, 0600);
	ok(update_run(&job) == ERR_BUSY && box_is(x.before) &&
		exists("mbox.lock") && lock_try(other, true) == OK,
	    "somebody's dotlock: busy, and our own lock is given back");
	lock_release(other);
	close(dot);
	unlinkat(disk.state, "mbox.lock", 0);
	disk.fail_kinds = CALL_PWRITE;
	disk.fail_errno = EIO;
	disk.fail_at = 6;
	disk.calls = 0;
	enum status st = update_run(&job);
	disk.fail_kinds = 0;
	ok(st == ERR_IO && update_unfinished(disk.state) && exists("mbox.lock"),
	    "what was cut short leaves the dotlock");
	lock_release(other);
	ok(update_run(&job) == ERR_BUSY || box_is(x.after),
	    "and the next one recovers or waits");
	unlinkat(disk.state, "mbox.lock", 0);
	update_recover(disk.mbox, disk.state);
	ok(box_is(x.after), "the mailbox is as after");
	disk_put(MBOX, x.before);
	ok(update_run(&job) == OK && !exists("mbox.lock") && box_is(x.after),
	    "a dotlock of our own goes");
	close(other);
	box_free(&x);
}

/* ---- journals ---- */

/* Runs an update and leaves the files as they were before its n-th write to the
 * mailbox, which is half there. */
static bool
interrupt(struct box *x, unsigned nth)
{
	struct image now[FILES] = { image_copy(x->before), image_copy(none) };
	unsigned writes = 0;
	uint64_t seed = nth + 1;

	disk_put(MBOX, x->before);
	disk_put(JOURNAL, none);
	disk_record(true);
	if (box_run(x) != OK)
		abort();
	disk_record(false);
	for (size_t i = 0; i < disk.n && writes < nth; i++) {
		const struct op *o = &disk.op[i];
		writes += o->file == MBOX && o->what == OP_WRITE;
		image_apply(&now[o->file], o, writes == nth, &seed);
	}
	for (int f = 0; f < FILES; f++) {
		disk_put(f, now[f]);
		free(now[f].p);
	}
	return writes == nth;
}

static void
unfinished_first(void)
{
	struct box x;

	box_make(&x, 0x12, sizes[0], false, false, 300);
	interrupt(&x, 1);
	ok(box_run(&x) == ERR_CHANGED && box_is(x.after),
	    "an update finishes the one before it and then refuses");
	box_free(&x);
}

static void
damaged(void)
{
	struct box x;

	box_make(&x, 0x12, sizes[0], false, false, 300);
	interrupt(&x, 2);
	struct image half = disk_get(MBOX);
	char c = half.p[half.n - 3];
	half.p[half.n - 3] = 'X';
	disk_put(MBOX, half);
	ok(update_recover(disk.mbox, disk.state) == ERR_DAMAGED &&
		box_is(half) && exists("journal.bad") &&
		!update_unfinished(disk.state),
	    "somebody changed the mailbox meanwhile: nothing is replayed");
	half.p[half.n - 3] = c;
	interrupt(&x, 2);
	struct image shorter = { half.p, half.n - 1 };
	disk_put(MBOX, shorter);
	ok(update_recover(disk.mbox, disk.state) == ERR_DAMAGED &&
		box_is(shorter),
	    "it is shorter");
	free(half.p);
	interrupt(&x, 2);
	int copy = openat(disk.state, "copy", O_RDWR | O_CREAT, 0600);
	struct image now = disk_get(MBOX);
	if (pwrite(copy, now.p, now.n, 0) != (ssize_t)now.n)
		abort();
	ok(update_recover(copy, disk.state) == ERR_DAMAGED, "another file");
	free(now.p);
	close(copy);
	unlinkat(disk.state, "copy", 0);
	unlinkat(disk.state, "journal", 0);
	if (symlinkat("/etc/passwd", disk.state, "journal") == -1)
		abort();
	ok(update_recover(disk.mbox, disk.state) == ERR_DAMAGED &&
		!exists("journal"),
	    "a link in place of the journal");
	mkfifoat(disk.state, "journal", 0600);
	ok(update_recover(disk.mbox, disk.state) == ERR_DAMAGED &&
		!exists("journal"),
	    "a FIFO");
	box_free(&x);
}

/* One octet of the journal is wrong.  Nothing that is not as before or as after
 * may come out, and what is given up is left as it was found. */
static void
flips(void)
{
	unsigned long runs = 0, wrong = 0, given_up = 0;
	struct box x;

	box_make(&x, 0x12, sizes[0], false, false, 300);
	for (unsigned nth = 1; interrupt(&x, nth); nth++) {
		struct image half = disk_get(MBOX), j = disk_get(JOURNAL);
		for (size_t i = 0; i < j.n; i += i < 4096 ? 1 : 7) {
			/* The marks hold their own ground: see below. */
			if (j.p[i] == 0 && i % 16 != 0)
				continue;
			j.p[i] ^= (char)(1 << i % 8);
			disk_put(MBOX, half);
			disk_put(JOURNAL, j);
			enum status st = update_recover(disk.mbox, disk.state);
			bool mark = i >= 512 && i < 4096;
			if (st == ERR_DAMAGED)
				wrong += !box_is(half), given_up++;
			else if (!mark)
				wrong += st != OK || !box_is(x.after);
			j.p[i] ^= (char)(1 << i % 8);
			runs++;
		}
		free(half.p);
		free(j.p);
	}
	ok(wrong == 0 && given_up > 0,
	    "%lu journals with one wrong octet, %lu set aside", runs, given_up);
	box_free(&x);
}

int
main(void)
{
	disk_open();
	removes();
	nothing_to_do();
	appended();
	refuses();
	ctime_word();
	locks();
	unfinished_first();
	damaged();
	flips();
	disk_close();
	return done_testing();
}
