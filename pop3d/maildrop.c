/* The maildrop of one session.  Runs in: worker (pop3d). */
#include "pop3d/maildrop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/msg.h"
#include "spool/lock.h"

void
maildrop_init(struct maildrop *d, const struct settings *settings)
{
	memset(d, 0, sizeof(*d));
	d->settings = settings;
	d->right = d->lock = d->mbox = d->turnstile = d->ix.fd = -1;
}

void
maildrop_close(struct maildrop *d)
{
	const struct settings *settings = d->settings;

	mbox_list_free(&d->list);
	if (d->deleted != d->few)
		free(d->deleted);
	free(d->mark);
	free(d->more);
	free(d->uid);
	free(d->copy);
	free(d->equal);
	uidl_free(&d->uidl);
	index_close(&d->ix);
	/* The lock goes last, so that the next session finds us gone. */
	close_fd(&d->right);
	close_fd(&d->mbox);
	close_fd(&d->turnstile);
	close_fd(&d->lock);
	maildrop_init(d, settings);
}

static bool
bit(const unsigned char *map, size_t i)
{
	return (map[i / 8] >> (i % 8)) & 1;
}

static void
bit_set(unsigned char *map, size_t i)
{
	map[i / 8] |= (unsigned char)(1u << (i % 8));
}

/* ---- looking at the file ---- */

