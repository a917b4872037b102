#ifndef SMTPD_PATH_H
#define SMTPD_PATH_H
/*
 * What commands with a path have in common: "FROM:" or "TO:", what to say about
 * a path that is none, and address literals of this host.
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
/* RFC 5321 4.1.3, RFC 1123 5.2.17: an address literal that is the address to
 * which this client came stands for this host.  It is taken off: what is left
 * can be nothing but a local address, as if no domain had been typed. */
void path_own_literal(const struct session *, struct address *);
#endif
