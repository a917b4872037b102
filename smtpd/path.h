#ifndef SMTPD_PATH_H
#define SMTPD_PATH_H
/*
 * What MAIL and RCPT have in common: "FROM:" or "TO:", and what to say about a
 * path that is none.
 */
#include <stdbool.h>

#include "common/address.h"
#include "smtpd/session.h"

/* Takes "FROM:" or "TO:" off *arg, in any case.  False: it is not there. */
bool path_prefix(struct view *arg, const char *prefix);
/* Refuses a path.  syntax_code: 5.1.7 for the sender, 5.1.3 for a recipient
 * (RFC 3463 3.2). */
enum next path_refused(
    struct session *, enum address_error, const char *syntax_code);
#endif
