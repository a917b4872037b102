/* The index of a mailbox (spool/index.c, index_write.c, index_make.c). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/msg.h"
#include "spool/index_format.h"
#include "spool/index_make.h"
#include "spool/lock.h"
#include "t/unit/tap.h"

static char dir[] = "/tmp/index-XXXXXX";
static int state = -1, mbox = -1;

static void
begin(void)
{
	if (mkdtemp(dir) == NULL)
		abort();
	state = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mbox =
	    openat(state, "mbox", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (state == -1 || mbox == -1)
		abort();
}

/* Message k: some are equal, some are long, some have quoted lines. */
static void
put(struct buf *b, unsigned k)
{
	unsigned what = k % 7 == 3 ? 3 : k;

	buf_addf(b, "From a@x Mon Jan  5 10:00:%02u 2026\n", what % 60);
	buf_addf(b, "Subject: %u\n\n", what);
	for (unsigned i = 0; i < what % 50; i++)
		buf_addf(b, "line %u of it\n", i);
	if (what % 11 == 0)
		buf_adds(b, ">From here\n\xc3\xa9\n");
	buf_adds(b, "\n");
}

static void
fill(unsigned first, unsigned n)
{
	struct buf b;

	buf_init(&b, 1 << 24);
	for (unsigned k = first; k < first + n; k++)
		put(&b, k);
	if (b.bad || lseek(mbox, 0, SEEK_END) == -1 ||
	    write(mbox, b.p, b.n) != (ssize_t)b.n)
		abort();
	buf_free(&b);
}

