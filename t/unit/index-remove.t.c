/* The index of a mailbox from which messages are removed
 * (spool/index_write.c), and one that somebody else writes. */
#define _GNU_SOURCE
#include "t/unit/index_box.h"

#include "spool/lock.h"

/* ---- removing ---- */

/* Removes what the pattern says, in the file and in the index. */
static bool
remove_some(unsigned n, bool (*goes)(unsigned, unsigned), bool uids)
{
	static struct update_del del[1000];
	struct index_removal r;
	struct mbox_list l;
	unsigned k = 0, left = 0;
	struct buf b;

	empty();
	fill(0, n);
	make(uids);
	off_t size = lseek(mbox, 0, SEEK_END);
	if (mbox_scan(mbox, (uint64_t)size, true, &l) != OK)
		abort();
	buf_init(&b, 1 << 24);
	for (unsigned i = 0; i < n; i++) {
		if (goes(i, n)) {
			del[k].offset = l.msg[i].offset;
			del[k++].length = l.msg[i].length;
			continue;
		}
		left++;
		char *p = buf_room(&b, l.msg[i].length);
		if (p == NULL ||
		    pread(mbox, p, l.msg[i].length, (off_t)l.msg[i].offset) !=
			(ssize_t)l.msg[i].length)
			abort();
		b.n += l.msg[i].length;
	}
	mbox_list_free(&l);
	index_remove_begin(&r, state, mbox);
	bool was_void = fit() == INDEX_STALE;
	if (ftruncate(mbox, 0) == -1 ||
	    pwrite(mbox, b.p, b.n, 0) != (ssize_t)b.n)
		abort();
	index_remove_end(&r, mbox, del, k, true);
	buf_free(&b);
	if (left == 0)
		return was_void && inode() == 0;
	if (uids && agrees(false) == (long)left)
		make(true); /* copies may have to be counted again */
	return was_void && agrees(uids) == (long)left;
}

static bool
odd(unsigned i, unsigned n)
{
	(void)n;
	return i % 2 == 0;
}
static bool
first(unsigned i, unsigned n)
{
	(void)n;
	return i < 10;
}
static bool
last(unsigned i, unsigned n)
{
	return i + 1 == n;
}
static bool
last_block(unsigned i, unsigned n)
{
	(void)n;
	return i >= 2 * INDEX_ENTRIES;
}
static bool
all(unsigned i, unsigned n)
{
	(void)i;
	(void)n;
	return true;
}
static bool
some(unsigned i, unsigned n)
{
	(void)n;
	return (i * 2654435761u) >> 30 == 1;
}

static void
test_remove(void)
{
	static const struct {
		const char *name;
		bool (*goes)(unsigned, unsigned);
	} cases[] = { { "every second", odd }, { "the first ten", first },
		{ "the last", last }, { "the last block", last_block },
		{ "all", all }, { "some", some } };

	for (size_t i = 0; i < NELEM(cases); i++)
		for (int uids = 0; uids < 2; uids++)
			ok(remove_some(300, cases[i].goes, uids) &&
				remove_some(252, cases[i].goes, uids),
			    "%s removed%s", cases[i].name,
			    uids ? ", with unique-ids" : "");
	/* What is not as it was said to be. */
	struct index_removal r;
	empty();
	fill(0, 200);
	make(true);
	struct update_del del = { .offset = 5, .length = 10 };
	index_remove_begin(&r, state, mbox);
	index_remove_end(&r, mbox, &del, 1, true);
	ok(inode() == 0, "no message at that place: the index goes");
	make(true);
	index_remove_begin(&r, state, mbox);
	index_remove_end(&r, mbox, &del, 1, false);
	ok(inode() == 0, "an update that failed: it goes");
	make(true);
	index_remove_begin(&r, state, mbox);
	index_close(&r.ix);
	ok(fit() == INDEX_STALE && make(true) == OK && agrees(true) == 200,
	    "an update that was cut short: it is void");
}

static void
test_busy(void)
{
	int fd;

	empty();
	fill(0, 200);
	make(false);
	fd = index_fd();
	if (lock_try(fd, true) != OK)
		abort();
	fill(0, 1);
	ok(make(false) == ERR_BUSY, "one writer at a time");
	close(fd);
	fd = openat(state, "mbox", O_RDWR | O_CLOEXEC);
	if (lock_try(fd, true) != OK)
		abort();
	ok(make(false) == ERR_BUSY, "and not while the mailbox is written");
	close(fd);
	ok(make(false) == OK && agrees(false) == 201, "afterwards it is made");
}

/* Blocks that are read together are those that are read one by one. */

int
main(void)
{
	begin();
	test_remove();
	test_busy();
	return end();
}
