/* The maildrop of one session.  Runs in: worker (pop3d). */
#define _GNU_SOURCE /* qsort_r */
#include "pop3d/maildrop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/msg.h"
#include "pop3d/lang.h"
#include "spool/lock.h"

enum { HASH_GROUP = 256 }; /* unique-ids computed under one lock */

void
maildrop_init(struct maildrop *d, const struct settings *settings)
{
	memset(d, 0, sizeof(*d));
	d->settings = settings;
	d->right = d->lock = d->mbox = -1;
}

void
maildrop_close(struct maildrop *d)
{
	const struct settings *settings = d->settings;

	mbox_list_free(&d->list);
	free(d->deleted);
	free(d->hashed);
	free(d->looked);
	free(d->surrogate);
	free(d->uid);
	free(d->copy);
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

static enum status
read_at(int fd, uint64_t at, void *p, size_t n)
{
	char *to = p;

	while (n > 0) {
		ssize_t got = pread(fd, to, n, (off_t)at);
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return status_from_errno(errno);
		if (got == 0)
			return ERR_CHANGED;
		to += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return OK;
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
	if (st.st_nlink == 0 || (uint64_t)st.st_size < d->list.size)
		return ERR_CHANGED;
	enum status rc =
	    read_at(d->mbox, d->list.size - d->tail_n, tail, d->tail_n);
	if (rc != OK)
		return rc;
	if (memcmp(tail, d->tail, d->tail_n) != 0)
		return ERR_CHANGED;
	remember(d, &st);
	return OK;
}

/* Locks and checks; with OK, look_end() must follow. */
static enum status
look_begin(struct maildrop *d)
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

static void
look_end(struct maildrop *d)
{
	lock_release(d->mbox);
}

/* ---- opening ---- */

/* The scan, under the lock. */
static enum status
scan(struct maildrop *d)
{
	struct stat st;

	if (fstat(d->mbox, &st) == -1)
		return status_from_errno(errno);
	enum status rc = mbox_scan(d->mbox, (uint64_t)st.st_size,
	    d->settings->quoting_mboxrd, &d->list);
	if (rc != OK)
		return rc;
	if (d->list.n > UINT32_MAX)
		return ERR_LIMIT;
	d->dev = st.st_dev;
	d->ino = st.st_ino;
	remember(d, &st);
	d->tail_n =
	    d->list.size < MAILDROP_TAIL ? (size_t)d->list.size : MAILDROP_TAIL;
	return read_at(d->mbox, d->list.size - d->tail_n, d->tail, d->tail_n);
}

/* What was scanned, kept in no more memory than it needs. */
static enum status
settle(struct maildrop *d)
{
	size_t n = d->list.n;

	if (n > 0 && d->list.cap > n) {
		void *p = realloc(d->list.msg, n * sizeof(*d->list.msg));
		if (p != NULL) {
			d->list.msg = p;
			d->list.cap = n;
		}
	}
	d->deleted = calloc(n / 8 + 1, 1);
	d->hashed = calloc(n / 8 + 1, 1);
	d->looked = calloc(n / 8 + 1, 1);
	d->surrogate = calloc(n / 8 + 1, 1);
	if (d->deleted == NULL || d->hashed == NULL || d->looked == NULL ||
	    d->surrogate == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		d->all_octets += d->list.msg[i].wire;
	d->octets = d->all_octets;
	d->left = n;
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
	st = lock_wait(d->mbox, false, d->settings->mailbox_lock_wait);
	if (st != OK)
		return st;
	st = scan(d);
	lock_release(d->mbox);
	return st;
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

/* ---- reading ---- */

enum status
maildrop_read(struct maildrop *d, size_t i, uint64_t at, char *p, size_t n)
{
	const struct mbox_msg *m = &d->list.msg[i];
	enum status st = look_begin(d);

	if (st != OK)
		return st;
	st = read_at(d->mbox, m->offset + at, p, n);
	look_end(d);
	if (st == OK && at == 0 &&
	    (n < m->from_len || memcmp(p, "From ", 5) != 0 ||
		p[m->from_len - 1] != '\n'))
		return ERR_CHANGED;
	return st;
}

/* ---- unique-ids ---- */

static enum status
uid_room(struct maildrop *d)
{
	if (d->uid == NULL)
		d->uid = calloc(d->list.n, sizeof(*d->uid));
	return d->uid == NULL ? ERR_NOMEM : OK;
}

/* Within a look: the unique-id of message i. */
static enum status
hash(struct maildrop *d, size_t i)
{
	enum status st = OK;

	if (bit(d->hashed, i))
		return OK;
	st = mbox_unique_id(d->mbox, &d->list.msg[i], d->uid[i]);
	if (st == OK)
		bit_set(d->hashed, i);
	return st;
}

static int
by_uid(const void *a, const void *b, void *arg)
{
	const struct maildrop *d = arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int c = memcmp(d->uid[x], d->uid[y], UNIQUE_ID_OCTETS);

	if (c == 0)
		c = x < y ? -1 : x > y;
	return c;
}

/*
 * Equal messages are told apart by their order (RFC 1939 7 allows them to
 * share an id, but then a client that keeps one cannot delete the other).
 */
static enum status
number_copies(struct maildrop *d)
{
	size_t n = d->list.n;
	uint32_t *order = malloc((n + 1) * sizeof(*order));
	bool equal = false;
	enum status st = ERR_NOMEM;

	if (order == NULL)
		goto out;
	for (size_t i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, n, sizeof(*order), by_uid, d);
	for (size_t k = 1; k < n && !equal; k++)
		equal = memcmp(d->uid[order[k - 1]], d->uid[order[k]],
			    UNIQUE_ID_OCTETS) == 0;
	if (equal) {
		d->copy = calloc(n, sizeof(*d->copy));
		if (d->copy == NULL)
			goto out;
		d->copy[order[0]] = 1;
		for (size_t k = 1; k < n; k++)
			d->copy[order[k]] =
			    memcmp(d->uid[order[k - 1]], d->uid[order[k]],
				UNIQUE_ID_OCTETS) == 0
				? d->copy[order[k - 1]] + 1
				: 1;
	}
	d->numbered = true;
	st = OK;
out:
	free(order);
	return st;
}

enum status
maildrop_unique_ids(struct maildrop *d)
{
	enum status st = OK;

	if (d->list.n == 0 || d->numbered)
		return d->mbox == -1 || !d->changed ? OK : ERR_CHANGED;
	st = uid_room(d);
	for (size_t i = 0; i < d->list.n && st == OK;) {
		st = look_begin(d);
		if (st != OK)
			break;
		size_t end = i + HASH_GROUP;
		for (; i < d->list.n && i < end && st == OK; i++)
			st = hash(d, i);
		look_end(d);
	}
	return st == OK ? number_copies(d) : st;
}

const char *
maildrop_unique_id(const struct maildrop *d, size_t i, char *out)
{
	static const char hex[] = "0123456789abcdef";
	size_t at = 0;

	for (size_t k = 0; k < UNIQUE_ID_OCTETS; k++) {
		out[at++] = hex[d->uid[i][k] >> 4];
		out[at++] = hex[d->uid[i][k] & 15];
	}
	out[at] = '\0';
	if (d->copy != NULL && d->copy[i] > 1)
		snprintf(
		    out + at, UNIQUE_ID_TEXT - at, ".%u", (unsigned)d->copy[i]);
	return out;
}

/* ---- deleting ---- */

bool
maildrop_deleted(const struct maildrop *d, size_t i)
{
	return bit(d->deleted, i);
}

enum status
maildrop_mark(struct maildrop *d, size_t i)
{
	enum status st = uid_room(d);

	if (st == OK)
		st = look_begin(d);
	if (st != OK)
		return st;
	st = hash(d, i);
	look_end(d);
	if (st != OK)
		return st;
	bit_set(d->deleted, i);
	d->left--;
	d->octets -= d->list.msg[i].wire;
	return OK;
}

void
maildrop_unmark_all(struct maildrop *d)
{
	memset(d->deleted, 0, d->list.n / 8 + 1);
	d->left = d->list.n;
	d->octets = d->all_octets;
}

enum status
maildrop_commit(struct maildrop *d, char *text, size_t size)
{
	size_t n = d->list.n - d->left, k = 0;
	struct maildrop_del *del = NULL;
	enum status st = ERR_NOMEM;

	text[0] = '\0';
	if (n == 0)
		return OK;
	if (d->changed)
		return ERR_CHANGED;
	del = malloc(n * sizeof(*del));
	if (del == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < d->list.n; i++) {
		const struct mbox_msg *m = &d->list.msg[i];
		if (!maildrop_deleted(d, i))
			continue;
		del[k] = (struct maildrop_del){ m->offset, m->length, { 0 } };
		memcpy(del[k++].uid, d->uid[i], UNIQUE_ID_OCTETS);
	}
	st = ask_maildrop_commit(d->right, d->dev, d->ino, d->list.size, del,
	    (unsigned)n, text, size);
	free(del);
	return st;
}
