#ifndef POP3D_LOGIN_DELAY_H
#define POP3D_LOGIN_DELAY_H
/*
 * The time of a user's last login, for LOGIN-DELAY (RFC 2449 6.5): in the file
 * `login` of the state directory, so that it outlives the role and is the same
 * on all hosts that share the spool.  The directory is the user's, who may
 * write there what he likes: he only cheats himself.
 */
#include <stdint.h>
#include <time.h>

#include "common/passdb.h"

/* How many seconds before its time a login of now is; 0: it is in order, or
 * nothing is known.  delay: seconds. */
unsigned login_too_early(
    int state_dir, const struct user *, int64_t delay, time_t now);
/* Notes a login.  What cannot be written does not stop it. */
void login_note(int state_dir, const struct user *, time_t now);
#endif
