/* MAIL (RFC 5321 4.1.1.2).  Runs in: worker. */
#include <string.h>

#include "common/service.h"
#include "smtpd/command.h"
#include "smtpd/params.h"
#include "smtpd/path.h"
#include "smtpd/policy.h"

static bool
is_size(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_digit(v.p[i]))
			return false;
	return true;
}

static bool
take_size(struct session *s, struct view value, enum next *next)
{
	unsigned long long n,
	    max = (unsigned long long)s->set->message_size_max;

	if (!is_size(value))
		return param_bad(
		    s, view_of("SIZE"), "a number of octets", next);
	if (view_number(value, max, &n))
		return true;
	*next = reply(
	    s, 552, "5.3.4", "The message is larger than %llu octets", max);
	return false;
}

/* RFC 6152 2, RFC 3030 3 */
static bool
take_body(struct session *s, struct view value, enum next *next)
{
	s->t.binary = view_caseeqs(value, "BINARYMIME");
	if (s->t.binary || view_caseeqs(value, "7BIT") ||
	    view_caseeqs(value, "8BITMIME"))
		return true;
	return param_bad(
	    s, view_of("BODY"), "7BIT, 8BITMIME or BINARYMIME", next);
}

/* RFC 4954 5: understood, checked, and believed from nobody. */
static bool
take_auth(struct session *s, struct view value, enum next *next)
{
	char text[ADDR_MAX + 1];
	struct address a;

	if (xtext_decode(value, text, sizeof(text)) &&
	    (strcmp(text, "<>") == 0 ||
		address_parse(view_of(text), &a) == ADDR_OK))
		return true;
	return param_bad(
	    s, view_of("AUTH"), "an address in xtext, or <>", next);
}

/* clang-format off */
static const struct param params[] = {
	{ "SIZE", true, take_size },
	{ "BODY", true, take_body },
	{ "AUTH", true, take_auth },
};
/* clang-format on */

/* RFC 6409 4.3: nobody submits without saying who it is. */
static bool
needs_auth(const struct session *s)
{
	return session_submission(s) && s->user[0] == '\0';
}

enum next
cmd_mail(struct session *s, struct view arg)
{
	struct address sender;
	enum next next;

	if (needs_auth(s) && !session_password_ok(s))
		return reply(
		    s, 530, "5.7.0", "Must issue a STARTTLS command first");
	if (needs_auth(s))
		return reply(s, 530, "5.7.0", "Authentication required");
	if (!path_prefix(&arg, "FROM:"))
		return command_syntax(s);
	enum address_error e = address_path(&arg, true, &sender);
	if (e != ADDR_OK)
		return path_refused(s, e, "5.1.7");
	transaction_reset(s); /* what a refused MAIL left */
	if (!params_take(s, arg, params, NELEM(params), &next) ||
	    !policy_sender(s, &sender, &next))
		return next;
	s->t.sender = sender;
	s->t.begun = now_ms();
	s->state = ST_MAIL;
	return reply(s, 250, "2.1.0", "Ok");
}
