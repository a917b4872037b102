#ifndef T_UNIT_FAKE_EXCHANGE_H
#define T_UNIT_FAKE_EXCHANGE_H
/*
 * An auth whose mechanisms understand "good NAME", "more", "later" and "bad";
 * all else is NO, from the one who says so.  FAKE_RIGHT is the expression that
 * opens a right.
 */
#include <string.h>
#include <unistd.h>

#include "common/ask_auth.h"
#include "common/conn.h"
#include "common/worker.h"

static struct tls_channel fake_channel; /* of every connection */
static char fake_exchange_said[64];	/* mechanism and bindings of the last */

int
worker_channel(struct worker *w, enum role_id to)
{
	return w->chan[to];
}

bool
conn_tls_channel(const struct conn *c, struct tls_channel *channel)
{
	*channel = fake_channel;
	return conn_is_tls(c);
}

enum auth_result
ask_auth_apop(const struct auth_client *c, struct view user,
    struct view digest, const char *stamp, char *user_out,
    size_t user_out_size, int *right)
{
	(void)c;
	*right = -1;
	user_out[0] = '\0';
	if (stamp[0] != '<' || digest.p[0] != 'a')
		return AUTH_NO;
	*right = FAKE_RIGHT;
	view_copy(user, user_out, user_out_size);
	return AUTH_YES;
}

enum auth_result
ask_auth_start(const struct auth_client *c, const char *mechanism,
    const struct auth_channel *channel, struct buf *challenge)
{
	(void)c;
	(void)snprintf(fake_exchange_said, sizeof(fake_exchange_said),
	    "%s %zu %zu %.10s", mechanism, channel->exporter.n,
	    channel->end_point.n, channel->certificate);
	buf_clear(challenge);
	if (strcmp(mechanism, "CRAM-MD5") == 0)
		buf_adds(challenge, "<stamp>");
	return AUTH_CONTINUE;
}

enum auth_result
ask_auth_step(const struct auth_client *c, struct view message,
    struct buf *challenge, char *user_out, int *right)
{
	struct view word = view_token(&message);

	(void)c;
	*right = -1;
	user_out[0] = '\0';
	buf_clear(challenge);
	if (view_eqs(word, "more")) {
		buf_adds(challenge, "go on");
		return AUTH_CONTINUE;
	}
	if (view_eqs(word, "later"))
		return AUTH_LATER;
	if (view_eqs(word, "bad"))
		return AUTH_BAD;
	if (view_eqs(word, "good") && message.n > 0 &&
	    view_copy(message, user_out, AUTH_USER_MAX + 1)) {
		*right = FAKE_RIGHT;
		return AUTH_YES;
	}
	view_copy(word, user_out, AUTH_USER_MAX + 1);
	return AUTH_NO;
}
#endif
