/* The channels of a worker that is to be forked.  Runs in: pool. */
#include "common/pool_channels.h"

#include "common/msg.h"

static const enum role_id asked[] = { ROLE_KEY, ROLE_AUTH, ROLE_LOOKUP,
	ROLE_DELIVER, ROLE_QUEUE };

bool
pool_channels_open(const struct role *role, struct worker *w)
{
	struct intro log_intro = { .kind = INTRO_LOG };
	struct intro in = { .kind = INTRO_WORKER };

	for (unsigned i = 0; i < ROLE__N; i++)
		w->chan[i] = -1;
	w->chan[ROLE_LOG] = introduce(role->log_intro, &log_intro);
	if (w->chan[ROLE_LOG] == -1)
		return false;
	for (unsigned i = 0; i < NELEM(asked); i++) {
		enum role_id to = asked[i];
		if (role->peer[to] == -1)
			continue;
		w->chan[to] = introduce(role->peer[to], &in);
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
