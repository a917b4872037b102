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
#define _GNU_SOURCE
#include "t/crash/append.h"

#include <stddef.h>

#include "spool/journal.h"
#include "spool/mbox.h"
#include "t/crash/explore.h"

static bool torture;

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

int
main(void)
{
	const char *env = getenv("TORTURE");

	torture = env != NULL && strcmp(env, "1") == 0;
	appends_begin();
	crashes();
	return appends_end();
}
