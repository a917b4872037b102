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

enum auth_result
ask_auth_password(int sock, struct view user, struct view pass,
    const char *mechanism, const char *client, char *user_out,
    size_t user_out_size, int *right)
{
	static struct msg m;
	uint32_t result = AUTH_LATER;

	*right = -1;
	user_out[0] = '\0';
	/* Nobody's, and auth would take them for a breach. */
	if (!could_be(user, AUTH_USER_MAX) || !could_be(pass, AUTH_PASS_MAX))
		return AUTH_NO;
	msg_start(&m, AUTH_PASSWORD);
	msg_put_view(&m, user);
	msg_put_view(&m, pass);
	msg_put_str(&m, mechanism);
	msg_put_str(&m, client);
	if (!msg_call(sock, &m, TIMEOUT_MS))
		return AUTH_LATER;
	result = msg_get_u32(&m);
	msg_get_str(&m, user_out, user_out_size);
	if (!msg_done(&m) || result > AUTH_LATER ||
	    (m.fd != -1) != (result == AUTH_YES)) {
		result = AUTH_LATER;
		user_out[0] = '\0';
	} else {
		*right = m.fd;
		m.fd = -1;
	}
	msg_wipe(&m);
	return (enum auth_result)result;
}
