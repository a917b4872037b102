#ifndef T_CRASH_EXPLORE_H
#define T_CRASH_EXPLORE_H
/*
 * Makes the files of t/crash/disk.h again as a crash at any moment could have
 * left them.  Two models:
 *   kill -9: everything written up to the N-th call is there;
 *   power loss: what was not flushed is there, or not, or in part, in any
 *   combination; of a write any sectors.
 *
 * To use: disk_explore() what was recorded, with a function that recovers and
 * looks.
 */
#include "t/crash/disk.h"

enum { SECTOR_OCTETS = 64 }; /* harder than any disk's 512 */

static uint64_t
disk_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed * UINT64_C(2685821657736338717) >> 16;
}

static void
image_cut(struct image *i, size_t n)
{
	if (n > i->n) {
		i->p = realloc(i->p, n);
		if (i->p == NULL)
			abort();
		memset(i->p + i->n, 0, n - i->n);
	}
	i->n = n;
}

static struct image
image_copy(struct image from)
{
	struct image i = { malloc(from.n + 1), from.n };

	if (i.p == NULL)
		abort();
	if (from.n > 0)
		memcpy(i.p, from.p, from.n);
	return i;
}

/* Applies o; torn: only some of its sectors. */
static void
image_apply(struct image *i, const struct op *o, bool torn, uint64_t *seed)
{
	if (o->what == OP_CUT)
		image_cut(i, (size_t)o->at);
	if (o->what != OP_WRITE)
		return;
	for (size_t k = 0, n; k < o->n; k += n) {
		size_t at = (size_t)o->at + k;
		n = torn ? SECTOR_OCTETS - at % SECTOR_OCTETS : o->n;
		if (n > o->n - k)
			n = o->n - k;
		if (torn && disk_random(seed) % 2 == 0)
			continue;
		if (at + n > i->n)
			image_cut(i, at + n);
		memcpy(i->p + at, o->data + k, n);
	}
}

/* Looks at the files as the crash left them.  last: nothing was left to do. */
typedef bool disk_check(void *arg, bool last);

struct explore {
	struct image before[FILES];
	disk_check *check;
	void *arg;
	uint64_t seed;
	unsigned samples; /* of torn writes at each flush */
	size_t at;	  /* before which call the crash is */
	bool power;	  /* it is one of the power */
	unsigned long runs, failed;
};

/* Applies those of op[0..n) that pick chooses, and looks. */
enum { PICK_NOT, PICK_WHOLE, PICK_TORN };

static bool
explore_one(struct explore *x, const struct op *op, size_t n,
    const unsigned char *pick, bool last)
{
	struct image now[FILES];

	for (int f = 0; f < FILES; f++)
		now[f] = image_copy(x->before[f]);
	for (size_t i = 0; i < n; i++) {
		if (pick[i] != PICK_NOT)
			image_apply(&now[op[i].file], &op[i],
			    pick[i] == PICK_TORN, &x->seed);
	}
	for (int f = 0; f < FILES; f++) {
		disk_put(f, now[f]);
		free(now[f].p);
	}
	x->at = n;
	bool good = x->check(x->arg, last);
	x->runs++;
	x->failed += !good;
	return good;
}

/* Which of op[0..n) are not flushed when the power fails. */
static size_t
unflushed(const struct op *op, size_t n, size_t *which)
{
	bool flushed[FILES] = { false };
	size_t k = 0;

	for (size_t i = n; i-- > 0;) {
		if (op[i].what == OP_FLUSH)
			flushed[op[i].file] = true;
		else if (!flushed[op[i].file])
			which[k++] = i;
	}
	return k;
}

/* The power fails before op[n]. */
static void
explore_power(struct explore *x, const struct op *op, size_t n, bool last)
{
	unsigned char *pick = malloc(n + 1);
	size_t *which = malloc((n + 1) * sizeof(*which));

	if (pick == NULL || which == NULL)
		abort();
	memset(pick, PICK_WHOLE, n + 1);
	size_t k = unflushed(op, n, which);
	x->power = true;
	unsigned long all = k <= 12 ? 1ul << k : 0;
	for (unsigned long s = 0; s < all; s++) {
		for (size_t i = 0; i < k; i++)
			pick[which[i]] =
			    (s >> i & 1) != 0 ? PICK_WHOLE : PICK_NOT;
		explore_one(x, op, n, pick, last);
	}
	for (unsigned s = 0; k > 0 && s < x->samples; s++) {
		for (size_t i = 0; i < k; i++)
			pick[which[i]] = disk_random(&x->seed) % 3;
		explore_one(x, op, n, pick, last);
	}
	x->power = false;
	free(pick);
	free(which);
}

enum { PAGE_OCTETS = 4096 };

/* The process is killed in the middle of op[n], a write: the pages before some
 * moment are there.  Of a power cut that is also what a file system leaves that
 * makes a file longer only when its data are there (ext4 as it comes). */
__attribute__((unused)) static void
disk_explore_pages(
    struct explore *x, const struct op *op, size_t n, size_t octets)
{
	size_t first = (size_t)(op[n].at / octets + 1) * octets;
	unsigned char *pick = malloc(n + 2);
	struct op part = op[n], *all = malloc((n + 1) * sizeof(*all));

	if (pick == NULL || all == NULL)
		abort();
	memset(pick, PICK_WHOLE, n + 2);
	memcpy(all, op, n * sizeof(*all));
	for (size_t end = first; end < op[n].at + op[n].n; end += octets) {
		part.n = end - (size_t)op[n].at;
		all[n] = part;
		explore_one(x, all, n + 1, pick, false);
	}
	free(all);
	free(pick);
}

/* All crashes of what was recorded.  done: the program said that it was done,
 * so that after the last call nothing may be left to do. */
__attribute__((unused)) static void
disk_explore(struct explore *x, const struct op *op, size_t n, bool done)
{
	unsigned char *pick = malloc(n + 1);

	if (pick == NULL)
		abort();
	memset(pick, PICK_WHOLE, n + 1);
	for (size_t i = 0; i <= n; i++) {
		explore_one(x, op, i, pick, done && i == n);
		if (i == n || op[i].what == OP_FLUSH)
			explore_power(x, op, i, done && i == n);
	}
	free(pick);
}
#endif
