/* An update that is interrupted anywhere leaves the mailbox as before or as
 * after, once it has been recovered; and so does a recovery.
 * TORTURE=1 in the environment tries every set of messages. */
#define _GNU_SOURCE /* fallocate */
#include "spool/update.h"

#include "t/crash/box.h"
#include "t/crash/explore.h"
#include "t/crash/faults.h"
#include "t/unit/tap.h"

static bool torture;

static bool
is(struct image got, struct image a, struct image plus)
{
	return got.n == a.n + plus.n && memcmp(got.p, a.p, a.n) == 0 &&
	       (plus.n == 0 || memcmp(got.p + a.n, plus.p, plus.n) == 0);
}

/* The mailbox is whole.  after: it must be as after, nothing less. */
static bool
box_whole(struct box *b, struct image plus, bool after)
{
	struct image got = disk_get(MBOX);
	bool good =
	    is(got, b->after, plus) || (!after && is(got, b->before, plus));

	if (!good)
		b->why = "the mailbox is neither as before nor as after";
	free(got.p);
	return good;
}

static bool
recovered(struct box *b, struct image plus, bool after)
{
	enum status st = update_recover(disk.mbox, disk.state);

	if (st != OK) {
		b->why = status_text(st);
		return false;
	}
	if (update_unfinished(disk.state)) {
		b->why = "still pending";
		return false;
	}
	return box_whole(b, plus, after);
}

static bool
check_again(void *arg, bool last)
{
	struct box *b = arg;

	return recovered(b, b->plus, b->confirmed || (last && b->removed));
}

static void
append_plus(const struct box *b)
{
	struct stat sb;

	if (b->plus.n == 0)
		return;
	if (fstat(disk.mbox, &sb) == -1 ||
	    syscall(SYS_pwrite64, disk.mbox, b->plus.p, b->plus.n,
		sb.st_size) != (long)b->plus.n)
		abort();
}

/* A crash happened; somebody appends; then the recovery, which is interrupted,
 * too, in some of the ways it can be. */
static bool
check_crash(void *arg, bool last)
{
	struct box *b = arg;
	struct explore x = { .check = check_again,
		.arg = b,
		.samples = 1,
		.seed = b->seed | 1 };
	bool nested = b->nested && disk_random(&b->seed) % 16 == 0;

	if (last && update_unfinished(disk.state)) {
		b->why = "it said OK and was not finished";
		return false;
	}
	append_plus(b);
	if (!nested)
		return recovered(b, b->plus, last);
	for (int f = 0; f < FILES; f++)
		x.before[f] = disk_get(f);
	disk_record(true);
	bool good = recovered(b, b->plus, last);
	disk_record(false);
	b->confirmed = last;
	b->removed = good && box_whole(b, b->plus, true);
	struct op *op = disk.op;
	size_t n = disk.n;
	disk.op = NULL;
	disk.n = disk.cap = 0;
	if (good)
		disk_explore(&x, op, n, true);
	for (int f = 0; f < FILES; f++)
		free(x.before[f].p);
	for (size_t i = 0; i < n; i++)
		free(op[i].data);
	free(op);
	return good && x.failed == 0;
}

static bool
crash_box(struct box *b, unsigned long *runs)
{
	struct explore x = { .check = check_crash,
		.arg = b,
		.samples = torture ? 40 : 12,
		.seed = b->seed | 1 };

	x.before[MBOX] = b->before;
	disk_put(MBOX, b->before);
	disk_put(JOURNAL, x.before[JOURNAL]);
	disk_record(true);
	enum status st = box_run(b);
	disk_record(false);
	bool good = st == OK && box_whole(b, x.before[JOURNAL], true);
	struct op *op = disk.op;
	size_t n = disk.n;
	disk.op = NULL;
	disk.n = disk.cap = 0;
	if (good)
		disk_explore(&x, op, n, true);
	else
		b->why = status_text(st);
	for (size_t i = 0; i < n; i++)
		free(op[i].data);
	free(op);
	*runs += x.runs;
	return good && x.failed == 0;
}

