/* Messages by uid.  Runs in: queue. */
#include "spool/owners.h"

#include <stdbool.h>

/* The place of uid, or that it may have; OWNERS_MAX: all are taken. */
static size_t
find(const struct owners *o, uint32_t uid)
{
	size_t at = uid % OWNERS_MAX, room = OWNERS_MAX;

	for (size_t i = 0; i < OWNERS_MAX; i++, at = (at + 1) % OWNERS_MAX) {
		if (o->slot[at].uid == uid)
			return at;
		if (room == OWNERS_MAX && o->slot[at].n == 0)
			room = at;
		if (o->slot[at].uid == 0)
			break;
	}
	return room;
}

uint16_t
owners_take(struct owners *o, uint32_t uid)
{
	size_t at = uid == 0 ? OWNERS_MAX : find(o, uid);

	if (at == OWNERS_MAX)
		return 0;
	o->slot[at].uid = uid;
	o->slot[at].n++;
	return (uint16_t)(at + 1);
}

void
owners_give(struct owners *o, uint16_t taken)
{
	if (taken != 0)
		o->slot[taken - 1].n--;
}

uint32_t
owners_count(const struct owners *o, uint32_t uid)
{
	size_t at = uid == 0 ? OWNERS_MAX : find(o, uid);

	return at == OWNERS_MAX || o->slot[at].uid != uid ? 0 : o->slot[at].n;
}

uint32_t
owners_uid(struct view user)
{
	unsigned long long n;

	if (!view_eqs(view_token(&user), "uid") ||
	    !view_number(view_token(&user), UINT32_MAX, &n) ||
	    !view_eqs(view_trim(user), "of this host"))
		return 0;
	return (uint32_t)n;
}
