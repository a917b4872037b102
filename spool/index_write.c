/* The index of a mailbox, written.  Runs in: maildrop's children, which have
 * become the mailbox' owner. */
#include "spool/index.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/file.h"
#include "spool/index_format.h"

enum status
index_block_write(int fd, struct index_block *b)
{
	memset(&b->e[b->n], 0, sizeof(b->e[0]) * (INDEX_ENTRIES - b->n));
	memset(b->unused, 0, sizeof(b->unused));
	b->check = index_block_check(b);
	return file_write_at(
	    fd, b, sizeof(*b), INDEX_BLOCK * ((uint64_t)b->number + 1));
}

static void
block_start(struct index_writer *w, uint64_t number)
{
	w->block.id = w->h.id;
	w->block.number = (uint32_t)number;
	w->block.n = 0;
}

enum status
index_write_new(struct index_writer *w, int fd, bool mboxrd)
{
	w->fd = fd;
	w->h = (struct index_head){ .magic = INDEX_MAGIC, .mboxrd = mboxrd };
	if (getrandom(&w->h.id, sizeof(w->h.id), 0) != sizeof(w->h.id))
		return ERR_IO;
	block_start(w, 0);
	return OK;
}

enum status
index_write_at(struct index_writer *w, struct index *ix, uint64_t n)
{
	struct index_entry e = { .offset = 0 };

	w->fd = ix->fd;
	w->h = ix->h;
	w->h.n = n;
	w->h.size = 0;
	block_start(w, n / INDEX_ENTRIES);
	if (n == 0)
		return OK;
	enum status st = index_get(ix, n - 1, &e);
	w->last = e.offset;
	w->h.size = e.offset + e.length;
	w->h.last_check = ix->block.check;
	if (n % INDEX_ENTRIES != 0) {
		w->block = ix->block;
		w->block.n = (uint32_t)(n % INDEX_ENTRIES);
	}
	return st;
}

enum status
index_write_add(struct index_writer *w, const struct index_entry *e)
{
	if (e->offset != w->h.size)
		return ERR_INVALID;
	if (w->h.n == UINT32_MAX)
		return ERR_LIMIT;
	w->block.e[w->block.n++] = *e;
	w->last = e->offset;
	w->h.n++;
	w->h.size += e->length;
	if (w->block.n < INDEX_ENTRIES)
		return OK;
	enum status st = index_block_write(w->fd, &w->block);
	w->h.last_check = w->block.check;
	block_start(w, w->h.n / INDEX_ENTRIES);
	return st;
}

/* The header, for the mailbox as it is now. */
int64_t
index_settled_ctime(const struct stat *sb)
{
	int64_t ctime_ns = index_ns(sb->st_ctim);
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return index_ns(now) - ctime_ns > INDEX_SETTLED_MS * INT64_C(1000000)
		   ? ctime_ns
		   : 0;
}

static enum status
write_head(int fd, struct index_head *h, int mbox, uint64_t last_offset)
{
	struct stat sb;

	if (fstat(mbox, &sb) == -1)
		return status_from_errno(errno);
	if ((uint64_t)sb.st_size < h->size)
		return ERR_CHANGED;
	h->dev = sb.st_dev;
	h->ino = sb.st_ino;
	h->file_size = (uint64_t)sb.st_size;
	h->mtime_ns = index_ns(sb.st_mtim);
	h->ctime_ns = index_ns(sb.st_ctim);
	h->settled = index_settled_ctime(&sb) != 0;
	enum status st =
	    index_sums(mbox, h, last_offset, &h->last_sum, &h->tail_sum);
	h->check = index_head_check(h);
	if (st == OK)
		st = file_write_at(fd, h, sizeof(*h), 0);
	return st;
}

enum status
index_write_end(struct index_writer *w, int mbox)
{
	uint64_t blocks = (w->h.n + INDEX_ENTRIES - 1) / INDEX_ENTRIES;
	enum status st = OK;

	if (w->h.n == 0)
		return ERR_GONE; /* an empty mailbox needs none */
	if (w->block.n > 0) {
		st = index_block_write(w->fd, &w->block);
		w->h.last_check = w->block.check;
	}
	if (st == OK)
		st = file_cut(w->fd, INDEX_BLOCK * (blocks + 1));
	return st == OK ? write_head(w->fd, &w->h, mbox, w->last) : st;
}

enum status
index_seal(struct index *ix, int mbox)
{
	struct index_entry last;
	enum status st = index_get(ix, ix->h.n - 1, &last);

	ix->h.last_check = ix->block.check;
	return st == OK ? write_head(ix->fd, &ix->h, mbox, last.offset) : st;
}