static void
append(const char *text)
{
	lseek(mbox, 0, SEEK_END);
	if (write(mbox, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
}

static enum status
make(bool uids)
{
	return index_make(&(struct index_job){ .mbox = mbox,
	    .state_dir = state,
	    .mboxrd = true,
	    .uids = uids,
	    .lock_wait = 100 });
}

static int
index_fd(void)
{
	return openat(state, "index", O_RDWR | O_CLOEXEC);
}

static enum index_fit
fit(void)
{
	struct index ix;
	struct stat sb;
	int fd = index_fd();

	if (fd == -1 || index_open(fd, &ix) != OK || fstat(mbox, &sb) == -1)
		return INDEX_STALE;
	enum index_fit f = index_fits(&ix, mbox, &sb, true);
	index_close(&ix);
	return f;
}

static uint64_t
inode(void)
{
	struct stat sb;

	return fstatat(state, "index", &sb, 0) == 0 ? sb.st_ino : 0;
}

/* Does the index say what a scan does?  The number of messages it covers, or
 * -1. */
static long
agrees(bool uids)
{
	struct mbox_list l;
	struct index ix;
	struct stat sb;
	long n = -1;
	uint64_t wire = 0;
	int fd = index_fd();

	if (fd == -1 || index_open(fd, &ix) != OK)
		return -1;
	if (fstat(mbox, &sb) == -1 ||
	    mbox_scan(mbox, (uint64_t)sb.st_size, true, &l) != OK)
		goto out;
	if (ix.h.n > l.n || (uids && ix.h.uids != ix.h.n))
		goto out;
	for (uint64_t i = 0; i < ix.h.n; i++) {
		struct index_entry e;
		struct mbox_msg m;
		unsigned char uid[16];
		uint32_t copy = 1;
		if (index_get(&ix, i, &e) != OK)
			goto out;
		index_msg(&e, &m);
		wire += m.wire;
		if (memcmp(&m, &l.msg[i], sizeof(m)) != 0)
			goto out;
		if (i >= ix.h.uids)
			continue;
		if (!(e.flags & INDEX_UID))
			goto out;
		if (mbox_unique_id(mbox, &m, uid) != OK ||
		    memcmp(uid, e.uid, 16) != 0)
			goto out;
		for (uint64_t k = 0; k < i; k++) {
			struct index_entry o;
			if (index_get(&ix, k, &o) != OK)
				goto out;
			copy += memcmp(o.uid, uid, 16) == 0;
		}
		if (copy != e.copy)
			goto out;
	}
	if (wire == ix.h.wire)
		n = (long)ix.h.n;
out:
	index_close(&ix);
	mbox_list_free(&l);
	return n;
}

static void
empty(void)
{
	if (ftruncate(mbox, 0) == -1)
		abort();
	index_drop(state);
}

/* ---- making ---- */

static void
test_make(void)
{
	ok(make(false) == ERR_GONE && inode() == 0,
	    "an empty mailbox needs no index");
	fill(0, 300);
	ok(make(false) == OK && agrees(false) == 300, "a new index");
	ok(make(true) == OK && agrees(true) == 300, "with unique-ids");
	uint64_t was = inode();
	ok(make(true) == OK && inode() == was, "it is left alone then");
	fill(300, 1);
	ok(fit() == INDEX_GREW, "the mailbox grew");
	ok(make(false) == OK && inode() == was && agrees(false) == 301,
	    "the tail is added");
	ok(make(true) == OK && agrees(true) == 301, "and its unique-id");
	for (unsigned n = 0; n < 3; n++)
		fill(301 + 100 * n, 100);
	ok(make(true) == OK && inode() == was && agrees(true) == 601,
	    "several blocks are added");
	append("From torn@x Mon Jan  5 10:00:00 2026\n\nno end");
	ok(make(true) == OK && agrees(true) == 602, "a torn message is added");
	append("\n\n");
	fill(9, 1);
	ok(make(true) == OK && inode() == was && agrees(true) == 603,
	    "which changes when the next one comes");
}

static void
test_changed(void)
{
	struct timespec old[2] = { { 1000, 0 }, { 1000, 0 } };
	uint64_t was;

	empty();
	fill(0, 200);
	make(true);
	was = inode();
	ok(fit() == INDEX_GREW, "a fresh ctime is not relied on");
	nanosleep(&(struct timespec){ .tv_sec = 2, .tv_nsec = 50000000 }, NULL);
	if (futimens(mbox, old) == -1)
		abort();
	nanosleep(&(struct timespec){ .tv_sec = 2, .tv_nsec = 50000000 }, NULL);
	ok(make(true) == OK && inode() == was && fit() == INDEX_SAME,
	    "an old one is");
	ok(lseek(mbox, -200, SEEK_END) > 0 && write(mbox, "x", 1) == 1 &&
		fit() == INDEX_GREW,
	    "a change of the ctime is seen");
	ok(ftruncate(mbox, lseek(mbox, 0, SEEK_END) - 10) == 0 &&
		fit() == INDEX_STALE,
	    "a shorter mailbox does not fit");
	ok(make(true) == OK && agrees(true) == 200 && inode() != 0,
	    "and is indexed anew");
	/* All messages move, and as much comes as has gone. */
	empty();
	fill(10, 100);
	make(false);
	off_t size = lseek(mbox, 0, SEEK_END);
	if (ftruncate(mbox, 0) == -1)
		abort();
	fill(11, 110);
	ok(lseek(mbox, 0, SEEK_END) > size && fit() == INDEX_STALE,
	    "a message was removed in front, and others came");
	ok(make(false) == OK && agrees(false) == 110, "it is indexed anew");
}

/* Equal messages: the end looks as before when one goes and one comes. */
static void
test_equal(void)
{
	empty();
	for (unsigned k = 0; k < 100; k++)
		fill(3, 1);
	ok(make(true) == OK && agrees(true) == 100, "a hundred equal messages");
	/* In parts of any size it comes to the same. */
	fill(4, 500);
	make(true);
	unsigned all = agrees(true), bad = 0;
	for (uint64_t part = 1; part < 200; part = part * 3 + 1) {
		struct index ix;
		index_open(openat(state, "index", O_RDWR), &ix);
		uint64_t copies = ix.h.copies;
		bad += index_number_copies(&ix, part) != OK ||
		       ix.h.copies != copies || copies < 150;
		index_close(&ix);
		bad += agrees(true) != all;
	}
	ok(bad == 0 && all == 600, "equal ones among others, in parts");
}

/* ---- what is no index ---- */

static void
test_corrupt(void)
{
	unsigned char c, other;
	unsigned missed = 0, tried = 0;
	struct stat sb;

	empty();
	fill(0, 200);
	make(true);
	int fd = index_fd();
	if (fstat(fd, &sb) == -1)
		abort();
	for (off_t at = 0; at < sb.st_size; at += at < 200 ? 1 : 37) {
		if (at > (off_t)sizeof(struct index_head) && at < INDEX_BLOCK)
			at = INDEX_BLOCK;
		struct index_block b;
		off_t in = (at - INDEX_BLOCK) % INDEX_BLOCK;
		if (pread(fd, &b, sizeof(b), at - in) == sizeof(b) &&
		    at >= INDEX_BLOCK &&
		    in >= (off_t)(offsetof(struct index_block, e) +
				  b.n * sizeof(b.e[0])))
			continue; /* it means nothing */
		if (at < INDEX_BLOCK && at >= (off_t)sizeof(struct index_head))
			continue;
		if (pread(fd, &c, 1, at) != 1)
			abort();
		other = c ^ 0x10;
		if (pwrite(fd, &other, 1, at) != 1)
			abort();
		tried++;
		missed += agrees(true) != -1;
		if (pwrite(fd, &c, 1, at) != 1)
			abort();
	}
	ok(tried > 400 && missed == 0, "%u changed octets, %u of them not seen",
	    tried, missed);
	ok(agrees(true) == 200, "without them it is whole");
	for (off_t n = sb.st_size - 1; n >= 0; n -= 500) {
		if (ftruncate(fd, n) == -1)
			abort();
		missed += agrees(true) != -1;
	}
	ok(missed == 0, "cut short");
	ok(make(true) == OK && agrees(true) == 200, "made anew");
	close(fd);
}

/* Blocks of an older index under a newer header. */
static void
test_mixed(void)
{
	static char block[INDEX_BLOCK];

	empty();
	fill(0, 200);
	make(true);
	int fd = index_fd();
	if (pread(fd, block, sizeof(block), INDEX_BLOCK) != sizeof(block))
		abort();
	close(fd);
	index_drop(state);
	make(true);
	fd = index_fd();
	if (pwrite(fd, block, sizeof(block), INDEX_BLOCK) != sizeof(block))
		abort();
	close(fd);
	ok(agrees(true) == -1, "a block of another index is not believed");
	index_drop(state);
	ok(symlinkat("/etc/passwd", state, "index") == 0 && make(true) == OK &&
		agrees(true) == 200,
	    "a link is replaced");
	index_drop(state);
	ok(mkfifoat(state, "index", 0600) == 0 && make(true) == OK &&
		agrees(true) == 200,
	    "and a FIFO");
}

/* With good checksums, but lies in it. */
static void
test_lies(void)
{
	static const struct {
		const char *name;
		size_t offset;
		uint64_t value;
	} lies[] = {
		{ "a length beyond the end",
		    offsetof(struct index_entry, length), UINT64_MAX / 2 },
		{ "a gap", offsetof(struct index_entry, offset), 77 },
		{ "a huge size", offsetof(struct index_entry, wire),
		    UINT64_MAX },
	};
	struct index_block b;
	struct index ix;
	struct index_entry e;

	for (size_t i = 0; i < NELEM(lies); i++) {
		empty();
		fill(0, 200);
		make(true);
		int fd = index_fd();
		if (pread(fd, &b, sizeof(b), INDEX_BLOCK) != sizeof(b))
			abort();
		memcpy((char *)&b.e[5] + lies[i].offset, &lies[i].value, 8);
		b.check = index_block_check(&b);
		if (pwrite(fd, &b, sizeof(b), INDEX_BLOCK) != sizeof(b))
			abort();
		ok(index_open(fd, &ix) == OK &&
			index_get(&ix, 7, &e) == ERR_DAMAGED,
		    "%s", lies[i].name);
		index_close(&ix);
	}
	index_drop(state);
}

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
static void
test_blocks(void)
{
	static struct index_block b[8];
	struct index_entry e;
	struct index ix;
	bool same = true;
	char octet;

	empty();
	fill(0, 500);
	int fd = make(true) == OK ? index_fd() : -1;
	if (fd == -1 || index_open(fd, &ix) != OK)
		abort();
	ok(index_blocks(&ix, 0, b, 8) == 6, "all blocks there are");
	for (uint64_t i = 0; i < 500; i++)
		same = same && index_get(&ix, i, &e) == OK &&
		       memcmp(&e, &b[i / INDEX_ENTRIES].e[i % INDEX_ENTRIES],
			   sizeof(e)) == 0;
	ok(same, "as one by one");
	ok(index_blocks(&ix, 2 * INDEX_ENTRIES, b, 2) == 2 && b[1].number == 3,
	    "no more than asked for");
	ok(index_blocks(&ix, 500, b, 8) == 1 &&
		index_blocks(&ix, 6 * INDEX_ENTRIES, b, 8) == 0,
	    "none behind the last");
	off_t at = 4 * INDEX_BLOCK + 1000;
	if (pread(fd, &octet, 1, at) != 1)
		abort();
	octet ^= 1;
	if (pwrite(fd, &octet, 1, at) != 1)
		abort();
	ok(index_blocks(&ix, 0, b, 8) == 3 &&
		index_blocks(&ix, 3 * INDEX_ENTRIES, b, 8) == 0 &&
		index_blocks(&ix, 4 * INDEX_ENTRIES, b, 8) == 2,
	    "nor a damaged one");
	ok(ftruncate(fd, 2 * INDEX_BLOCK) == 0 &&
		index_blocks(&ix, 0, b, 8) == 0 &&
		index_blocks(&ix, 0, b, 1) == 1,
	    "nor one that was cut off");
	index_close(&ix);
}

int
main(void)
{
	begin();
	test_make();
	test_changed();
	test_equal();
	test_corrupt();
	test_mixed();
	test_lies();
	test_remove();
	test_busy();
	test_blocks();
	unlinkat(state, "index", 0);
	unlinkat(state, "mbox", 0);
	rmdir(dir);
	return done_testing();
}
