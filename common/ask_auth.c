/* Asking auth.  Runs in: worker. */
#include "common/ask_auth.h"

#include <string.h>

#include "common/msg.h"

/* auth gives up waiting for a crypt process after 30 s, a calculation takes 20
 * at most, and the delay after a refusal is at most a minute. */
enum { TIMEOUT_MS = 120000 };

static bool
could_be(struct view v, size_t max)
{
	return v.n <= max && (v.n == 0 || memchr(v.p, '\0', v.n) == NULL);
}

struct answer {
	char *user; /* with AUTH_YES, and with AUTH_NO as far as it fits */
	size_t user_size;
	struct buf *challenge; /* NULL: there must be none */
	int *right;
};

static bool
read_answer(struct answer *a, uint32_t *result)
{
	*result = msg_get_u32(&scratch);
	struct view user = msg_get_view(&scratch, AUTH_USER_MAX);
	struct view challenge = msg_get_view(&scratch, AUTH_STEP_MAX);
	bool fits = view_copy(user, a->user, a->user_size);

	if (!msg_done(&scratch) || *result > AUTH_BAD ||
	    (scratch.fd != -1) != (*result == AUTH_YES) ||
	    (*result == AUTH_YES && !fits))
		return false;
	if (*result == AUTH_CONTINUE &&
	    (a->challenge == NULL || !buf_addv(a->challenge, challenge)))
		return false;
	*a->right = scratch.fd;
	scratch.fd = -1;
	return true;
}

/* Sends the message, with the client's socket unless fd is -1, and reads the
 * answer. */
static enum auth_result
ask(int sock, int fd, struct answer *a)
{
	uint32_t result = AUTH_LATER;

	*a->right = -1;
	a->user[0] = '\0';
	if (a->challenge != NULL)
		buf_clear(a->challenge);
	scratch.fd = fd;
	if (!msg_call_lent(sock, &scratch, TIMEOUT_MS))
		return AUTH_LATER;
	if (!read_answer(a, &result)) {
		result = AUTH_LATER;
		a->user[0] = '\0';
	}
	msg_wipe(&scratch);
	return (enum auth_result)result;
}

/* For the questions without a challenge, whose user matters with yes only. */
static enum auth_result
ask_once(const struct auth_client *c, char *user_out, size_t size, int *right)
{
	struct answer a = { user_out, size, NULL, right };
	enum auth_result r = ask(c->sock, c->fd, &a);

	if (r != AUTH_YES)
		user_out[0] = '\0';
	return r == AUTH_BAD ? AUTH_LATER : r;
}

enum auth_result
ask_auth_password(const struct auth_client *c, struct view user,
    struct view pass, const char *mechanism, char *user_out,
    size_t user_out_size, int *right)
{
	*right = -1;
	user_out[0] = '\0';
	/* Nobody's, and auth would take them for a breach. */
	if (!could_be(user, AUTH_USER_MAX) || !could_be(pass, AUTH_PASS_MAX))
		return AUTH_NO;
	msg_start(&scratch, AUTH_PASSWORD);
	msg_put_view(&scratch, user);
	msg_put_view(&scratch, pass);
	msg_put_str(&scratch, mechanism);
	msg_put_str(&scratch, c->address);
	return ask_once(c, user_out, user_out_size, right);
}

enum auth_result
ask_auth_apop(const struct auth_client *c, struct view user, struct view digest,
    const char *stamp, char *user_out, size_t user_out_size, int *right)
{
	*right = -1;
	user_out[0] = '\0';
	if (!could_be(user, AUTH_USER_MAX))
		return AUTH_NO;
	msg_start(&scratch, AUTH_APOP);
	msg_put_view(&scratch, user);
	msg_put_view(&scratch, digest);
	msg_put_str(&scratch, stamp);
	msg_put_str(&scratch, c->address);
	return ask_once(c, user_out, user_out_size, right);
}

enum auth_result
ask_auth_start(const struct auth_client *c, const char *mechanism,
    const struct auth_channel *channel, struct buf *challenge)
{
	char user[AUTH_USER_MAX + 1];
	int right;
	struct answer a = { user, sizeof(user), challenge, &right };

	msg_start(&scratch, AUTH_START);
	msg_put_str(&scratch, mechanism);
	msg_put_str(&scratch, c->address);
	msg_put_view(&scratch, channel->exporter);
	msg_put_view(&scratch, channel->end_point);
	msg_put_str(&scratch, channel->certificate);
	enum auth_result r = ask(c->sock, c->fd, &a);
	close_fd(&right);
	return r == AUTH_YES ? AUTH_LATER : r; /* not yet */
}

enum auth_result
ask_auth_step(const struct auth_client *c, struct view message,
    struct buf *challenge, char *user_out, int *right)
{
	struct answer a = { user_out, AUTH_USER_MAX + 1, challenge, right };

	msg_start(&scratch, AUTH_STEP);
	msg_put_view(&scratch, message);
	return ask(c->sock, -1, &a);
}
