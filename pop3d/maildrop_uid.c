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

/* The first of order[] whose uid this is; n: none. */
static size_t
find_uid(const struct maildrop *d, const uint32_t *order, size_t n,
    const unsigned char *uid)
{
	size_t low = 0, high = n;

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

/* Counts in copy[] those of the index that equal the first of its kind. */
static enum status
count_indexed(struct maildrop *d, const uint32_t *order, size_t n)
{
	static unsigned char seen[8192]; /* a bit for two octets of a uid */
	struct index_entry e;

	memset(seen, 0, sizeof(seen));
	for (size_t k = 0; k < n; k++)
		seen[d->uid[k][0] << 5 | d->uid[k][1] >> 3] |=
		    (unsigned char)(1u << (d->uid[k][1] & 7));
	for (size_t i = 0; n > 0 && i < d->base; i++) {
		enum status st = maildrop_entry(d, i, &e);
		if (st != OK)
			return st;
		if (i >= d->base) /* it was damaged, and cannot be renewed */
			return ERR_CHANGED;
		if (!(seen[e.uid[0] << 5 | e.uid[1] >> 3] >> (e.uid[1] & 7) &
			1))
			continue;
		size_t at = find_uid(d, order, n, e.uid);
		if (at < n)
			d->copy[order[at]]++;
	}
	return OK;
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

	if (order == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, n, sizeof(*order), by_uid, d);
	enum status st = count_indexed(d, order, n);
	for (size_t k = 0; k < n && st == OK; k++) {
		bool same =
		    k > 0 && memcmp(d->uid[order[k - 1]], d->uid[order[k]],
				 UNIQUE_ID_OCTETS) == 0;
		d->copy[order[k]] =
		    1 + (same ? d->copy[order[k - 1]] : d->copy[order[k]]);
	}
	free(order);
	return st;
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
			st = number_copies(d);
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

struct view
maildrop_unique_id(struct maildrop *d, size_t i, char *out)
{
	static const struct view none;
	struct index_entry e;

	if (maildrop_entry(d, i, &e) != OK)
		return none;
	if (!d->numbered &&
	    (maildrop_unique_ids(d) != OK || maildrop_entry(d, i, &e) != OK))
		return none;
	if (!(e.flags & INDEX_UID))
		return none;
	if (d->uidl.n > 0) {
		struct view id = uidl_find(&d->uidl, e.uid, e.copy);
		if (id.n > 0 && view_copy(id, out, UIDL_TEXT))
			return (struct view){ out, id.n };
	}
	return uidl_text(e.uid, e.copy, out);
}
