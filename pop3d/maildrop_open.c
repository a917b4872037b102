/* Opening the maildrop of a session: lock, index, scan.  Runs in: worker
 * (pop3d). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/msg.h"
#include "pop3d/lang.h"
#include "pop3d/maildrop.h"
#include "spool/lock.h"

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
	d->ctime_ns = index_settled_ctime(&st);
	maildrop_remember(d, &st);
	d->tail_n = d->size < MAILDROP_TAIL ? (size_t)d->size : MAILDROP_TAIL;
	return file_read_at(d->mbox, d->tail, d->tail_n, d->size - d->tail_n);
}

static enum status
locked_scan(struct maildrop *d, bool all, bool *more)
{
	enum status st = maildrop_lock(d);

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
