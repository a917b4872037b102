/* A delivery that is interrupted anywhere, by kill -9 or by the power: what was
 * acknowledged is there once, and the next delivery is whole.
 *
 *   kill -9         the next writer cuts the torn append off: the mailbox is to
 *                   the octet as if it had never begun.
 *   power, pages    the host starts again, the record of the append says
 *                   nothing any more.  Of the torn batch there may be the
 *                   beginning, as messages of its own.
 *   power, sectors  any sectors of it.
 *
 * After a power cut a piece that lost its From_ line is given one
 * (spool/torn.h) in a mailbox that was empty, and where the record of the
 * append is on the disk.  Else it sticks to the message before it, which is
 * whole in front of that. TORTURE=1 in the environment takes more samples. */
#define _GNU_SOURCE /* fallocate */
#include "spool/append.h"

#include <stddef.h>
#include <string.h>
#include <sys/wait.h>

#include "common/log.h"
#include "spool/intent.h"
#include "spool/journal.h"
#include "spool/lock.h"
#include "spool/mbox.h"
#include "t/crash/disk.h"
#include "t/unit/tap.h"

enum { NOW = 1795212000, BATCHES = 3, PER_BATCH = 3, BIG = 2500000 };

static char boot_path[100];
static bool torture;

/* The boot of the host is the one that our file names. */
int
open(const char *path, int flags, ...)
{
	va_list ap;

	va_start(ap, flags);
	int mode = (flags & O_CREAT) != 0 ? va_arg(ap, int) : 0;
	va_end(ap);
	if (strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
		path = boot_path;
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static void
boot_is(unsigned n)
{
	char text[64];
	int fd = open(boot_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	snprintf(text, sizeof(text), "%08x-1111-2222-3333-444444444444\n", n);
	if (fd == -1 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
	intent_init();
	if (!intent_possible())
		abort();
}

/* ---- what is delivered ---- */

struct delivery {
	const char *before; /* in the mailbox */
	unsigned n;	    /* messages before */
	bool big;	    /* the last batch is of several writes */
	/* of each batch */
	struct image after[BATCHES + 1];
	size_t acked[BATCHES]; /* calls when it was acknowledged */
	struct explore *x;
	const char *why;
};

static char *big_text;

static struct append_msg
message(unsigned k, bool big)
{
	static char text[BATCHES * PER_BATCH + 1][1500];
	int n = snprintf(text[k], sizeof(text[k]), "Subject: m%u\r\n\r\n", k);

	for (unsigned i = 0; i < 3 + k % 4 * 5; i++)
		n += snprintf(text[k] + n, sizeof(text[k]) - (size_t)n,
		    "%u.%u From the text of message %u\r\n", k, i, k);
	return (struct append_msg){ .sender = "s@x",
		.original_to = "b@x",
		.delivered_to = "b@x",
		.content = big ? (struct view){ big_text, BIG }
			       : (struct view){ text[k], (size_t)n },
		.file = -1 };
}

static int intent = -1;

static enum status
deliver(unsigned batch, bool big)
{
	struct append_msg m[PER_BATCH];
	struct append_target to = {
		.mbox = disk.mbox, .intent = intent, .mboxrd = true
	};

	/* The one behind all others is one message. */
	unsigned n = batch == BATCHES ? 1 : PER_BATCH;
	for (unsigned i = 0; i < n; i++)
		m[i] = message(batch * PER_BATCH + i, big && i == 1);
	/* As spool/append_box.c does it. */
	enum status st = lock_try(to.mbox, true);
	if (st != OK)
		return st;
	st = lock_same_file(to.mbox, disk.state, "mbox")
		 ? append_to(&to, m, n, NOW)
		 : ERR_CHANGED;
	lock_release(to.mbox);
	return st;
}

/* ---- what is left ---- */

/* The record of an append that is on the disk. */
static bool
intent_is(struct intent *in)
{
	struct image now = disk_get(JOURNAL);
	bool whole = now.n >= sizeof(*in);

	if (whole)
		memcpy(in, now.p, sizeof(*in));
	free(now.p);
	struct sum sum;
	sum_start(&sum);
	sum_add(&sum, in, offsetof(struct intent, check));
	return whole && in->magic != 0 && in->check == sum_end(&sum);
}

static unsigned
acknowledged(const struct delivery *d)
{
	unsigned n = 0;

	while (n < BATCHES && d->acked[n] <= d->x->at)
		n++;
	return n;
}

static size_t
trimmed(const char *p, size_t n)
{
	while (n > 0 && p[n - 1] == '\n')
		n--;
	return n;
}

/* How often the message want is in the mailbox now: whole, or (sticky) with
 * something behind it. */
static unsigned
times(const struct mbox_list *l, struct image now, struct image whole,
    const struct mbox_msg *want, bool sticky)
{
	const char *p = whole.p + want->offset;
	size_t n = trimmed(p, (size_t)want->length);
	unsigned found = 0;

	for (size_t i = 0; i < l->n; i++) {
		const char *q = now.p + l->msg[i].offset;
		size_t have = trimmed(q, (size_t)l->msg[i].length);
		found +=
		    (have == n || (sticky && have > n)) && memcmp(p, q, n) == 0;
	}
	return found;
}

static bool pages_power; /* what a kill leaves is what the power left */

/* What the mailbox would hold had each batch been delivered. */
static struct image full;
static struct mbox_list full_list;

static bool
check_list(struct delivery *d, const struct mbox_list *l, struct image now,
    unsigned acked, bool record)
{
	bool power = d->x->power || pages_power;
	unsigned sure = d->n + acked * PER_BATCH;

	for (unsigned i = 0; i < full_list.n; i++) {
		bool last = i + 1 == full_list.n; /* came after the crash */
		bool sticky = power && !record && i + 1 == sure;
		unsigned n = times(l, now, full, &full_list.msg[i], sticky);
		if (n > 1)
			d->why = "a message is there twice";
		else if (n == 0 && (i < sure || last))
			d->why = last ? "the next delivery is not whole"
				      : "an acknowledged message is gone";
		else
			continue;
		return false;
	}
	return true;
}

static bool
ends_with_last(struct image now)
{
	const struct mbox_msg *m = &full_list.msg[full_list.n - 1];
	size_t n = (size_t)m->length;

	return now.n >= n &&
	       memcmp(now.p + now.n - n, full.p + m->offset, n) == 0;
}

/* Is the record of the append there that was under way, and room for a From_
 * line where it may have lost its own? */
static bool
told(const struct delivery *d, unsigned acked)
{
	struct image box = disk_get(MBOX);
	struct intent in = { .offset = 0 };
	bool power = d->x->power;
	size_t end = d->after[acked].n, zero = end, n = 0;

	if (intent_is(&in) && in.offset == end) {
		while (zero < box.n && zero < end + 200 && box.p[zero] != 0)
			zero++;
		while (zero + n < box.n && box.p[zero + n] == 0)
			n++;
	}
	bool good = power && in.offset == end &&
		    (n >= 43 || zero + n == box.n || zero == end + 200);
	free(box.p);
	return good;
}

static unsigned long saved; /* crashes after which there was a record */

static bool
check_power(struct delivery *d)
{
	static unsigned boots;
	unsigned acked = acknowledged(d);
	struct mbox_list l;
	bool record = told(d, acked);

	boot_is(++boots + 1);
	enum status st = deliver(BATCHES, false);
	boot_is(1);
	if (st != OK) {
		d->why = "the next delivery was refused";
		return false;
	}
	struct image now = disk_get(MBOX);
	st = mbox_scan(disk.mbox, now.n, true, &l);
	if (st != OK)
		d->why = "it is no mbox";
	bool good = st == OK && check_list(d, &l, now, acked, record);
	good = good && ends_with_last(now);
	saved += record;
	mbox_list_free(&l);
	free(now.p);
	return good;
}

/* As if what was not acknowledged had never begun. */
static bool
check_killed(struct delivery *d)
{
	unsigned acked = acknowledged(d);

	if (deliver(BATCHES, false) != OK) {
		d->why = "the next delivery was refused";
		return false;
	}
	struct image got = disk_get(MBOX), want = d->after[acked];
	bool good = got.n > want.n && memcmp(got.p, want.p, want.n) == 0;
	struct image after = image_copy(got);
	disk_put(MBOX, want);
	if (deliver(BATCHES, false) != OK)
		abort();
	struct image ideal = disk_get(MBOX);
	good = good && ideal.n == after.n &&
	       memcmp(ideal.p, after.p, ideal.n) == 0;
	if (!good)
		d->why = "what was not acknowledged left something behind";
	free(got.p);
	free(after.p);
	free(ideal.p);
	return good;
}

static bool
check(void *arg, bool last)
{
	struct delivery *d = arg;

	(void)last;
	return d->x->power || pages_power ? check_power(d) : check_killed(d);
}

/* ---- crashes ---- */

static void
explore_delivery(struct explore *x, const struct op *op, size_t n)
{
	disk_explore(x, op, n, false);
	for (size_t i = 0; i < n; i++) {
		if (op[i].what != OP_WRITE || op[i].file != MBOX)
			continue;
		size_t step = op[i].n > 100000 ? 99 * PAGE_OCTETS : PAGE_OCTETS;
		size_t fine =
		    op[i].n > 100000 ? 9000 * SECTOR_OCTETS : SECTOR_OCTETS;
		disk_explore_pages(x, op, i, step);
		pages_power = true;
		disk_explore_pages(x, op, i, fine);
		pages_power = false;
	}
}

static bool
crash_delivery(struct delivery *d, unsigned long *runs)
{
	struct image start = { (char *)(uintptr_t)d->before,
		strlen(d->before) };
	struct image none = { NULL, 0 };
	struct explore x = { .before = { start, none },
		.check = check,
		.arg = d,
		.samples = (torture ? 4000 : 60) / (d->big ? 60 : 1),
		.seed = 4711 };
	bool good = true;

	d->x = &x;
	disk_put(MBOX, start);
	disk_put(JOURNAL, none);
	d->after[0] = image_copy(start);
	disk_record(true);
	for (unsigned b = 0; b < BATCHES; b++) {
		good = good && deliver(b, d->big && b + 1 == BATCHES) == OK;
		d->acked[b] = disk.n;
		d->after[b + 1] = disk_get(MBOX);
	}
	disk_record(false);
	struct op *op = disk.op;
	size_t n = disk.n;
	disk.op = NULL;
	disk.n = disk.cap = 0;
	good = good && deliver(BATCHES, false) == OK;
	full = disk_get(MBOX);
	good = good && mbox_scan(disk.mbox, full.n, true, &full_list) == OK &&
	       full_list.n == d->n + BATCHES * PER_BATCH + 1;
	d->why = "it was not delivered";
	if (good)
		explore_delivery(&x, op, n);
	mbox_list_free(&full_list);
	free(full.p);
	for (size_t i = 0; i < n; i++)
		free(op[i].data);
	free(op);
	for (unsigned b = 0; b <= BATCHES; b++)
		free(d->after[b].p);
	*runs += x.runs;
	return good && x.failed == 0;
}

#define ONE "From a@x Mon Jan  5 10:00:00 2026\nSubject: a\n\nold\n\n"
#define TWO "From c@x Mon Jan  5 10:00:00 2026\nSubject: c\n\n"

static void
crashes(void)
{
	struct delivery cases[] = {
		{ .before = "", .n = 0 },
		{ .before = ONE, .n = 1 },
		{ .before = ONE TWO "no blank line\n", .n = 2 },
		{ .before = ONE TWO "torn by another prog", .n = 2 },
		{ .before = ONE, .n = 1, .big = true },
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		unsigned long runs = 0;
		bool good = crash_delivery(&cases[i], &runs);
		if (!good)
			printf("# %s\n", cases[i].why);
		printf("# a record was there %lu times\n", saved);
		ok(good && runs > 0 && saved > 0,
		    "deliveries behind %zu octets%s: %lu crashes",
		    strlen(cases[i].before),
		    cases[i].big ? ", of several writes" : "", runs);
	}
}

/* ---- calls that fail ---- */

static struct image was, delivered, next_alone, next_behind;

static bool
mailbox_is(struct image want)
{
	struct image now = disk_get(MBOX);
	bool same = now.n == want.n && memcmp(now.p, want.p, now.n) == 0;

	free(now.p);
	return same;
}

/* In a process of its own, which has nothing allocated yet.  The answer, and
 * whether a call did fail. */
static enum status
deliver_faulty(unsigned kind, int error, unsigned nth, bool big, bool *hit)
{
	int status;

	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		disk.fail_errno = error;
		disk.fail_at = nth;
		disk.calls = 0;
		disk.fail_kinds = kind;
		enum status st = deliver(0, big);
		disk.fail_kinds = 0;
		_exit((disk.calls >= nth ? 64 : 0) | -(int)st);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return ERR_INVALID;
	*hit = (WEXITSTATUS(status) & 64) != 0;
	return (enum status) - (WEXITSTATUS(status) & 63);
}

/* What may be said of that call. */
static bool
honest(enum status st, int error)
{
	if (error == 0 || error == EINTR)
		return st == OK;
	return st == OK || st == status_from_errno(error) || st == ERR_IO ||
	       st == ERR_CHANGED; /* it cannot be told */
}

static bool
fault_delivery(unsigned kind, int error, unsigned nth, bool big, bool *hit)
{
	struct image none = { NULL, 0 };

	disk_put(MBOX, was);
	disk_put(JOURNAL, none);
	enum status st = deliver_faulty(kind, error, nth, big, hit);
	if (!honest(st, error) || (st == OK && !mailbox_is(delivered)))
		return false;
	if (st != OK && !mailbox_is(was))
		return false;
	if (deliver(BATCHES, false) != OK)
		return false;
	return mailbox_is(st == OK ? next_behind : next_alone);
}

static void
fault_images(bool big)
{
	struct image none = { NULL, 0 };

	for (unsigned i = 0; i < 2; i++) {
		disk_put(MBOX, was);
		disk_put(JOURNAL, none);
		if (i == 1 && deliver(0, big) != OK)
			abort();
		if (i == 1)
			delivered = disk_get(MBOX);
		if (deliver(BATCHES, false) != OK)
			abort();
		*(i == 0 ? &next_alone : &next_behind) = disk_get(MBOX);
	}
}

static void
faults(bool big)
{
	static const struct {
		unsigned kind;
		int error; /* 0: a short count */
		const char *name;
	} kinds[] = { { CALL_PREAD, EIO, "pread EIO" },
		{ CALL_PREAD, EINTR, "pread EINTR" },
		{ CALL_PREAD, 0, "pread short" },
		{ CALL_PWRITE, EIO, "pwrite EIO" },
		{ CALL_PWRITE, ENOSPC, "pwrite ENOSPC" },
		{ CALL_PWRITE, EDQUOT, "pwrite EDQUOT" },
		{ CALL_PWRITE, EINTR, "pwrite EINTR" },
		{ CALL_PWRITE, 0, "pwrite short" },
		{ CALL_FLUSH, EIO, "fdatasync EIO" },
		{ CALL_FLUSH, ENOSPC, "fdatasync ENOSPC" },
		{ CALL_FLUSH, EDQUOT, "fdatasync EDQUOT" },
		{ CALL_FLUSH, EINTR, "fdatasync EINTR" },
		{ CALL_CUT, EIO, "ftruncate EIO" },
		{ CALL_STAT, EIO, "fstat EIO" },
		{ CALL_LOCK, EIO, "fcntl EIO" },
		{ CALL_LOCK, ENOLCK, "fcntl ENOLCK" },
		{ CALL_LOCK, EINTR, "fcntl EINTR" },
		{ CALL_MEMORY, ENOMEM, "malloc" } };
	unsigned long bad = 0, calls = 0;

	fault_images(big);
	for (size_t k = 0; k < NELEM(kinds); k++) {
		bool hit = true;
		for (unsigned n = 1; hit; n++, calls++) {
			if (fault_delivery(
				kinds[k].kind, kinds[k].error, n, big, &hit))
				continue;
			printf("# %s, call %u\n", kinds[k].name, n);
			bad++;
		}
	}
	ok(bad == 0 && calls > 2 * NELEM(kinds),
	    "a delivery%s, each call of which fails: %lu times",
	    big ? " of several writes" : "", calls);
	free(delivered.p);
	free(next_alone.p);
	free(next_behind.p);
}

int
main(void)
{
	const char *env = getenv("TORTURE");

	torture = env != NULL && strcmp(env, "1") == 0;
	log_level_set(LOG_LVL_ERROR + 1);
	disk_open();
	snprintf(boot_path, sizeof(boot_path), "%s/boot", disk.dir);
	boot_is(1);
	intent = openat(disk.state, "journal", O_RDWR | O_CREAT, 0600);
	big_text = malloc(BIG);
	if (intent == -1 || big_text == NULL)
		abort();
	for (size_t i = 0; i < BIG; i += 50)
		memcpy(big_text + i,
		    "a line of a big message, and nothing else in it\r\n", 50);
	was = (struct image){ (char *)(uintptr_t)ONE TWO "torn", 0 };
	was.n = strlen(was.p);
	faults(false);
	faults(true);
	crashes();
	free(big_text);
	close(intent);
	unlink(boot_path);
	disk_close();
	return done_testing();
}
