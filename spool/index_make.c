/* Making the index of a mailbox.  Runs in: maildrop's children, which have
 * become its owner; pennyctl. */
#define _GNU_SOURCE
#include "spool/index_make.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/msg.h"
#include "spool/index_format.h"
#include "spool/lock.h"

enum { HASH_BLOCKS = 4 };

void
index_drop(int state_dir)
{
	unlinkat(state_dir, "index", 0);
}

/* The index as it is, for writing; nobody else writes it while it is open. */
static enum status
open_own(int state_dir, struct index *ix)
{
	struct stat sb;
	int fd = openat(state_dir, "index",
	    O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	ix->fd = -1;
	if (fd == -1)
		return errno == ENOENT ? ERR_GONE : ERR_UNSAFE;
	if (fstat(fd, &sb) == -1 || !S_ISREG(sb.st_mode) ||
	    sb.st_uid != geteuid() || sb.st_nlink != 1) {
		close(fd);
		return ERR_UNSAFE;
	}
	enum status st = lock_try(fd, true);
	if (st != OK) {
		close(fd);
		return st;
	}
	return index_open(fd, ix);
}

/* ---- extents ---- */

struct making {
	const struct index_job *job;
	struct index_writer w;
	uint64_t all; /* octets of the mailbox */
};

static enum status
add_message(void *arg, const struct mbox_msg *m)
{
	struct making *k = arg;
	struct index_entry e = { .offset = m->offset,
		.length = m->length,
		.wire = m->wire,
		.from_len = (uint16_t)m->from_len,
		.flags = (uint16_t)m->flags };

	k->w.h.wire += m->wire;
	return index_write_add(&k->w, &e);
}

static void
tell(void *arg, uint64_t at)
{
	const struct making *k = arg;

	if (k->job->progress != NULL)
		k->job->progress(k->job->arg, "octets", at, k->all);
}

static enum status
make_new(struct making *k, struct index *ix)
{
	const struct index_job *job = k->job;
	int dir = job->state_dir;

	index_close(ix);
	unlinkat(dir, "index.new", 0);
	int fd = openat(dir, "index.new",
	    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return status_from_errno(errno);
	enum status st = index_write_new(&k->w, fd, job->mboxrd);
	if (st == OK)
		st = mbox_scan_told(
		    job->mbox, 0, k->all, job->mboxrd, add_message, tell, k);
	if (st == OK)
		st = index_write_end(&k->w, job->mbox);
	/* The old one goes first: replacing one name by another makes some file
	 * systems write the new file out at once. */
	index_drop(dir);
	if (st == OK && renameat(dir, "index.new", dir, "index") == -1)
		st = status_from_errno(errno);
	if (st != OK) {
		unlinkat(dir, "index.new", 0);
		close(fd);
		return st;
	}
	lock_try(fd, true);
	return index_open(fd, ix);
}

static enum status
make_tail(struct making *k, struct index *ix, const struct stat *sb)
{
	const struct index_job *job = k->job;
	uint64_t base, from;
	enum status st = index_tail(ix, job->mbox, sb, &base, &from);

	if (st == OK && base < ix->h.n) {
		struct index_entry e;
		st = index_get(ix, base, &e);
		ix->h.wire -= e.wire;
		if (ix->h.uids > base) {
			ix->h.uids = base;
			ix->h.copies -= e.copy > 1;
		}
	}
	if (st == OK)
		st = index_write_at(&k->w, ix, base);
	if (st == OK)
		st = mbox_scan_told(
		    job->mbox, from, k->all, job->mboxrd, add_message, tell, k);
	if (st == OK)
		st = index_write_end(&k->w, job->mbox);
	if (st != OK)
		return st;
	int fd = ix->fd;
	ix->fd = -1;
	return index_open(fd, ix);
}

/* Under the mailbox lock. */
static enum status
make_extents(const struct index_job *job, struct index *ix)
{
	struct making k = { .job = job };
	struct stat sb;

	if (fstat(job->mbox, &sb) == -1)
		return status_from_errno(errno);
	k.all = (uint64_t)sb.st_size;
	enum status st = open_own(job->state_dir, ix);
	if (st == ERR_BUSY)
		return st;
	enum index_fit fit = st == OK
				 ? index_fits(ix, job->mbox, &sb, job->mboxrd)
				 : INDEX_STALE;
	if (fit == INDEX_SAME)
		return OK;
	if (fit == INDEX_GREW && make_tail(&k, ix, &sb) == OK)
		return OK;
	return make_new(&k, ix);
}

/* ---- unique-ids ---- */

/* Fills one block; the mailbox lock is held. */
static enum status
hash_block(struct index *ix, int mbox, uint64_t number)
{
	struct index_block b;
	enum status st = index_block_read(ix->fd, &ix->h, number, &b);
	uint64_t first = number * INDEX_ENTRIES;

	/* Behind those that count there may be more. */
	if (st == OK && b.n > ix->h.n - first)
		b.n = (uint32_t)(ix->h.n - first);
	for (uint32_t i = 0; st == OK && i < b.n; i++) {
		struct index_entry *e = &b.e[i];
		struct mbox_msg m;
		if (first + i >= ix->h.uids) {
			index_msg(e, &m);
			st = mbox_unique_id(mbox, &m, e->uid);
			e->flags |= INDEX_UID;
			e->copy = 1;
		}
	}
	return st == OK ? index_block_write(ix->fd, &b) : st;
}

/* Some blocks under one lock.  The mailbox may grow between. */
static enum status
hash_some(const struct index_job *job, struct index *ix, uint64_t *number,
    uint64_t blocks)
{
	struct stat sb;
	enum status st =
	    lock_wait_state(job->mbox, false, job->lock_wait, job->state_dir);
	struct index_entry last;

	if (st != OK)
		return st;
	if (fstat(job->mbox, &sb) == -1)
		st = status_from_errno(errno);
	/* index_fits() looks at the last message. */
	if (st == OK)
		st = index_get(ix, ix->h.n - 1, &last);
	if (st == OK &&
	    index_fits(ix, job->mbox, &sb, job->mboxrd) == INDEX_STALE)
		st = ERR_CHANGED;
	for (int i = 0; st == OK && i < HASH_BLOCKS && *number < blocks; i++)
		st = hash_block(ix, job->mbox, (*number)++);
	lock_release(job->mbox);
	return st;
}

static enum status
make_uids(const struct index_job *job, struct index *ix)
{
	uint64_t blocks = (ix->h.n + INDEX_ENTRIES - 1) / INDEX_ENTRIES;
	struct index_block b;
	enum status st = OK;

	for (uint64_t k = ix->h.uids / INDEX_ENTRIES; st == OK && k < blocks;) {
		st = hash_some(job, ix, &k, blocks);
		if (job->progress != NULL)
			job->progress(job->arg, "unique-ids", k, blocks);
	}
	if (st == OK)
		st = index_number_copies(ix, INDEX_PART);
	if (st != OK)
		return st;
	ix->h.uids = ix->h.n;
	/* The header says what the mailbox was: it may have changed since. */
	st = index_block_read(ix->fd, &ix->h, blocks - 1, &b);
	ix->h.last_check = b.check;
	ix->h.check = index_head_check(&ix->h);
	return st == OK ? file_write_at(ix->fd, &ix->h, sizeof(ix->h), 0) : st;
}

enum status
index_make(const struct index_job *job)
{
	struct index ix = { .fd = -1 };
	enum status st =
	    lock_wait_state(job->mbox, false, job->lock_wait, job->state_dir);

	if (st != OK)
		return st;
	st = make_extents(job, &ix);
	lock_release(job->mbox);
	if (st == OK && job->uids && ix.h.uids < ix.h.n)
		st = make_uids(job, &ix);
	if (st == ERR_DAMAGED || st == ERR_CHANGED)
		index_drop(job->state_dir);
	index_close(&ix);
	return st;
}

/* ---- removing ---- */

void
index_remove_begin(struct index_removal *r, int state_dir, int mbox)
{
	static const uint64_t none;
	struct stat sb;

	r->state_dir = state_dir;
	enum status st = open_own(state_dir, &r->ix);
	if (st == ERR_GONE)
		return;
	if (st == OK &&
	    (fstat(mbox, &sb) == -1 || index_fits(&r->ix, mbox, &sb,
					   r->ix.h.mboxrd != 0) == INDEX_STALE))
		st = ERR_CHANGED;
	/* Void from here on: a crash must not leave it behind. */
	if (st == OK)
		st = file_write_at(r->ix.fd, &none, sizeof(none), 0);
	if (st != OK) {
		index_close(&r->ix);
		index_drop(state_dir);
	}
}

/* The first entry at or behind that offset. */
static enum status
find_entry(struct index *ix, uint64_t offset, uint64_t *first)
{
	uint64_t low = 0, high = ix->h.n;
	enum status st = OK;

	while (st == OK && low < high) {
		struct index_entry e = { .offset = 0 };
		uint64_t middle = low + (high - low) / 2;
		st = index_get(ix, middle, &e);
		if (e.offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	*first = low;
	return st;
}

/* Writes what is kept, from the first entry that goes on.  In place: what is
 * read is always ahead of what is written. */
static enum status
carry_along(
    struct index *ix, int mbox, const struct update_del *del, unsigned n)
{
	struct index_writer w = { .fd = -1 };
	uint64_t i, gone = 0, all = ix->h.n, uids = ix->h.uids, wire = 0;
	unsigned k = 0;

	if (del[0].offset >= ix->h.size)
		return index_seal(ix, mbox);
	enum status st = find_entry(ix, del[0].offset, &i);
	if (st == OK)
		st = index_write_at(&w, ix, i);
	for (; st == OK && i < all; i++) {
		struct index_entry e;
		st = index_get(ix, i, &e);
		if (st == OK && k < n && del[k].offset == e.offset) {
			if (del[k].length != e.length)
				return ERR_CHANGED;
			gone += e.length;
			wire += e.wire;
			w.h.uids -= i < uids;
			k++;
		} else if (st == OK) {
			if (k < n && del[k].offset < e.offset + e.length)
				return ERR_CHANGED;
			e.offset -= gone;
			st = index_write_add(&w, &e);
		}
	}
	w.h.wire -= wire;
	/* Who is whose copy is found out again. */
	if (w.h.copies > 0)
		w.h.uids = w.h.copies = 0;
	return st == OK ? index_write_end(&w, mbox) : st;
}

void
index_remove_end(struct index_removal *r, int mbox,
    const struct update_del *del, unsigned n, bool removed)
{
	struct stat sb;

	if (r->ix.fd == -1)
		return;
	/* An empty mailbox needs none. */
	if (!removed || n == 0 || fstat(mbox, &sb) == -1 || sb.st_size == 0 ||
	    carry_along(&r->ix, mbox, del, n) != OK)
		index_drop(r->state_dir);
	index_close(&r->ix);
}
