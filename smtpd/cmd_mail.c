/* MAIL (RFC 5321 4.1.1.2).  Runs in: worker. */
#include <stdio.h>
#include <string.h>

#include "common/service.h"
#include "common/xtext.h"
#include "smtpd/command.h"
#include "smtpd/params.h"
#include "smtpd/path.h"
#include "smtpd/policy.h"
#include "smtpd/solicit.h"
#include "spool/ask_queue.h"

enum { SMALL = 1 << 20, ROOM_LASTS = 1000 /* ms */ };

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
	if (view_number(value, max, &n)) {
		s->t.size = n;
		return true;
	}
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
		address_parse_utf8(view_of(text), &a) == ADDR_OK))
		return true;
	return param_bad(
	    s, view_of("AUTH"), "an address in xtext, or <>", next);
}

/* RFC 3461 4.3 */
static bool
take_ret(struct session *s, struct view value, enum next *next)
{
	bool full = view_caseeqs(value, "FULL");

	if (!full && !view_caseeqs(value, "HDRS"))
		return param_bad(s, view_of("RET"), "FULL or HDRS", next);
	snprintf(s->t.ret, sizeof(s->t.ret), "%s", full ? "FULL" : "HDRS");
	return true;
}

/* RFC 3461 4.4 */
static bool
take_envid(struct session *s, struct view value, enum next *next)
{
	if (xtext_printable(value) &&
	    view_copy(value, s->t.envid, sizeof(s->t.envid)))
		return true;
	return param_bad(
	    s, view_of("ENVID"), "xtext of at most 100 octets", next);
}

/* RFC 6531 3.4 */
static bool
take_utf8(struct session *s, struct view value, enum next *next)
{
	(void)value;
	(void)next;
	s->t.utf8 = true;
	return true;
}

/* RFC 8689 2: what came in clear so far needs no protection from now on. */
static bool
take_require_tls(struct session *s, struct view value, enum next *next)
{
	(void)value;
	s->t.require_tls = s->tls;
	if (!s->tls)
		*next =
		    reply(s, 530, "5.7.10", "REQUIRETLS is taken by TLS only");
	return s->tls;
}

/* RFC 3865 2.3 */
static bool
take_solicit(struct session *s, struct view value, enum next *next)
{
	if (!solicit_valid(value) ||
	    !view_copy(value, s->t.solicit, sizeof(s->t.solicit)))
		return param_bad(s, view_of("SOLICIT"),
		    "words joined by commas, at most 1000 octets", next);
	struct view unwanted =
	    solicit_match(value, view_of(s->set->no_soliciting));
	if (unwanted.n == 0)
		return true;
	*next = reject(s, NULL, 550, "5.7.1", "SOLICIT=%.*s is not taken here",
	    (int)unwanted.n, unwanted.p);
	return false;
}

/* RFC 4405 4; what it says is compared with the header. */
static bool
take_submitter(struct session *s, struct view value, enum next *next)
{
	char text[ADDR_MAX + 1];
	struct address a;

	if (!xtext_decode(value, text, sizeof(text)) ||
	    address_parse_utf8(view_of(text), &a) != ADDR_OK)
		return param_bad(
		    s, view_of("SUBMITTER"), "an address in xtext", next);
	memcpy(s->t.submitter, a.text, sizeof(s->t.submitter));
	return true;
}

/* clang-format off */
static const struct param params[] = {
	{ "SIZE", true, take_size, false },
	{ "BODY", true, take_body, false },
	{ "AUTH", true, take_auth, false },
	{ "RET", true, take_ret, false },
	{ "ENVID", true, take_envid, false },
	{ "SMTPUTF8", false, take_utf8, false },
	{ "REQUIRETLS", false, take_require_tls, false },
	{ "SOLICIT", true, take_solicit, false },
	{ "SUBMITTER", true, take_submitter, false },
};
/* clang-format on */

/* RFC 6409 4.3: nobody submits without saying who it is. */
static bool
needs_auth(const struct session *s)
{
	return session_submission(s) && s->user[0] == '\0';
}

