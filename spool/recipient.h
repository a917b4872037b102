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
/* The steps by themselves, for whoever knows aliases (spool/expand.c). */
/* name without delimiter; postmaster is whom the keyword names; it may be
 * uid 0.  1, 0, -1 as passdb_find(). */
int recipient_name(const struct settings *, struct passdb *, struct view name,
    struct user *out);
/* What is before the delimiter; local itself if there is none, or nothing. */
struct view recipient_base(const struct settings *, struct view local);
bool recipient_is_postmaster(struct view local);
/* user@domain as it goes into Delivered-To, ADDR_MAX + 1 octets. */
void recipient_delivered_to(const struct address *a, const char *user,
    const char *domain, char *out);
/* How many octets the user's mailbox has left of its quota, as far as this
 * process may look; UINT64_MAX: there is none, or who knows.  A hint: what is
 * written is counted under the lock. */
uint64_t recipient_room(const struct settings *, const struct user *);
/* Does `postmaster` name somebody who can get mail?  Also true when the user
 * database cannot be asked now. */
bool recipient_postmaster_ok(const struct settings *, struct passdb *);
#endif
