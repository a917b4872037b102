/* The unique-ids of a maildrop (RFC 1939 7).  Runs in: worker (pop3d). */
#define _GNU_SOURCE /* qsort_r */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "pop3d/maildrop.h"

enum { HASH_GROUP = 256 }; /* unique-ids computed under one lock */

/* ---- those of the messages behind the index ---- */

static enum status
hash_all(struct maildrop *d)
{
	size_t n = d->list.n;
	enum status st = OK;

	for (size_t i = 0; i < n && st == OK;) {
		st = maildrop_look_begin(d);
		if (st != OK)
			break;
		size_t end = i + HASH_GROUP;
		for (; i < n && i < end && st == OK; i++)
			st =
			    mbox_unique_id(d->mbox, &d->list.msg[i], d->uid[i]);
		maildrop_look_end(d);
	}
	return st;
}

/* What tells equal messages apart, until their copies are numbered. */
struct maildrop_equal {
	size_t counted;		  /* of the index, so many were looked at */
	unsigned char seen[8192]; /* a bit for two octets of a uid */
	uint32_t order[]; /* of the list, by uid; of equal ones by place */
};

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

static enum status
sort_equal(struct maildrop *d)
{
	size_t n = d->list.n;
	struct maildrop_equal *q = malloc(sizeof(*q) + n * sizeof(q->order[0]));

	if (q == NULL)
		return ERR_NOMEM;
	q->counted = 0;
	memset(q->seen, 0, sizeof(q->seen));
	for (size_t i = 0; i < n; i++) {
		const unsigned char *uid = d->uid[i];
		q->order[i] = (uint32_t)i;
		q->seen[uid[0] << 5 | uid[1] >> 3] |=
		    (unsigned char)(1u << (uid[1] & 7));
	}
	qsort_r(q->order, n, sizeof(q->order[0]), by_uid, d);
	free(d->equal);
	d->equal = q;
	return OK;
}

/* The first in order[] whose uid this is; list.n: none. */
static size_t
find_uid(const struct maildrop *d, const unsigned char *uid)
{
	const uint32_t *order = d->equal->order;
	size_t n = d->list.n, low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (memcmp(d->uid[order[middle]], uid, UNIQUE_ID_OCTETS) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && memcmp(d->uid[order[low]], uid, UNIQUE_ID_OCTETS) == 0
		   ? low
		   : n;
}

/* The next message of the index: the first of its kind in the list, if there is
 * one, has one more before it. */
static void
count_one(struct maildrop *d, const unsigned char *uid)
{
	struct maildrop_equal *q = d->equal;

	q->counted++;
	if ((q->seen[uid[0] << 5 | uid[1] >> 3] >> (uid[1] & 7) & 1) == 0)
		return;
	size_t at = find_uid(d, uid);
	if (at < d->list.n)
		d->copy[q->order[at]]++;
}

/*
 * Equal messages are told apart by their order (RFC 1939 7 allows them to
 * share an id, but then a client that keeps one cannot delete the other).  The
 * index is counted while it is listed, so that it is read once; here, what was
 * not.
 */
static enum status
number_copies(struct maildrop *d)
{
	struct index_entry e;

	while (d->equal->counted < d->base) {
		enum status st = maildrop_entry(d, d->equal->counted, &e);
		if (st != OK)
			return st;
		if (!d->numbered) /* it was damaged, and cannot be renewed */
			return ERR_CHANGED;
		count_one(d, e.uid);
	}
	const uint32_t *order = d->equal->order;
	for (size_t k = 0; k < d->list.n; k++) {
		uint32_t i = order[k], before = k > 0 ? order[k - 1] : i;
		bool same = k > 0 && memcmp(d->uid[before], d->uid[i],
					 UNIQUE_ID_OCTETS) == 0;
		d->copy[i] = 1 + d->copy[same ? before : i];
	}
	free(d->equal);
	d->equal = NULL;
	return OK;
}

/* ---- imported ones ---- */

static void
load_imported(struct maildrop *d)
{
	enum status st;
	int fd = ask_maildrop_file(d->right, MAILDROP_UIDL, &st);

	if (fd == -1)
		return;
	st = uidl_load(fd, &d->uidl);
	close(fd);
	if (st != OK)
		log_warn("warning: imported unique-ids of %s not used: %s",
		    d->path, status_text(st));
}

/* ---- all of them ---- */

enum status
maildrop_unique_ids(struct maildrop *d)
{
	if (d->n == 0)
		return OK;
	if (d->numbered)
		return maildrop_check(d);
	enum status st = OK;
	if (d->base > 0 && d->ix.h.uids < d->base)
		st = maildrop_renew(d, MAILDROP_INDEX_UIDS);
	if (st == OK && d->list.n > 0) {
		free(d->uid);
		free(d->copy);
		d->uid = calloc(d->list.n, sizeof(*d->uid));
		d->copy = calloc(d->list.n, sizeof(*d->copy));
		if (d->uid == NULL || d->copy == NULL)
			return ERR_NOMEM;
		st = hash_all(d);
		if (st == OK)
			st = sort_equal(d);
	} else if (st == OK) {
		st = maildrop_check(d);
	}
	if (st != OK)
		return st;
	if (d->uidl.n == 0)
		load_imported(d);
	d->numbered = true;
	return OK;
}

/* Message i, its copy included. */
static enum status
numbered_entry(struct maildrop *d, size_t i, struct index_entry *e)
{
	enum status st = maildrop_entry(d, i, e);

	if (st == OK && !d->numbered) {
		st = maildrop_unique_ids(d);
		if (st == OK)
			st = maildrop_entry(d, i, e);
	}
	if (st != OK || d->equal == NULL)
		return st;
	if (i < d->base) {
		if (i == d->equal->counted)
			count_one(d, e->uid);
		return OK;
	}
	st = number_copies(d);
	return st == OK ? maildrop_entry(d, i, e) : st;
}

struct view
maildrop_unique_id(struct maildrop *d, size_t i, char *out)
{
	static const struct view none;
	struct index_entry e;

	if (numbered_entry(d, i, &e) != OK || !(e.flags & INDEX_UID))
		return none;
	if (d->uidl.n > 0) {
		struct view id = uidl_find(&d->uidl, e.uid, e.copy);
		if (id.n > 0 && view_copy(id, out, UIDL_TEXT))
			return (struct view){ out, id.n };
	}
	return uidl_text(e.uid, e.copy, out);
}

size_t
maildrop_id_blocks(
    struct maildrop *d, size_t i, struct index_block b[MAILDROP_BLOCKS])
{
	if (!d->numbered || d->uidl.n > 0 || i >= d->base ||
	    i % INDEX_ENTRIES != 0)
		return 0;
	size_t n = index_blocks(&d->ix, i, b, MAILDROP_BLOCKS) * INDEX_ENTRIES;
	if (n > d->base - i)
		n = d->base - i;
	bool count = d->equal != NULL && d->equal->counted == i;
	for (size_t k = 0; k < n; k++) {
		const struct index_entry *e =
		    &b[k / INDEX_ENTRIES].e[k % INDEX_ENTRIES];
		if (!(e->flags & INDEX_UID))
			return k;
		if (count)
			count_one(d, e->uid);
	}
	return n;
}
