/* The channels of workers.  Runs in: pool. */
#include "common/pool_channels.h"

#include "common/msg.h"
#include "common/pool.h"
#include "common/service.h"

static const enum role_id asked[] = { ROLE_KEY, ROLE_AUTH, ROLE_LOOKUP,
	ROLE_DELIVER, ROLE_QUEUE };

static bool
known(const struct role *role, uint32_t to)
{
	for (unsigned i = 0; i < NELEM(asked); i++)
		if (asked[i] == to)
			return role->peer[to] != -1;
	return false;
}

static int
open_channel(const struct role *role, enum role_id to)
{
	struct intro in = { .kind = INTRO_WORKER };

	return introduce(role->peer[to], &in);
}

bool
pool_channel_give(const struct role *role, struct slot *s)
{
	uint32_t to = msg_get_u32(&scratch);

	if (!msg_done(&scratch) || !s->busy || !known(role, to) ||
	    (s->given & BIT(to)) != 0)
		return false;
	s->given |= BIT(to);
	int fd = open_channel(role, (enum role_id)to);
	msg_start(&scratch, POOL_CHANNEL);
	msg_put_u32(&scratch, to);
	scratch.fd = fd;
	bool sent = msg_send(s->ctl, &scratch) == 0;
	close_fd(&scratch.fd);
	return sent;
}

/* Who comes for mail has a password, and TLS ends each worker that used it. */
static bool
begins_with(const struct role *role, enum role_id to)
{
	return to == ROLE_KEY || (role->pop3 && to == ROLE_AUTH);
}

bool
pool_channels_open(const struct role *role, struct worker *w)
{
	struct intro log_intro = { .kind = INTRO_LOG };

	w->given = 0;
	for (unsigned i = 0; i < ROLE__N; i++)
		w->chan[i] = -1;
	w->chan[ROLE_LOG] = introduce(role->log_intro, &log_intro);
	if (w->chan[ROLE_LOG] == -1)
		return false;
	for (unsigned i = 0; i < NELEM(asked); i++) {
		enum role_id to = asked[i];
		if (role->peer[to] == -1 || !begins_with(role, to))
			continue;
		w->given |= BIT(to);
		w->chan[to] = open_channel(role, to);
		if (w->chan[to] == -1)
			return false;
	}
	return true;
}

void
pool_channels_close(struct worker *w)
{
	for (unsigned i = 0; i < ROLE__N; i++)
		close_fd(&w->chan[i]);
}