/* RFC 9422 4.1: what EHLO said. */
static bool
too_many(struct session *s)
{
	return s->mails++ >= (uint64_t)s->set->mails_per_session;
}

/* At a Unix socket nobody logs in: the queue is shown who is there. */
static bool
prove_local(struct session *s)
{
	if (s->right != -1 || s->proved)
		return true;
	s->proved =
	    s->w->local_user &&
	    ask_queue_local(worker_channel(s->w, ROLE_QUEUE), s->c->fd) == OK;
	/* The queue takes this process for that user from now on, so it shall
	 * serve nobody else; or its channel is of no use any more. */
	s->spent = true;
	return s->proved;
}

/* RFC 1870 6.3: the queue's disk has room for it.  What is small need not be
 * asked for each time. */
static bool
room(struct session *s, enum next *next)
{
	static int64_t asked; /* when there was room */

	if (s->t.size <= SMALL && asked != 0 && now_ms() - asked < ROOM_LASTS)
		return true;
	enum status st = ask_queue_space(session_queue(s), s->t.size);
	if (st != ERR_NOSPACE) { /* other trouble shows at the end of DATA */
		asked = st == OK ? now_ms() : 0;
		if (st == ERR_DOWN)
			s->spent = true;
		return true;
	}
	*next = reject(s, NULL, 452, "4.3.1", "Insufficient system storage");
	return false;
}

static enum next
begin(struct session *s, struct view arg, enum begun_by by)
{
	struct address sender;
	enum next next;

	if (too_many(s))
		return reply(s, 421, "4.7.0",
		    "Enough messages for one session: connect anew");
	if (needs_auth(s) && !session_password_ok(s))
		return reply(
		    s, 530, "5.7.0", "Must issue a STARTTLS command first");
	if (needs_auth(s))
		return reply(s, 530, "5.7.0", "Authentication required");
	if (!path_prefix(&arg, "FROM:"))
		return command_syntax(s);
	enum address_error e = address_path_utf8(&arg, true, &sender);
	if (e != ADDR_OK)
		return path_refused(s, e, "5.1.7");
	transaction_reset(s); /* what a refused MAIL left */
	if (!params_take(s, arg, params, NELEM(params), &next) ||
	    !policy_sender(s, &sender, &next) || !room(s, &next))
		return next;
	if (address_is_utf8(&sender) && !s->t.utf8)
		return path_refused(s, ADDR_UTF8, "5.1.7");
	/* So that the message is known as this user's, who may also send to
	 * other hosts; without that it is anybody's. */
	if (s->w->local_user)
		(void)prove_local(s);
	s->t.sender = sender;
	s->t.begun = now_ms();
	s->t.by = by;
	s->state = ST_MAIL;
	return reply(s, 250, "2.1.0", "Ok");
}

enum next
cmd_mail(struct session *s, struct view arg)
{
	return begin(s, arg, BY_MAIL);
}

/* ---- SEND, SOML, SAML (RFC 821 3.4) ---- */

static enum next
begin_send(struct session *s, struct view arg, enum begun_by by)
{
	if (!policy_may_send(s))
		return reply(s, 502, "5.5.1",
		    "Messages to terminals are for users of this host who have "
		    "logged in, if at all: use MAIL");
	if (s->state != ST_READY)
		return reply(s, 503, "5.5.1",
		    s->state == ST_NEW ? "Say HELO or EHLO first"
				       : "Not while a message is begun: RSET "
					 "would forget it");
	if (!prove_local(s))
		return reply(s, 451, "4.3.0", "This cannot be done now");
	return begin(s, arg, by);
}

enum next
cmd_send(struct session *s, struct view arg)
{
	return begin_send(s, arg, BY_SEND);
}

enum next
cmd_soml(struct session *s, struct view arg)
{
	return begin_send(s, arg, BY_SOML);
}

enum next
cmd_saml(struct session *s, struct view arg)
{
	return begin_send(s, arg, BY_SAML);
}
