/*
 * From a recipient address to a user of this host.
 *
 * Runs in: lookup (for the dialogue), deliver and queue (for good).
 */
#define _GNU_SOURCE /* O_PATH */
#include "spool/recipient.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/fold.h"
#include "common/log.h"
#include "common/msg.h"
#include "spool/mailbox.h"

enum { COMPLAIN = 60 }; /* s between two lines about postmaster */

/* user@domain as it goes into Delivered-To.  A name that needs more room or
 * other characters than an address has leaves the address as it was typed. */
void
recipient_delivered_to(
    const struct address *a, const char *user, const char *domain, char *out)
{
	struct address own;
	char text[ADDR_MAX + 1];
	int len = snprintf(text, sizeof(text), "%s@%s", user, domain);

	for (char *c = text; *c != '\0'; c++)
		*c = (char)ascii_lower(*c);
	if (len > 0 && (size_t)len < sizeof(text) &&
	    address_parse_utf8(view_of(text), &own) == ADDR_OK)
		view_copy(view_of(own.text), out, ADDR_MAX + 1);
	else
		view_copy(view_of(a->text), out, ADDR_MAX + 1);
}

/* RFC 5321 4.5.1: postmaster is always there.  If the one who gets its mail is
 * not, that is our mistake and the sender's message must wait for its end. */
static int
find_postmaster(const struct settings *s, struct passdb *db, struct user *out)
{
	static time_t last;
	int rc = passdb_find(db, view_of(s->postmaster), false, out);

	if (rc == 1 && out->uid != 0)
		return 1;
	if (rc != -1 && time(NULL) - last >= COMPLAIN) {
		last = time(NULL);
		log_error("error: mail for postmaster cannot be delivered: "
			  "the user '%s' %s; set 'postmaster' in the "
			  "configuration to somebody who reads it",
		    s->postmaster, rc == 0 ? "does not exist" : "is uid 0");
	}
	return -1;
}

bool
recipient_postmaster_ok(const struct settings *s, struct passdb *db)
{
	struct user u;

	return passdb_find(db, view_of(s->postmaster), false, &u) != 0 &&
	       u.uid != 0;
}

bool
recipient_is_postmaster(struct view local)
{
	return view_caseeqs(local, "postmaster");
}

static int
find_name(const struct settings *s, struct passdb *db, struct view name,
    struct user *out)
{
	int rc = passdb_find(db, name, false, out);

	if (rc == 1 && s->exact_case &&
	    !fold_same(name, view_of(out->name), false))
		rc = 0;
	return rc;
}

int
recipient_name(const struct settings *s, struct passdb *db, struct view name,
    struct user *out)
{
	if (recipient_is_postmaster(name))
		return passdb_find(db, view_of(s->postmaster), false, out);
	return find_name(s, db, name, out);
}

struct view
recipient_base(const struct settings *s, struct view local)
{
	for (size_t i = 1; i < local.n; i++)
		if (strchr(s->recipient_delimiter, local.p[i]) != NULL)
			return (struct view){ local.p, i };
	return local;
}

/* bob+tag is bob's unless there is a user bob+tag. */
static int
find_user(const struct settings *s, struct passdb *db, struct view local,
    struct user *out)
{
	struct view base = recipient_base(s, local);
	int rc;

	if (recipient_is_postmaster(local))
		return find_postmaster(s, db, out);
	rc = find_name(s, db, local, out);
	if (rc != 0 || base.n == local.n)
		return rc;
	return recipient_is_postmaster(base) ? find_postmaster(s, db, out)
					     : find_name(s, db, base, out);
}

enum rcpt_resolved
recipient_resolve(const struct settings *s, struct passdb *db,
    const char *address, struct user *out, char *delivered_to)
{
	struct address a;
	const char *domain = a.domain;

	memset(out, 0, sizeof(*out));
	delivered_to[0] = '\0';
	if (address_parse_utf8(view_of(address), &a) != ADDR_OK)
		return RESOLVED_UNKNOWN;
	if (a.domain[0] == '\0')
		domain =
		    s->local_domain_n > 0 ? s->local_domains[0] : s->hostname;
	else if (!settings_local_domain(s, a.domain, strlen(a.domain)))
		return RESOLVED_FOREIGN;
	int found = find_user(s, db, view_of(a.local), out);
	if (found == 1 && out->uid == 0)
		found = find_postmaster(s, db, out);
	switch (found) {
	case 1:
		recipient_delivered_to(&a, out->name, domain, delivered_to);
		return RESOLVED_LOCAL;
	case 0:
		return RESOLVED_UNKNOWN;
	default:
		memset(out, 0, sizeof(*out));
		return RESOLVED_LATER;
	}
}

uint64_t
recipient_room(const struct settings *s, const struct user *u)
{
	struct mailbox_path path;
	struct stat st;

	if (s->quota <= 0 || mailbox_path(s, u, &path) != OK)
		return UINT64_MAX;
	int dir = open(path.dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc =
	    dir == -1 ? -1 : fstatat(dir, path.name, &st, AT_SYMLINK_NOFOLLOW);
	close_fd(&dir);
	if (rc == -1 || !S_ISREG(st.st_mode) || st.st_uid != u->uid)
		return UINT64_MAX;
	return st.st_size >= s->quota ? 0 : (uint64_t)(s->quota - st.st_size);
}
