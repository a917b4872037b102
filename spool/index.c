/* The index of a mailbox, read.  Runs in: worker (pop3d), maildrop's children.
 */
#include "spool/index.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/msg.h"
#include "spool/index_format.h"

_Static_assert(sizeof(struct index_entry) == 48, "no gaps");
_Static_assert(sizeof(struct index_block) == INDEX_BLOCK, "a block");

static uint64_t
sum_of(const void *p, size_t n)
{
	struct sum s;

	sum_start(&s);
	sum_add(&s, p, n);
	return sum_end(&s);
}

uint64_t
index_head_check(const struct index_head *h)
{
	return sum_of(h, offsetof(struct index_head, check));
}

uint64_t
index_block_check(const struct index_block *b)
{
	struct sum s;

	sum_start(&s);
	sum_add(&s, b, offsetof(struct index_block, check));
	sum_add(&s, b->e, b->n * sizeof(b->e[0]));
	return sum_end(&s);
}

/* Could these be messages of a mailbox of that size? */
static bool
entries_valid(const struct index_block *b, uint64_t size)
{
	uint64_t at = b->e[0].offset;

	for (uint32_t i = 0; i < b->n; i++) {
		const struct index_entry *e = &b->e[i];
		if (e->offset != at || at > size || e->length > size - at ||
		    e->from_len == 0 || e->from_len > MBOX_FROM_MAX + 1 ||
		    e->length < e->from_len ||
		    /* An LF is two octets; two more may be added at the end. */
		    e->wire > 2 * e->length + 2)
			return false;
		/* The blank line is of its length. */
		if ((e->flags & MBOX_NO_BLANK) == 0 && e->length == e->from_len)
			return false;
		at += e->length;
	}
	return true;
}

static bool
block_valid(
    const struct index_head *h, uint64_t number, const struct index_block *b)
{
	uint64_t left = h->n - number * INDEX_ENTRIES;

	return b->id == h->id && b->number == number && b->n <= INDEX_ENTRIES &&
	       b->n >= (left < INDEX_ENTRIES ? left : INDEX_ENTRIES) &&
	       b->check == index_block_check(b) && entries_valid(b, INT64_MAX);
}

enum status
index_block_read(
    int fd, const struct index_head *h, uint64_t number, struct index_block *b)
{
	enum status st =
	    file_read_at(fd, b, sizeof(*b), INDEX_BLOCK * (number + 1));

	if (st == ERR_CHANGED || (st == OK && !block_valid(h, number, b)))
		st = ERR_DAMAGED;
	if (st != OK)
		b->id = ~h->id; /* not to be taken for one that was read */
	return st;
}

static bool
head_valid(const struct index_head *h)
{
	return h->magic == INDEX_MAGIC && h->check == index_head_check(h) &&
	       h->n > 0 && h->n <= UINT32_MAX && h->uids <= h->n &&
	       h->copies <= h->uids && h->size <= INT64_MAX &&
	       h->wire <= INT64_MAX && h->file_size >= h->size;
}

enum status
index_open(int fd, struct index *ix)
{
	enum status st;

	ix->fd = fd;
	ix->block.id = 0;
	st = file_read_at(fd, &ix->h, sizeof(ix->h), 0);
	if (st == OK && !head_valid(&ix->h))
		st = ERR_DAMAGED;
	if (st == OK)
		st = index_block_read(
		    fd, &ix->h, (ix->h.n - 1) / INDEX_ENTRIES, &ix->block);
	if (st == OK) {
		const struct index_entry *last =
		    &ix->block.e[(ix->h.n - 1) % INDEX_ENTRIES];
		if (ix->block.check != ix->h.last_check ||
		    last->offset + last->length != ix->h.size)
			st = ERR_DAMAGED;
	}
	if (st != OK)
		index_close(ix);
	return st;
}

void
index_close(struct index *ix)
{
	close_fd(&ix->fd);
	ix->h.n = 0;
}

