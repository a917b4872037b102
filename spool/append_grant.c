/* The grant of one mailbox for one message.  Runs in: the deliver opener and
 * append. */
#include "spool/append_grant.h"

#include <string.h>

void
grant_put(struct msg *m, const struct grant *g)
{
	msg_start(m, GRANT);
	msg_put_str(m, g->user);
	msg_put_str(m, g->delivered_to);
	msg_put_str(m, g->name);
	msg_put_u32(m, (g->mboxrd ? 1u : 0u) | (g->dotlock ? 2u : 0u) |
			   (g->intent ? 4u : 0u));
	msg_put_u64(m, (uint64_t)g->lock_wait);
	msg_put_u64(m, g->length_max);
	msg_put_u64(m, g->quota);
}

bool
grant_get(struct msg *m, struct grant *g)
{
	*g = (struct grant){ .user = "" };
	msg_get_str(m, g->user, sizeof(g->user));
	msg_get_str(m, g->delivered_to, sizeof(g->delivered_to));
	msg_get_str(m, g->name, sizeof(g->name));
	uint32_t flags = msg_get_u32(m);
	g->mboxrd = flags & 1;
	g->dotlock = flags & 2;
	g->intent = flags & 4;
	g->lock_wait = (int64_t)msg_get_u64(m);
	g->length_max = msg_get_u64(m);
	g->quota = msg_get_u64(m);
	/* A name is one step in its directory and nothing else. */
	return msg_done(m) && flags <= 7 && g->lock_wait >= 0 &&
	       g->name[0] != '\0' && strchr(g->name, '/') == NULL &&
	       strcmp(g->name, ".") != 0 && strcmp(g->name, "..") != 0;
}
