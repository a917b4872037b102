#ifndef T_CRASH_BOX_H
#define T_CRASH_BOX_H
/* Mailboxes of a few messages, on the disk of t/crash/disk.h, and what an
 * update shall make of them. */
#include "spool/mbox.h"
#include "spool/update.h"
#include "t/crash/disk.h"

enum { MESSAGES = 7, ROOM = 16384 };

/* A mailbox and what an update shall make of it. */
struct box {
	struct image before, after;
	struct image plus; /* appended before the recovery */
	struct update_del del[MESSAGES];
	unsigned n;
	uint64_t scanned; /* octets that the session saw */
	uint64_t window;
	uint64_t seed;
	bool dotlock;	/* is taken, too */
	bool nested;	/* recoveries are interrupted, too */
	bool confirmed; /* the update had said OK */
	bool removed;	/* the first recovery made it as after */
	const char *why;
};

static void
add(struct image *i, const void *p, size_t n)
{
	memcpy(i->p + i->n, p, n);
	i->n += n;
}

static void
add_message(struct image *i, unsigned number, size_t octets)
{
	char line[128];
	int n = snprintf(line, sizeof(line),
	    "From u%u@example.org Fri Nov 20 22:%02u:00 2026\n"
	    "Subject: message %u\n\n",
	    number, number % 60, number);

	add(i, line, (size_t)n);
	for (size_t k = (size_t)n; k < octets;) {
		n = snprintf(line, sizeof(line), "%u.%zu %zx\n", number, k,
		    k * 2654435761u);
		add(i, line, (size_t)n);
		k += (size_t)n;
	}
	add(i, "\n", 1);
}

static struct image
image_new(void)
{
	struct image i = { malloc(ROOM), 0 };

	if (i.p == NULL)
		abort();
	return i;
}

/* which: bit i set: message i goes.  tail: a message came after the scan. */
static void
box_make(struct box *b, unsigned which, const size_t *octets, bool tail,
    bool plus, uint64_t window)
{
	struct mbox_list l;
	uint64_t from = 0;

	*b = (struct box){ .before = image_new(),
		.after = image_new(),
		.plus = image_new(),
		.window = window,
		.seed = which * 2654435761u + window + 1,
		.nested = true };
	for (unsigned i = 0; i < MESSAGES; i++)
		add_message(&b->before, i, octets[i]);
	disk_put(MBOX, b->before);
	b->scanned = b->before.n;
	if (mbox_scan(disk.mbox, b->scanned, true, &l) != OK || l.n != MESSAGES)
		abort();
	if (tail)
		add_message(&b->before, 90, 333);
	if (plus)
		add_message(&b->plus, 91, 444);
	for (unsigned i = 0; i < MESSAGES; i++) {
		const struct mbox_msg *m = &l.msg[i];
		if ((which >> i & 1) == 0)
			continue;
		struct update_del *d = &b->del[b->n++];
		d->offset = m->offset;
		d->length = m->length;
		if (mbox_unique_id(disk.mbox, m, d->uid) != OK)
			abort();
		add(&b->after, b->before.p + from, m->offset - from);
		from = m->offset + m->length;
	}
	add(&b->after, b->before.p + from, b->before.n - from);
	mbox_list_free(&l);
}

static void
box_free(struct box *b)
{
	free(b->before.p);
	free(b->after.p);
	free(b->plus.p);
}

static enum status
box_run(const struct box *b)
{
	struct stat sb;

	if (syscall(SYS_newfstatat, disk.mbox, "", &sb, AT_EMPTY_PATH) == -1)
		abort();
	return update_run(&(struct update_job){ .mbox = disk.mbox,
	    .mbox_dir = disk.state,
	    .mbox_name = "mbox",
	    .state_dir = disk.state,
	    .dev = sb.st_dev,
	    .ino = sb.st_ino,
	    .size = b->scanned,
	    .del = b->del,
	    .n = b->n,
	    .dotlock = b->dotlock,
	    .window = b->window });
}

static const size_t sizes[][MESSAGES] = {
	{ 100, 300, 90, 1100, 150, 500, 200 },
	{ 1500, 90, 90, 100, 700, 120, 900 },
};
#endif
