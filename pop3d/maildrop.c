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
#include "pop3d/lang.h"
#include "spool/lock.h"

void
maildrop_init(struct maildrop *d, const struct settings *settings)
{
	memset(d, 0, sizeof(*d));
	d->settings = settings;
	d->right = d->lock = d->mbox = d->ix.fd = -1;
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
	uidl_free(&d->uidl);
	index_close(&d->ix);
	/* The lock goes last, so that the next session finds us gone. */
	close_fd(&d->right);
	close_fd(&d->mbox);
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

static void
remember(struct maildrop *d, const struct stat *st)
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
	remember(d, &st);
	return OK;
}

enum status
maildrop_look_begin(struct maildrop *d)
{
	enum status st =
	    lock_wait(d->mbox, false, d->settings->mailbox_lock_wait);

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

/* ---- opening ---- */

/* What the index that there is leaves to be scanned: from *from on. */
static void
take_index(struct maildrop *d, const struct stat *sb, uint64_t *from)
{
	uint64_t base = 0;

	*from = 0;
	if (d->ix.fd != -1 &&
	    (index_fits(&d->ix, d->mbox, sb, d->settings->quoting_mboxrd) ==
		    INDEX_STALE ||
		index_tail(&d->ix, d->mbox, sb, &base, from) != OK))
		index_close(&d->ix);
	if (d->ix.fd == -1)
		base = *from = 0;
	d->base = (size_t)base;
	d->base_size = *from;
}

/* Under the lock.  all false: not more than a short tail; *more says that there
 * is more. */
static enum status
scan(struct maildrop *d, bool all, bool *more)
{
	struct stat st;
	uint64_t from;

	if (fstat(d->mbox, &st) == -1)
		return status_from_errno(errno);
	d->size = (uint64_t)st.st_size;
	take_index(d, &st, &from);
	*more = d->size - from > MAILDROP_SCAN;
	if (*more && !all)
		return OK;
	enum status rc = mbox_scan_from(d->mbox, from, d->size,
	    d->settings->quoting_mboxrd, mbox_list_add, &d->list);
	if (rc != OK)
		return rc;
	d->n = d->base + d->list.n;
	if (d->n > UINT32_MAX)
		return ERR_LIMIT;
	d->dev = st.st_dev;
	d->ino = st.st_ino;
	remember(d, &st);
	d->tail_n = d->size < MAILDROP_TAIL ? (size_t)d->size : MAILDROP_TAIL;
	return file_read_at(d->mbox, d->tail, d->tail_n, d->size - d->tail_n);
}

static enum status
locked_scan(struct maildrop *d, bool all, bool *more)
{
	enum status st =
	    lock_wait(d->mbox, false, d->settings->mailbox_lock_wait);

	if (st != OK)
		return st;
	st = scan(d, all, more);
	lock_release(d->mbox);
	return st;
}

/* A large mailbox is not scanned in memory of ours, if that can be helped. */
static enum status
find_messages(struct maildrop *d)
{
	enum status st;
	struct stat sb;
	bool more = false;

	if (fstat(d->mbox, &sb) == -1)
		return status_from_errno(errno);
	if (sb.st_size > MAILDROP_SCAN) {
		int fd = ask_maildrop_file(d->right, MAILDROP_INDEX, &st);
		if (fd != -1)
			index_open(fd, &d->ix);
	}
	st = locked_scan(d, false, &more);
	if (st != OK || !more)
		return st;
	index_close(&d->ix);
	int fd = ask_maildrop_file(d->right, MAILDROP_INDEX_NEW, &st);
	if (fd != -1)
		index_open(fd, &d->ix);
	return locked_scan(d, true, &more);
}

/* All messages into memory, without an index. */
static enum status
scan_all(struct maildrop *d)
{
	struct mbox_list all = { .n = 0 };
	enum status st = maildrop_look_begin(d);

	if (st != OK)
		return st;
	st = mbox_scan_from(d->mbox, 0, d->size, d->settings->quoting_mboxrd,
	    mbox_list_add, &all);
	maildrop_look_end(d);
	if (st == OK && all.n != d->n)
		st = ERR_CHANGED;
	if (st != OK) {
		mbox_list_free(&all);
		return st;
	}
	mbox_list_free(&d->list);
	d->list = all;
	d->base = 0;
	index_close(&d->ix);
	d->numbered = false;
	return OK;
}

/* Does this index say of the session's messages what the old one did? */
static bool
fits_session(struct maildrop *d, struct index *ix)
{
	struct index_entry last;
	struct stat sb;

	return ix->fd != -1 && fstat(d->mbox, &sb) == 0 &&
	       index_fits(ix, d->mbox, &sb, d->settings->quoting_mboxrd) !=
		   INDEX_STALE &&
	       ix->h.uids >= d->base &&
	       index_get(ix, d->base - 1, &last) == OK &&
	       last.offset + last.length == d->base_size;
}

enum status
maildrop_renew(struct maildrop *d, enum maildrop_file what)
{
	struct index ix = { .fd = -1 };
	enum status st;

	if (d->changed)
		return ERR_CHANGED;
	int fd = ask_maildrop_file(d->right, what, &st);
	if (fd != -1)
		index_open(fd, &ix);
	st = maildrop_look_begin(d);
	if (st != OK) {
		index_close(&ix);
		return st;
	}
	bool good = fits_session(d, &ix);
	maildrop_look_end(d);
	if (!good) {
		index_close(&ix);
		return scan_all(d);
	}
	index_close(&d->ix);
	d->ix = ix;
	return OK;
}

/* The sums, and room for marks. */
static enum status
settle(struct maildrop *d)
{
	struct index_entry e;

	size_t map = d->n / 8 + 1;
	d->deleted = 3 * map <= sizeof(d->few) ? d->few : calloc(3, map);
	if (d->deleted == NULL)
		return ERR_NOMEM;
	d->looked = d->deleted + map;
	d->surrogate = d->looked + map;
	if (d->base > 0)
		d->all_octets = d->ix.h.wire;
	if (d->base > 0 && d->base < d->ix.h.n) {
		/* The last one was not yet whole. */
		if (index_get(&d->ix, d->base, &e) != OK)
			return ERR_CHANGED; /* it was read a moment ago */
		d->all_octets -= e.wire;
	}
	for (size_t i = 0; i < d->list.n; i++)
		d->all_octets += d->list.msg[i].wire;
	d->octets = d->all_octets;
	d->left = d->n;
	return OK;
}

/* A sentence for the user where the maildrop role gave none. */
static void
explain(enum status st, char *text, size_t size)
{
	const char *why =
	    LANG_TEXT("The mailbox cannot be opened now; try again later.");

	if (st == ERR_BUSY)
		why = LANG_TEXT(
		    "Another program is changing the mailbox; try again.");
	else if (st == ERR_DAMAGED)
		why = LANG_TEXT("The mailbox is not in mbox format; ask the "
				"postmaster.");
	else if (st == ERR_NOMEM || st == ERR_LIMIT)
		why = LANG_TEXT("Not enough memory for this mailbox; try again "
				"later.");
	snprintf(text, size, "%s", why);
}

/* The role did not give the session lock.  ERR_BUSY: text is who has it;
 * ERR_LIMIT: how many seconds it is too early. */
static void
not_locked(struct maildrop *d, enum status st, char *text, size_t size)
{
	unsigned long long seconds = 0;

	if (st == ERR_BUSY) {
		snprintf(d->holder, sizeof(d->holder), "%s", text);
		snprintf(text, size, "%s",
		    LANG_TEXT("Mailbox locked by another session."));
	} else if (st == ERR_LIMIT) {
		if (view_number(view_of(text), 100000, &seconds))
			d->delay = (unsigned)seconds;
		text[0] = '\0';
	}
}

static enum status
open_and_scan(struct maildrop *d, char *text, size_t size)
{
	enum status st = OK;

	d->mbox = ask_maildrop_open(d->right, &st, text, size);
	if (d->mbox == -1)
		return st == ERR_GONE ? OK : st; /* no file: no mail yet */
	snprintf(d->path, sizeof(d->path), "%s", text);
	text[0] = '\0';
	return find_messages(d);
}

enum status
maildrop_open(struct maildrop *d, int right, char *text, size_t size)
{
	enum status st = OK;

	text[0] = '\0';
	d->holder[0] = '\0';
	d->delay = 0;
	d->right = right;
	d->lock = ask_maildrop_lock(right, &st, text, size);
	if (d->lock == -1)
		not_locked(d, st, text, size);
	else
		st = open_and_scan(d, text, size);
	if (st == OK)
		st = settle(d);
	if (st != OK) {
		struct maildrop failed = *d;
		if (text[0] == '\0')
			explain(st, text, size);
		maildrop_close(d);
		memcpy(d->path, failed.path, sizeof(d->path));
		memcpy(d->holder, failed.holder, sizeof(d->holder));
		d->delay = failed.delay;
	}
	return st;
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
		st = ask_maildrop_commit(d->right, d->dev, d->ino, d->size, del,
		    (unsigned)n, text, size);
	free(del);
	return st;
}
