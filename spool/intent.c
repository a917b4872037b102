/* What an append is about to write.  Runs in: append; the deliver opener learns
 * which boot it is. */
#define _GNU_SOURCE /* memmem */
#include "spool/intent.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/msg.h"
#include "spool/journal.h"
#include "spool/mbox.h"
#include "spool/torn.h"

/* "pennypa1" where the numbers have this host's order. */
#define INTENT_MAGIC UINT64_C(0x70656e6e79706131)

enum { PIECE = 65536, BOOT_TEXT = 36 };

static unsigned char boot[16];
static bool boot_known;

static int
hex(char c)
{
	const char *digits = "0123456789abcdef";
	const char *p = c == '\0' ? NULL : strchr(digits, c);

	return p == NULL ? -1 : (int)(p - digits);
}

void
intent_init(void)
{
	char text[BOOT_TEXT];
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	unsigned n = 0;

	boot_known = false;
	memset(boot, 0, sizeof(boot));
	if (fd == -1)
		return;
	ssize_t got = read(fd, text, sizeof(text));
	close(fd);
	for (ssize_t i = 0; i < got && n < 32; i++) {
		int d = hex(text[i]);
		if (d == -1)
			continue;
		boot[n / 2] = (unsigned char)(boot[n / 2] << 4 | d);
		n++;
	}
	boot_known = n == 32;
}

bool
intent_possible(void)
{
	return boot_known;
}

static uint64_t
check_of(const struct intent *in)
{
	struct sum s;

	sum_start(&s);
	sum_add(&s, in, offsetof(struct intent, check));
	return sum_end(&s);
}

enum status
intent_write(int fd, struct intent *in)
{
	in->magic = INTENT_MAGIC;
	memcpy(in->boot, boot, sizeof(in->boot));
	in->check = check_of(in);
	return file_write_at(fd, in, sizeof(*in), 0);
}

void
intent_clear(int fd)
{
	static const uint64_t none;

	/* Where even this fails nothing can be written at all; then the next
	 * writer finds messages that are whole, and keeps them: see
	 * intent_recover(). */
	if (file_write_at(fd, &none, sizeof(none), 0) != OK)
		(void)file_cut(fd, 0);
}

static bool
read_intent(int fd, struct intent *in)
{
	/* An empty file is what is there mostly. */
	return file_read_at(fd, in, sizeof(*in), 0) == OK &&
	       in->magic == INTENT_MAGIC && in->check == check_of(in) &&
	       in->n <= INTENT_MESSAGES && in->head_n <= INTENT_HEAD &&
	       in->head_n > 0 && in->offset <= INT64_MAX;
}

static bool
ours(const struct intent *in, uint64_t at)
{
	for (uint64_t i = 0; i < in->n; i++)
		if (in->start[i] == at)
			return true;
	return false;
}

/* Looks in p[0..n), which lies at `at` in the file, for From_ lines that are
 * not ours, also where they do not begin a line: whoever wrote behind a torn
 * line may not have looked. */
static bool
has_foreign(const struct intent *in, uint64_t at, const char *p, size_t n)
{
	const char *from = p;

	while (
	    (from = memmem(from, n - (size_t)(from - p), "From ", 5)) != NULL) {
		size_t left = n - (size_t)(from - p);
		const char *lf = memchr(from, '\n', left);
		struct view line = { from,
			lf == NULL ? left : (size_t)(lf - from) };
		if (mbox_is_from(line) && !ours(in, at + (uint64_t)(from - p)))
			return true;
		from++;
	}
	return false;
}

/* Is what lies behind the old end of the mailbox what we began to write, and
 * nothing else? */
static enum status
only_ours(const struct intent *in, int mbox, uint64_t size, bool *all)
{
	static char piece[PIECE + MBOX_FROM_MAX + 1];
	uint64_t at = in->offset;
	size_t n =
	    in->head_n < size - at ? (size_t)in->head_n : (size_t)(size - at);
	enum status st = file_read_at(mbox, piece, n, at);

	*all = st == OK && memcmp(piece, in->head, n) == 0;
	while (st == OK && *all && at < size) {
		n = size - at < sizeof(piece) ? (size_t)(size - at)
					      : sizeof(piece);
		st = file_read_at(mbox, piece, n, at);
		if (st == OK && has_foreign(in, at, piece, n))
			*all = false;
		at += n == sizeof(piece) ? PIECE : n;
	}
	return st;
}

/* Cuts off what a process of this boot left. */
static enum status
cut_off(const struct intent *in, int mbox, uint64_t size, uint64_t *gone)
{
	bool all = false;
	enum status st = only_ours(in, mbox, size, &all);

	/* That took a while. */
	if (st == OK && all && file_has_size(mbox, size)) {
		st = file_cut(mbox, in->offset);
		if (st == OK)
			st = file_flush(mbox);
		*gone = size - in->offset;
	}
	return st;
}

/* Is there a record of this mailbox, and something behind what it names? */
static bool
behind(const struct intent *in, const struct stat *sb)
{
	return in->dev == sb->st_dev && in->ino == sb->st_ino &&
	       (uint64_t)sb->st_size > in->offset;
}

bool
intent_left(int fd, int mbox, uint64_t *at)
{
	struct intent in;
	struct stat sb;

	if (!boot_known || !read_intent(fd, &in) || fstat(mbox, &sb) == -1 ||
	    !behind(&in, &sb) || memcmp(in.boot, boot, sizeof(boot)) != 0)
		return false;
	*at = in.offset;
	return true;
}

enum status
intent_recover(int fd, int mbox, uint64_t *gone, bool *mended)
{
	struct intent in;
	struct stat sb;
	bool start = false;

	*gone = 0;
	/* An empty mailbox needs no record to tell where it ended. */
	enum status st = torn_mend(mbox, 0, &start);
	*mended = start;
	if (st != OK || fd == -1 || !boot_known || !read_intent(fd, &in))
		return st;
	if (fstat(mbox, &sb) == -1)
		return ERR_IO;
	if (behind(&in, &sb))
		st = memcmp(in.boot, boot, sizeof(boot)) == 0
			 ? cut_off(&in, mbox, (uint64_t)sb.st_size, gone)
			 : torn_mend(mbox, in.offset, mended);
	*mended |= start;
	if (st == OK)
		intent_clear(fd);
	return st;
}