static int64_t
nanoseconds(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void
maildrop_remember(struct maildrop *d, const struct stat *st)
{
	d->seen_size = (uint64_t)st->st_size;
	d->seen_mtime = nanoseconds(st->st_mtim);
	d->seen_ctime = nanoseconds(st->st_ctim);
}

static bool
as_remembered(const struct maildrop *d, const struct stat *st)
{
	return d->seen_size == (uint64_t)st->st_size &&
	       d->seen_mtime == nanoseconds(st->st_mtim) &&
	       d->seen_ctime == nanoseconds(st->st_ctim);
}

/*
 * Is the file still what was scanned, perhaps with more behind it?  A program
 * that removes or rewrites a message moves what is behind it, and so the end
 * of what we scanned; that end is compared.
 */
static enum status
check(struct maildrop *d)
{
	unsigned char tail[MAILDROP_TAIL];
	struct stat st;

	if (d->changed)
		return ERR_CHANGED;
	if (fstat(d->mbox, &st) == -1)
		return status_from_errno(errno);
	if (as_remembered(d, &st))
		return OK;
	if (st.st_nlink == 0 || (uint64_t)st.st_size < d->size)
		return ERR_CHANGED;
	enum status rc =
	    file_read_at(d->mbox, tail, d->tail_n, d->size - d->tail_n);
	if (rc != OK)
		return rc;
	if (memcmp(tail, d->tail, d->tail_n) != 0)
		return ERR_CHANGED;
	maildrop_remember(d, &st);
	return OK;
}

enum status
maildrop_lock(struct maildrop *d)
{
	enum status st = lock_try(d->mbox, false), none;

	if (st != ERR_BUSY)
		return st;
	if (d->turnstile == -1)
		d->turnstile =
		    ask_maildrop_file(d->right, MAILDROP_TURNSTILE, &none);
	return lock_wait_turn(
	    d->mbox, false, d->settings->mailbox_lock_wait, d->turnstile);
}

enum status
maildrop_look_begin(struct maildrop *d)
{
	enum status st = maildrop_lock(d);

	if (st != OK)
		return st;
	st = check(d);
	if (st != OK)
		lock_release(d->mbox);
	return st;
}

void
maildrop_look_end(struct maildrop *d)
{
	lock_release(d->mbox);
}

/* ---- messages ---- */

/* The first that is not before message i. */
static size_t
more_at(const struct maildrop *d, size_t i)
{
	size_t low = 0, high = d->more_n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (d->more[middle].i < i)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

enum status
maildrop_entry(struct maildrop *d, size_t i, struct index_entry *e)
{
	if (i < d->base) {
		if (index_get(&d->ix, i, e) == OK)
			return OK;
		enum status st = maildrop_renew(d, MAILDROP_INDEX_ANEW);
		if (st != OK)
			return st;
	}
	if (i < d->base)
		return index_get(&d->ix, i, e) == OK ? OK : ERR_CHANGED;
	const struct mbox_msg *m = &d->list.msg[i - d->base];
	*e = (struct index_entry){ .offset = m->offset,
		.length = m->length,
		.wire = m->wire,
		.from_len = (uint16_t)m->from_len,
		.flags = (uint16_t)m->flags };
	if (d->numbered) {
		memcpy(e->uid, d->uid[i - d->base], sizeof(e->uid));
		e->copy = d->copy[i - d->base];
		e->flags |= INDEX_UID;
	}
	return OK;
}

enum status
maildrop_msg(struct maildrop *d, size_t i, struct mbox_msg *m)
{
	struct index_entry e;

	enum status st = maildrop_entry(d, i, &e);
	if (st != OK)
		return st;
	index_msg(&e, m);
	size_t at = more_at(d, i);
	if (at < d->more_n && d->more[at].i == i)
		m->wire += d->more[at].octets;
	return OK;
}

enum status
maildrop_longer(struct maildrop *d, size_t i, uint64_t more)
{
	if (d->more_n == d->more_cap) {
		size_t cap = d->more_cap == 0 ? 16 : 2 * d->more_cap;
		void *p = realloc(d->more, cap * sizeof(*d->more));
		if (p == NULL)
			return ERR_NOMEM;
		d->more = p;
		d->more_cap = cap;
	}
	size_t at = more_at(d, i);
	memmove(d->more + at + 1, d->more + at,
	    (d->more_n - at) * sizeof(*d->more));
	d->more[at] = (struct maildrop_more){ i, more };
	d->more_n++;
	d->all_octets += more;
	if (!maildrop_deleted(d, i))
		d->octets += more;
	return OK;
}

enum status
maildrop_check(struct maildrop *d)
{
	if (d->mbox == -1)
		return OK;
	enum status st = maildrop_look_begin(d);
	if (st == OK)
		maildrop_look_end(d);
	return st;
}

enum status
maildrop_read(struct maildrop *d, size_t i, uint64_t at, char *p, size_t n)
{
	struct mbox_msg m;
	enum status st = maildrop_msg(d, i, &m);

	if (st == OK)
		st = maildrop_look_begin(d);
	if (st != OK)
		return st;
	st = file_read_at(d->mbox, p, n, m.offset + at);
	maildrop_look_end(d);
	if (st == OK && at == 0 &&
	    (n < m.from_len || n < 5 || memcmp(p, "From ", 5) != 0 ||
		p[m.from_len - 1] != '\n'))
		return ERR_CHANGED;
	return st;
}

/* ---- deleting ---- */

bool
maildrop_deleted(const struct maildrop *d, size_t i)
{
	return bit(d->deleted, i);
}

static enum status
mark_room(struct maildrop *d)
{
	if (d->mark_n < d->mark_cap)
		return OK;
	size_t cap = d->mark_cap == 0 ? 16 : 2 * d->mark_cap;
	void *p = realloc(d->mark, cap * sizeof(*d->mark));
	if (p == NULL)
		return ERR_NOMEM;
	d->mark = p;
	d->mark_cap = cap;
	return OK;
}

enum status
maildrop_mark(struct maildrop *d, size_t i)
{
	struct maildrop_mark mark = { .i = (uint32_t)i };
	struct index_entry e;
	struct mbox_msg m;
	enum status st = mark_room(d);

	if (st == OK)
		st = maildrop_msg(d, i, &m);
	if (st == OK)
		st = maildrop_entry(d, i, &e);
	if (st == OK)
		st = maildrop_look_begin(d);
	if (st != OK)
		return st;
	st = mbox_unique_id(d->mbox, &m, mark.uid);
	maildrop_look_end(d);
	if (st == OK && (e.flags & INDEX_UID) != 0 &&
	    memcmp(mark.uid, e.uid, sizeof(e.uid)) != 0) {
		/* Somebody wrote over it and moved nothing.  The next session
		 * finds it as it is now. */
		maildrop_renew(d, MAILDROP_INDEX_ANEW);
		st = ERR_CHANGED;
	}
	if (st != OK)
		return st;
	d->mark[d->mark_n++] = mark;
	bit_set(d->deleted, i);
	d->left--;
	d->octets -= m.wire;
	return OK;
}

void
maildrop_unmark_all(struct maildrop *d)
{
	memset(d->deleted, 0, d->n / 8 + 1);
	d->mark_n = 0;
	d->left = d->n;
	d->octets = d->all_octets;
}

static int
by_place(const void *a, const void *b)
{
	const struct maildrop_mark *x = a, *y = b;

	return x->i < y->i ? -1 : x->i > y->i;
}

enum status
maildrop_commit(struct maildrop *d, char *text, size_t size)
{
	size_t n = d->mark_n;
	struct maildrop_del *del = NULL;
	enum status st = OK;

	text[0] = '\0';
	if (n == 0)
		return OK;
	if (d->changed)
		return ERR_CHANGED;
	del = malloc(n * sizeof(*del));
	if (del == NULL)
		return ERR_NOMEM;
	qsort(d->mark, n, sizeof(*d->mark), by_place);
	for (size_t k = 0; k < n && st == OK; k++) {
		struct mbox_msg m = { .length = 0 };
		st = maildrop_msg(d, d->mark[k].i, &m);
		del[k] = (struct maildrop_del){ m.offset, m.length, { 0 } };
		memcpy(del[k].uid, d->mark[k].uid, UNIQUE_ID_OCTETS);
	}
	if (st == OK)
		st = ask_maildrop_commit(d->right,
		    &(struct maildrop_seen){
			d->dev, d->ino, d->size, d->ctime_ns },
		    del, (unsigned)n, text, size);
	free(del);
	return st;
}
