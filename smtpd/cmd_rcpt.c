/* RCPT (RFC 5321 4.1.1.3).  Runs in: worker. */
#include "common/log.h"
#include "smtpd/ask_lookup.h"
#include "smtpd/command.h"
#include "smtpd/params.h"
#include "smtpd/path.h"
#include "smtpd/policy.h"
#include "smtpd/trace.h"

/* The message has a name as soon as somebody shall get it. */
static void
name_message(struct session *s)
{
	if (s->t.id[0] != '\0')
		return;
	trace_id(s->w->slot, s->t.id);
	if (s->w->local_user) {
		log_info("%s: client=%s, uid=%lu%s", s->t.id, s->client,
		    (unsigned long)s->w->local_uid, s->original);
		return;
	}
	if (s->user[0] == '\0') {
		log_info("%s: client=%s%s", s->t.id, s->client, s->original);
		return;
	}
	char user[USER_NAME_MAX];
	log_info("%s: client=%s, sasl_method=%s, sasl_username=%s", s->t.id,
	    s->client, s->mechanism,
	    log_clean(view_of(s->user), user, sizeof(user)));
}

static enum next
refuse(struct session *s, const struct address *a, enum rcpt_kind kind)
{
	char to[ADDR_MAX + 1];

	s->t.refused = true;
	log_clean(view_of(a->text), to, sizeof(to));
	switch (kind) {
	case RCPT_UNKNOWN:
		return reject(s, to, 550, "5.1.1",
		    "<%s>: Recipient address rejected: User unknown in local "
		    "recipient table",
		    to);
	case RCPT_FOREIGN:
		if (!policy_may_relay(s))
			return reject(s, to, 550, "5.7.1",
			    "<%s>: Relay access denied", to);
		return reject(s, to, 450, "4.4.4",
		    "<%s>: This server cannot send mail to other hosts yet",
		    to);
	default:
		return reject(
		    s, to, 451, "4.3.0", "<%s>: Temporary lookup failure", to);
	}
}

enum next
cmd_rcpt(struct session *s, struct view arg)
{
	struct address rcpt;
	struct rcpt_answer found;
	enum next next;

	if (!path_prefix(&arg, "TO:"))
		return command_syntax(s);
	enum address_error e = address_path(&arg, false, &rcpt);
	if (e != ADDR_OK) {
		s->t.refused = true;
		return path_refused(s, e, "5.1.3");
	}
	if (!params_take(s, arg, NULL, 0, &next))
		return next;
	if (s->t.accepted >= (uint64_t)s->set->recipients_max)
		return reply(s, 452, "4.5.3",
		    "Too many recipients: send this message, then the others");
	if (!policy_rcpt(s, &rcpt, &next))
		return next;
	if (!ask_lookup_rcpt(s->w->chan[ROLE_LOOKUP], rcpt.text, &found)) {
		s->spent = true; /* the channel is of no use any more */
		return refuse(s, &rcpt, RCPT_LATER);
	}
	if (found.kind != RCPT_LOCAL)
		return refuse(s, &rcpt, found.kind);
	name_message(s);
	transaction_add(s, &rcpt, &found);
	s->state = ST_RCPT;
	return reply(s, 250, "2.1.5", "Ok");
}
