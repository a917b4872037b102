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

/* Sends the message, with the client's socket unless fd is -1, and reads the answer. */
static enum auth_result
ask(int sock, int fd, char *user_out, size_t user_out_size, int *right)
{
	uint32_t result = AUTH_LATER;

	*right = -1;
	user_out[0] = '\0';
	scratch.fd = fd;
	if (!msg_call_lent(sock, &scratch, TIMEOUT_MS))
		return AUTH_LATER;
	result = msg_get_u32(&scratch);
	struct view user = msg_get_view(&scratch, AUTH_USER_MAX);
	msg_get_view(&scratch, 0);
	if (!msg_done(&scratch) || result > AUTH_LATER ||
	    (scratch.fd != -1) != (result == AUTH_YES) ||
	    (result == AUTH_YES && !view_copy(user, user_out, user_out_size))) {
		result = AUTH_LATER;
	} else {
		*right = scratch.fd;
		scratch.fd = -1;
	}
	msg_wipe(&scratch);
	return (enum auth_result)result;
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
	return ask(c->sock, c->fd, user_out, user_out_size, right);
}
