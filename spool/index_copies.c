/* Equal messages of an index are told apart by their order.  Runs in: children
 * of maildrop, pennyctl. */
#include "spool/index.h"

#include <stdlib.h>
#include <string.h>

/* Unique-ids are looked at in parts, so that it takes no more memory for a
 * larger mailbox.  Whose part it is a sender cannot know. */
struct key {
	uint64_t a, b;
};
struct part {
	struct index *ix;
	uint64_t number, parts;
	struct key *key; /* sorted when it is full, and in the end */
	size_t n, cap;
	uint32_t *count; /* beside key: so many were met */
};

static bool
part_key(const struct part *p, const struct index_entry *e, struct key *k)
{
	memcpy(&k->a, e->uid, sizeof(k->a));
	memcpy(&k->b, e->uid + sizeof(k->a), sizeof(k->b));
	uint64_t mixed = (k->a ^ k->b) * (p->ix->h.id | 1);
	return (mixed >> 32) % p->parts == p->number;
}

static int
by_key(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	return x->b < y->b ? -1 : x->b > y->b;
}

/* Sorts the keys; of equal ones `most` stay, and of those that are there fewer
 * than `least` times none. */
static void
part_sort(struct part *p, size_t least, size_t most)
{
	size_t kept = 0, end;

	if (p->n > 0)
		qsort(p->key, p->n, sizeof(*p->key), by_key);
	for (size_t i = 0; i < p->n; i = end) {
		for (end = i + 1;
		     end < p->n && by_key(&p->key[i], &p->key[end]) == 0;)
			end++;
		struct key k = p->key[i];
		for (size_t m = 0; end - i >= least && m < end - i && m < most;
		     m++)
			p->key[kept++] = k;
	}
	p->n = kept;
}

static enum status
part_add(struct part *p, const struct key *k)
{
	if (p->n == p->cap)
		part_sort(p, 1, 2);
	if (p->n == p->cap) {
		/* More different ones than were to be expected. */
		size_t cap = p->cap + p->cap / 2 + 64;
		struct key *more = realloc(p->key, cap * sizeof(*more));
		if (more == NULL)
			return ERR_NOMEM;
		p->key = more;
		p->cap = cap;
	}
	p->key[p->n++] = *k;
	return OK;
}

/* Calls each entry of a block; *changed: it is to be written. */
typedef enum status each(struct part *, struct index_entry *e, bool *changed);

static enum status
part_walk(struct part *p, each *call)
{
	uint64_t n = p->ix->h.n;
	enum status st = OK;

	for (uint64_t k = 0; st == OK && k * INDEX_ENTRIES < n; k++) {
		struct index_block b;
		bool changed = false;
		st = index_block_read(p->ix->fd, &p->ix->h, k, &b);
		for (uint32_t i = 0;
		     st == OK && i < INDEX_ENTRIES && k * INDEX_ENTRIES + i < n;
		     i++)
			st = call(p, &b.e[i], &changed);
		if (st == OK && changed)
			st = index_block_write(p->ix->fd, &b);
	}
	return st;
}

static enum status
gather(struct part *p, struct index_entry *e, bool *changed)
{
	struct key k;

	(void)changed;
	return part_key(p, e, &k) ? part_add(p, &k) : OK;
}

static enum status
give_number(struct part *p, struct index_entry *e, bool *changed)
{
	struct key k, *found;

	if (!part_key(p, e, &k))
		return OK;
	found = bsearch(&k, p->key, p->n, sizeof(k), by_key);
	if (found == NULL)
		return OK;
	uint32_t copy = ++p->count[found - p->key];
	*changed = *changed || e->copy != copy;
	e->copy = copy;
	p->ix->h.copies += copy > 1;
	return OK;
}

static enum status
number_part(struct part *p)
{
	p->n = 0;
	enum status st = part_walk(p, gather);

	if (st != OK)
		return st;
	part_sort(p, 2, 1);
	if (p->n == 0)
		return OK;
	p->count = calloc(p->n, sizeof(*p->count));
	st = p->count == NULL ? ERR_NOMEM : part_walk(p, give_number);
	free(p->count);
	p->count = NULL;
	return st;
}

enum status
index_number_copies(struct index *ix, uint64_t part)
{
	struct part p = { .ix = ix, .parts = ix->h.n / part + 1 };
	enum status st = OK;

	/* Parts are not all equal. */
	p.cap = (size_t)(ix->h.n / p.parts);
	p.cap += p.cap / 4 + 64;
	p.key = calloc(p.cap, sizeof(*p.key));
	if (p.key == NULL)
		return ERR_NOMEM;
	ix->h.copies = 0;
	for (; st == OK && p.number < p.parts; p.number++)
		st = number_part(&p);
	ix->block.id = ~ix->h.id; /* what was read is not what is written */
	free(p.key);
	return st;
}