enum status
index_get(struct index *ix, uint64_t i, struct index_entry *e)
{
	uint64_t number = i / INDEX_ENTRIES;
	struct index_block *b = &ix->block;

	if (i >= ix->h.n)
		return ERR_INVALID;
	if (b->id != ix->h.id || b->number != number) {
		enum status st = index_block_read(ix->fd, &ix->h, number, b);
		if (st != OK)
			return st;
	}
	*e = b->e[i % INDEX_ENTRIES];
	/* What another process writes meanwhile may be of another mailbox. */
	if (e->offset > ix->h.size || e->length > ix->h.size - e->offset)
		return ERR_DAMAGED;
	return OK;
}

size_t
index_blocks(
    const struct index *ix, uint64_t i, struct index_block *b, size_t max)
{
	uint64_t number = i / INDEX_ENTRIES;
	uint64_t blocks = (ix->h.n + INDEX_ENTRIES - 1) / INDEX_ENTRIES;
	size_t n = 0;

	if (number >= blocks)
		return 0;
	if (max > blocks - number)
		max = (size_t)(blocks - number);
	if (file_read_at(
		ix->fd, b, max * INDEX_BLOCK, INDEX_BLOCK * (number + 1)) != OK)
		return 0;
	while (n < max && block_valid(&ix->h, number + n, &b[n]))
		n++;
	return n;
}

void
index_msg(const struct index_entry *e, struct mbox_msg *m)
{
	*m = (struct mbox_msg){ .offset = e->offset,
		.length = e->length,
		.from_len = e->from_len,
		.flags = e->flags & 0xffu,
		.wire = e->wire };
}

/* ---- against the mailbox ---- */

enum status
index_sums(int mbox, const struct index_head *h, uint64_t last_offset,
    uint64_t *last_sum, uint64_t *tail_sum)
{
	uint64_t n = h->size - last_offset;
	enum status st = sum_file(
	    mbox, last_offset, n < INDEX_LAST ? n : INDEX_LAST, last_sum);

	n = h->size < INDEX_TAIL ? h->size : INDEX_TAIL;
	if (st == OK)
		st = sum_file(mbox, h->size - n, n, tail_sum);
	return st;
}

enum index_fit
index_fits(const struct index *ix, int mbox, const struct stat *sb, bool mboxrd)
{
	const struct index_head *h = &ix->h;
	uint64_t size = (uint64_t)sb->st_size, last_sum, tail_sum;

	/* Right after index_open: the block is the last one. */
	if (ix->fd == -1 || h->dev != sb->st_dev || h->ino != sb->st_ino ||
	    (h->mboxrd != 0) != mboxrd || size < h->size)
		return INDEX_STALE;
	if (h->settled && h->file_size == size &&
	    h->mtime_ns == index_ns(sb->st_mtim) &&
	    h->ctime_ns == index_ns(sb->st_ctim))
		return size == h->size ? INDEX_SAME : INDEX_GREW;
	const struct index_entry *last =
	    &ix->block.e[(h->n - 1) % INDEX_ENTRIES];
	if (ix->block.number != (h->n - 1) / INDEX_ENTRIES ||
	    index_sums(mbox, h, last->offset, &last_sum, &tail_sum) != OK ||
	    last_sum != h->last_sum || tail_sum != h->tail_sum)
		return INDEX_STALE;
	return INDEX_GREW;
}

enum status
index_tail(struct index *ix, int mbox, const struct stat *sb, uint64_t *base,
    uint64_t *from)
{
	struct index_entry last;

	*base = ix->h.n;
	*from = ix->h.size;
	if ((uint64_t)sb->st_size == ix->h.size)
		return OK;
	enum status st = mbox_check_separator(mbox, ix->h.size);
	if (st != ERR_CHANGED)
		return st;
	/* What was added belongs to the last message: the blank line that was
	 * missing, at least. */
	st = index_get(ix, ix->h.n - 1, &last);
	*base = ix->h.n - 1;
	*from = last.offset;
	return st;
}
