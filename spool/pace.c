/* Gaps for programs that look for a dotlock now and then.  Runs in: append. */
#include "spool/pace.h"

#include <stddef.h>

static const struct pace_run *
find(const struct pace_run *set, uint64_t dev, uint64_t ino)
{
	for (unsigned i = 0; i < PACE_WAYS; i++)
		if (set[i].last != 0 && set[i].dev == dev && set[i].ino == ino)
			return &set[i];
	return NULL;
}

static size_t
set_of(uint64_t dev, uint64_t ino)
{
	uint64_t h = (ino ^ dev << 32) * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(h >> 32) % PACE_SETS;
}

/* Differs from run to run, without any state. */
static int64_t
length_of(const struct pace_run *r)
{
	uint64_t h = (uint64_t)r->since * UINT64_C(0x9e3779b97f4a7c15);

	return PACE_RUN_MIN +
	       (int64_t)((h >> 32) % (PACE_RUN_MAX - PACE_RUN_MIN));
}

int64_t
pace_wait(const struct pace *p, uint64_t dev, uint64_t ino, int64_t now)
{
	const struct pace_run *r = find(p->run[set_of(dev, ino)], dev, ino);

	if (r == NULL || now - r->last >= PACE_GAP ||
	    r->last - r->since < length_of(r))
		return 0;
	return r->last + PACE_GAP - now;
}

void
pace_held(struct pace *p, uint64_t dev, uint64_t ino, int64_t from, int64_t now)
{
	struct pace_run *set = p->run[set_of(dev, ino)], *r = &set[0];
	const struct pace_run *known = find(set, dev, ino);

	for (unsigned i = 0; i < PACE_WAYS; i++)
		if (known == &set[i] ||
		    (known == NULL && set[i].last < r->last))
			r = &set[i];
	if (known == NULL || from - r->last >= PACE_GAP)
		*r = (struct pace_run){ .dev = dev, .ino = ino, .since = from };
	r->last = now;
}
