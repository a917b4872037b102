/*
 * Journals that somebody made: whatever they say, a recovery ends, and what it
 * does not believe it leaves as it was.
 *
 * An input is the fields of a journal in two octets each and the text of the
 * mailbox; the checksums are made here, or hardly any journal would be read
 * further than to its first one.  Or it is the journal itself.
 */
#define _GNU_SOURCE /* fallocate */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* For the layout of the file. */
#include "spool/journal.c"
#include "spool/update.h"
#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	const uint8_t *p;
	size_t n;
} in;

enum { WRONG_INO = 1, WRONG_SUM = 2, WRONG_TAIL = 4, OLDER_MARK = 8, RAW = 16 };

static uint64_t
number(void)
{
	uint64_t u = 0;

	for (int i = 0; i < 2 && in.n > 0; i++, in.n--)
		u = u << 8 | *in.p++;
	/* Some that are huge. */
	return u >= 0xfff0 ? UINT64_MAX << (u - 0xfff0) * 4 : u;
}

static void
write_at(int fd, const void *p, size_t n, uint64_t at)
{
	must(pwrite(fd, p, n, (off_t)at) == (ssize_t)n);
}

/* Takes a journal from the input, for a mailbox of `size` octets. */
static void
make_journal(int fd, int mbox, unsigned how)
{
	struct range del[4] = { { 0, 0 } };
	struct header h = { .magic = MAGIC, .n = number() % 5 };
	struct slot s = { .magic = MAGIC };
	struct journal j = { .n = h.n };
	char data[4096];
	struct stat sb;

	must(fstat(mbox, &sb) == 0);
	for (size_t i = 0; i < h.n && i < NELEM(del); i++) {
		del[i] = (struct range){ number(), number() };
		j.removed += del[i].length;
	}
	h.n = h.n > 4 ? 4 : h.n;
	h.dev = sb.st_dev;
	h.ino = sb.st_ino + ((how & WRONG_INO) != 0);
	h.removed = j.removed;
	h.window = number();
	h.ranges_sum = sum_of(del, h.n * sizeof(del[0]));
	h.check = sum_of(&h, offsetof(struct header, check));
	s.mark = (struct mark){ .number = 1 + number(),
		.kind = number() % 3,
		.dest = number(),
		.length = number(),
		.size = number() };
	memset(data, 'd', sizeof(data));
	size_t n = s.mark.length < sizeof(data) ? (size_t)s.mark.length : 0;
	s.mark.sum = sum_of(data, n) + ((how & WRONG_SUM) != 0);
	struct range tail;
	journal_tail(&j, s.mark.size, &tail);
	if (sum_file(mbox, tail.offset, tail.length < 65536 ? tail.length : 0,
		&s.mark.tail_sum) != OK ||
	    (how & WRONG_TAIL) != 0)
		s.mark.tail_sum++;
	s.check = sum_of(&s, offsetof(struct slot, check));
	write_at(fd, &h, sizeof(h), 0);
	write_at(fd, &s, sizeof(s), SECTOR * (1 + s.mark.number % 2));
	write_at(fd, del, h.n * sizeof(del[0]), RANGES);
	write_at(fd, data, n, data_offset((size_t)h.n));
}

/* The files, once. */
static int
files(int *mbox)
{
	static int dir = -1, box = -1;
	char name[] = "/tmp/fuzz-journal-XXXXXX";

	if (dir == -1) {
		must(mkdtemp(name) != NULL);
		dir = open(name, O_RDONLY | O_DIRECTORY);
		box = openat(dir, "mbox", O_RDWR | O_CREAT, 0600);
		unlinkat(dir, "mbox", 0);
		must(dir != -1 && box != -1);
	}
	*mbox = box;
	return dir;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int mbox, dir = files(&mbox);
	int fd = openat(dir, "journal", O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct stat before, after;

	in.p = data;
	in.n = size;
	unsigned how = (unsigned)number();
	must(fd != -1 && ftruncate(mbox, 0) == 0);
	size_t text = in.n > 40 ? in.n - 40 : 0;
	write_at(mbox, in.p + in.n - text, text, 0);
	in.n -= text;
	if ((how & RAW) != 0)
		write_at(fd, data, size, 0);
	else
		make_journal(fd, mbox, how);
	close(fd);
	must(fstat(mbox, &before) == 0);
	enum status st = update_recover(mbox, dir);
	must(fstat(mbox, &after) == 0 && after.st_size <= before.st_size);
	must(st != OK || !update_unfinished(dir));
	if (st == ERR_DAMAGED) {
		char now[4096];
		size_t n = text < sizeof(now) ? text : sizeof(now);
		must(
		    !update_unfinished(dir) && after.st_size == before.st_size);
		must(pread(mbox, now, n, 0) == (ssize_t)n &&
		     memcmp(now, data + size - text, n) == 0);
	}
	unlinkat(dir, "journal", 0);
	unlinkat(dir, "journal.bad", 0);
	return 0;
}
