#ifndef COMMON_ASK_AUTH_H
#define COMMON_ASK_AUTH_H
/*
 * Is this password this user's?
 *
 * Request AUTH_PASSWORD: str user (at most AUTH_USER_MAX), view password (at
 * most AUTH_PASS_MAX), str mechanism ("PLAIN", "USER"), str client address
 * (for the log only; the log says it is the worker's word).
 * Answer: u32 enum auth_result, str user as the database spells it; with
 * AUTH_YES an fd: a channel to queue (smtpd) or maildrop (pop3d) on which
 * whoever asks is that user.  A refusal is answered after the configured
 * delay.  Unknown users cost one crypt() like known ones; uid 0 never gets
 * yes; all refusals look alike.
 */
#include "common/view.h"

enum { AUTH_PASSWORD = 1 };
enum { AUTH_USER_MAX = 255, AUTH_PASS_MAX = 1024 };
enum auth_result {
	AUTH_YES,
	AUTH_NO,
	AUTH_LATER /* cannot be checked now: 454 4.7.0, [SYS/TEMP] */
};

/* sock: the worker's channel to auth.  *right is the new channel (owned by the
 * caller) with AUTH_YES, else -1.  user_out is at least USER_NAME_MAX. */
enum auth_result ask_auth_password(int sock, struct view user,
    struct view pass, const char *mechanism, const char *client,
    char *user_out, size_t user_out_size, int *right);
#endif
