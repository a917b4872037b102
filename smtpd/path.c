/* What commands with a path have in common.  Runs in: worker. */
#include "smtpd/path.h"

#include <string.h>

bool
path_prefix(struct view *arg, const char *prefix)
{
	size_t n = strlen(prefix);

	if (!view_casestarts(*arg, prefix))
		return false;
	*arg = (struct view){ arg->p + n, arg->n - n };
	return true;
}

enum next
path_refused(struct session *s, enum address_error e, const char *syntax_code)
{
	switch (e) {
	case ADDR_UTF8: /* RFC 6531 3.5 */
		return reply(s, 553, "5.6.7",
		    "Addresses outside ASCII need MAIL with SMTPUTF8");
	case ADDR_TOO_LONG: /* RFC 5321 4.5.3.1 */
		return reply(s, 501, syntax_code,
		    "Path too long: %d octets, %d before the @, %d behind it",
		    ADDR_MAX, ADDR_LOCAL_MAX, ADDR_DOMAIN_MAX);
	default:
		return reply(s, 501, syntax_code,
		    "Bad address syntax: <local-part@domain>, please");
	}
}

void
path_own_literal(const struct session *s, struct address *a)
{
	if (address_literal_is(a->domain, s->w->local))
		address_cut_domain(a);
}
