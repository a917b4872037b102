/* The index of a mailbox: what is made, and what is none (spool/index.c,
 * index_make.c). */
#define _GNU_SOURCE
#include "t/unit/index_box.h"

#include <sys/wait.h>
#include <time.h>

#include "common/msg.h"
#include "spool/lock.h"

static void
append(const char *text)
{
	lseek(mbox, 0, SEEK_END);
	if (write(mbox, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
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

	/* Fresh is what is not two seconds old when the index is made. */
	for (time_t begun = 0; time(NULL) - begun > 1;) {
		empty();
		begun = time(NULL);
		fill(0, 200);
		make(true);
	}
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
	test_blocks();
	return end();
}