static void
crashes(void)
{
	static const uint64_t windows[] = { 64, 300, 1000, 1 << 20 };
	unsigned long runs = 0, boxes = 0, failed = 0;

	for (unsigned which = 1; which < 1u << MESSAGES; which++) {
		for (unsigned k = 0; k < 4 * NELEM(windows) * 2; k++) {
			struct box b;
			uint64_t pick = which * 40503u + k * 9973u;
			if (pick % (torture ? 4 : 61) != 0)
				continue;
			box_make(&b, which, sizes[k % 2], k / 2 % 2, k / 4 % 2,
			    windows[k / 8]);
			if (!crash_box(&b, &runs)) {
				printf("# messages %#x, sizes %u, tail %u, "
				       "plus %u, window %ju: %s\n",
				    which, k % 2, k / 2 % 2, k / 4 % 2,
				    (uintmax_t)windows[k / 8], b.why);
				failed++;
			}
			box_free(&b);
			boxes++;
		}
	}
	ok(failed == 0, "%lu updates, %lu crashes", boxes, runs);
}

/* ---- calls that fail ---- */

/* One call fails, once.  Then the status must be honest; and after a recovery,
 * of which a call may fail as well, nothing is lost. */
static bool
fault_box(struct box *b, unsigned kind, int error, unsigned nth, bool *hit)
{
	struct image none = { NULL, 0 };

	disk_put(MBOX, b->before);
	disk_put(JOURNAL, none);
	unlinkat(disk.state, "mbox.lock", 0);
	b->dotlock = true;
	disk.fail_kinds = kind;
	disk.fail_errno = error;
	disk.fail_at = nth;
	disk.calls = 0;
	enum status st = box_run(b);
	*hit = disk.calls >= nth;
	disk.fail_kinds = 0;
	bool pending = update_unfinished(disk.state);
	bool retried = error == 0 || error == EINTR;
	b->why = "the status was not honest";
	/* A journal that could not be cleared holds nothing back. */
	if (st == OK &&
	    ((pending && kind != CALL_CUT) || !box_whole(b, none, true)))
		return false;
	if (st != OK &&
	    (retried || (!pending && kind != CALL_FLUSH && kind != CALL_CUT &&
			    !box_whole(b, none, false))))
		return false;
	for (unsigned i = 1; pending && i <= 4; i++) {
		disk.fail_kinds = kind;
		disk.fail_at = nth * i % 7 + 1;
		disk.calls = 0;
		update_recover(disk.mbox, disk.state);
		disk.fail_kinds = 0;
		pending = update_unfinished(disk.state);
	}
	return recovered(b, none, st == OK);
}

static void
faults(void)
{
	static const unsigned which[] = { 0x01, 0x2a, 0x60, 0x04, 0x7f, 0x23 };
	static const uint64_t windows[] = { 64, 300, 1 << 20 };

	for (size_t k = 0; k < NELEM(all_faults); k++) {
		const struct fault *f = &all_faults[k];
		unsigned long calls = 0, failed = 0;
		for (size_t i = 0; i < NELEM(which) * NELEM(windows); i++) {
			struct box b;
			bool hit = true;
			box_make(&b, which[i / NELEM(windows)], sizes[i % 2],
			    i % 2, false, windows[i % NELEM(windows)]);
			for (unsigned n = 1; hit; n++, calls++) {
				if (fault_box(&b, f->kind, f->error, n, &hit))
					continue;
				if (failed++ == 0)
					printf("# call %u, messages %#x, "
					       "window %ju: %s\n",
					    n, which[i / NELEM(windows)],
					    (uintmax_t)b.window, b.why);
			}
			box_free(&b);
		}
		ok(failed == 0, "%s: %lu times", f->name, calls);
	}
}

int
main(void)
{
	const char *env = getenv("TORTURE");

	torture = env != NULL && strcmp(env, "1") == 0;
	disk_open();
	crashes();
	faults();
	disk_close();
	return done_testing();
}
