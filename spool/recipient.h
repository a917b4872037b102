#ifndef SPOOL_RECIPIENT_H
#define SPOOL_RECIPIENT_H
/*
 * From a recipient address to a local user: local domains, postmaster, the
 * recipient delimiter (bob+tag is bob's unless there is a user bob+tag), case.
 * No process writes a file as uid 0 for a client: mail for root, and for
 * whoever else is uid 0, goes to the user whom `postmaster` names.
 * The one place for it: lookup, deliver and queue all call this.
 */
#include "common/address.h"
#include "common/passdb.h"
#include "common/settings.h"

enum rcpt_resolved {
	RESOLVED_LOCAL,
	RESOLVED_UNKNOWN,
	RESOLVED_FOREIGN,
	RESOLVED_LATER /* the user database cannot be asked now */
};
/* address: as typed, may lack a domain (then it is local).  out is set with
 * RESOLVED_LOCAL.  delivered_to: user@domain in lower case as far as it is
 * ours, at least ADDR_MAX + 1 octets. */
enum rcpt_resolved recipient_resolve(const struct settings *, struct passdb *,
    const char *address, struct user *out, char *delivered_to);
/* Does `postmaster` name somebody who can get mail?  Also true when the user
 * database cannot be asked now. */
bool recipient_postmaster_ok(const struct settings *, struct passdb *);
#endif
