/* RCPT (RFC 5321 4.1.1.3).  Runs in: worker. */
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/unitext.h"
#include "common/xtext.h"
#include "smtpd/ask_lookup.h"
#include "smtpd/command.h"
#include "smtpd/params.h"
#include "smtpd/path.h"
#include "smtpd/policy.h"
#include "smtpd/send.h"
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
		return reject(
		    s, to, 550, "5.7.1", "<%s>: Relay access denied", to);
	default:
		/* RCPT_MOVED is said by moved() */
		return reject(
		    s, to, 451, "4.3.0", "<%s>: Temporary lookup failure", to);
	}
}

/* RFC 5321 3.4 */
static enum next
moved(struct session *s, const struct address *a, const char *where)
{
	char to[ADDR_MAX + 1];

	s->t.refused = true;
	log_clean(view_of(a->text), to, sizeof(to));
	return reject(
	    s, to, 551, "5.1.6", "User not local; please try <%s>", where);
}

/* Of the command at hand. */
static struct rcpt_params taken;

/* RFC 3461 4.1 */
static bool
take_notify(struct session *s, struct view value, enum next *next)
{
	static const char *const words[] = { "SUCCESS", "FAILURE", "DELAY" };
	bool more = true, given[NELEM(words)] = { false };
	size_t n = 0;

	if (view_caseeqs(value, "NEVER")) {
		view_copy(view_of("NEVER"), taken.notify, sizeof(taken.notify));
		return true;
	}
	while (more) {
		struct view word = view_split(&value, ',', &more);
		size_t i = 0;

		while (i < NELEM(words) && !view_caseeqs(word, words[i]))
			i++;
		if (i == NELEM(words))
			return param_bad(s, view_of("NOTIFY"),
			    "NEVER, or some of SUCCESS,FAILURE,DELAY", next);
		if (!given[i])
			n += (size_t)snprintf(taken.notify + n,
			    sizeof(taken.notify) - n, "%s%s", n > 0 ? "," : "",
			    words[i]);
		given[i] = true;
	}
	taken.success = given[0];
	return true;
}

/* RFC 6533 3: kept in its ASCII form, which every server can be told. */
static bool
take_utf8_orcpt(struct session *s, struct view text, enum next *next)
{
	struct buf b;
	bool good = text.n > 0;

	buf_init(&b, sizeof(taken.orcpt) - 1);
	buf_adds(&b, "utf-8;");
	for (size_t i = 0; i < text.n; i++)
		good &= text.p[i] != '+';
	/* What is escaped already stays so; the rest has no need but for what
	 * is not ASCII. */
	while (good && text.n > 0) {
		size_t n = 0;
		while (n < text.n && (unsigned char)text.p[n] < 128)
			n++;
		buf_add(&b, text.p, n);
		text = (struct view){ text.p + n, text.n - n };
		for (n = 0; n < text.n && (unsigned char)text.p[n] >= 128;)
			n++;
		unitext_encode(&b, (struct view){ text.p, n });
		text = (struct view){ text.p + n, text.n - n };
	}
	good = good && !b.bad &&
	       view_copy(buf_view(&b), taken.orcpt, sizeof(taken.orcpt));
	buf_free(&b);
	return good || param_bad(s, view_of("ORCPT"),
			   "utf-8;address, without + and =", next);
}

/* RFC 3461 4.2; the address may be of any kind, RFC 6533's included. */
static bool
take_orcpt(struct session *s, struct view value, enum next *next)
{
	struct view text = value, type = view_split(&text, ';', NULL);
	bool good = type.n > 0;

	for (size_t i = 0; i < type.n; i++)
		good &= ascii_alnum(type.p[i]) || type.p[i] == '-';
	if (good && s->t.utf8 && view_caseeqs(type, "utf-8"))
		return take_utf8_orcpt(s, text, next);
	if (good && xtext_printable(text) &&
	    view_copy(value, taken.orcpt, sizeof(taken.orcpt)))
		return true;
	return param_bad(s, view_of("ORCPT"),
	    "rfc822;address in xtext, at most 500 octets", next);
}

static const struct param params[] = {
	{ "NOTIFY", true, take_notify, false },
	{ "ORCPT", true, take_orcpt, true },
};

/* LMTP has no queue (RFC 2033 4.2), so nothing goes on from there. */
static bool
may_go_on(const struct session *s)
{
	return policy_may_relay(s) && !s->lmtp;
}

/* Is there room for the message, as far as MAIL told its size?  Better said now
 * than after all of it has come; with LF line ends it may be half as large. */
static bool
has_room(
    struct session *s, const struct address *a, uint64_t room, enum next *next)
{
	char to[ADDR_MAX + 1];
	uint64_t quota = (uint64_t)s->set->quota, size = s->t.size;

	if (quota == 0 || (room > 0 && size / 2 <= room && size <= quota))
		return true;
	s->t.refused = true;
	log_clean(view_of(a->text), to, sizeof(to));
	if (size > quota)
		*next = reject(s, to, 552, "5.2.2",
		    "<%s>: The message is larger than a mailbox may be", to);
	else
		*next = reject(
		    s, to, 452, "4.2.2", "<%s>: The mailbox is full", to);
	return false;
}

enum next
cmd_rcpt(struct session *s, struct view arg)
{
	struct address rcpt;
	struct rcpt_answer found;
	enum next next;

	if (!path_prefix(&arg, "TO:"))
		return command_syntax(s);
	enum address_error e = address_path_utf8(&arg, false, &rcpt);
	if (e == ADDR_OK && address_is_utf8(&rcpt) && !s->t.utf8)
		e = ADDR_UTF8;
	if (e != ADDR_OK) {
		s->t.refused = true;
		return path_refused(s, e, "5.1.3");
	}
	path_own_literal(s, &rcpt);
	memset(&taken, 0, sizeof(taken));
	if (!params_take(s, arg, params, NELEM(params), &next))
		return next;
	if (s->t.accepted >= (uint64_t)s->set->recipients_max)
		return reply(s, 452, "4.5.3",
		    "Too many recipients: send this message, then the others");
	if (!policy_rcpt(s, &rcpt, &next))
		return next;
	if (!ask_lookup_rcpt(
		worker_channel(s->w, ROLE_LOOKUP), rcpt.text, &found)) {
		s->spent = true; /* the channel is of no use any more */
		return refuse(s, &rcpt, RCPT_LATER);
	}
	if (found.kind == RCPT_MOVED)
		return moved(s, &rcpt, found.moved);
	bool goes_on = found.kind == RCPT_FOREIGN && may_go_on(s);
	if (found.kind != RCPT_LOCAL && found.kind != RCPT_LIST && !goes_on)
		return refuse(s, &rcpt, found.kind);
	if (found.kind == RCPT_LOCAL && s->t.by != BY_SEND &&
	    !has_room(s, &rcpt, found.room, &next))
		return next;
	if (goes_on)
		memcpy(found.delivered_to, rcpt.text, sizeof(rcpt.text));
	if (s->t.by == BY_SEND && !send_active(s, rcpt.text)) {
		s->t.refused = true;
		return reply(s, 450, "4.2.1",
		    "The user is not active, or takes no messages");
	}
	name_message(s);
	transaction_add(s, &rcpt, &found, &taken);
	s->state = ST_RCPT;
	if (found.kind == RCPT_LIST && found.moved[0] != '\0')
		return reply(s, 251, "2.1.5",
		    "User not local; will forward to <%s>", found.moved);
	return reply(s, 250, "2.1.5", "Ok");
}
