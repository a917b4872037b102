/*
 * VRFY and EXPN (RFC 5321 3.5): who is here.  Runs in: worker.
 *
 * Who may not know gets the same reply for every name, and no lookup is made
 * whose time could tell (7.3).
 */
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/utf8.h"
#include "smtpd/ask_lookup.h"
#include "smtpd/command.h"
#include "smtpd/path.h"

bool
session_may_verify(const struct session *s)
{
	if (s->set->vrfy == VRFY_AUTHENTICATED)
		return s->user[0] != '\0';
	return s->set->vrfy == VRFY_ALL;
}

/* "bob", "bob@example.org", "<bob@example.org>", each with a last word SMTPUTF8
 * (RFC 6531 3.7.4.2), which is *utf8 and is
 * taken off *arg.  False: it is no address. */
static bool
take_name(struct view *arg, struct address *out, bool *utf8)
{
	struct view rest = *arg, word = { NULL, 0 }, before = *arg;

	while (rest.n > 0) {
		before.n =
		    rest.p == arg->p ? arg->n : (size_t)(rest.p - arg->p);
		word = view_token(&rest);
	}
	*utf8 = view_caseeqs(word, "SMTPUTF8") && before.n < arg->n;
	if (*utf8)
		arg->n = before.n;
	*arg = view_trim(*arg);
	rest = *arg;
	return address_path_utf8(&rest, false, out) == ADDR_OK && rest.n == 0;
}

/* "Full Name <user@domain>" (3.5.1), in what the client may be shown (RFC 6531
 * 3.7.4.2).  Users choose their names: no second address is made of one.
 * False: the address may not be shown. */
static bool
show(const char *name, const char *address, bool utf8, char *out, size_t size)
{
	bool named = name[0] != '\0' && (utf8 || view_ascii(view_of(name))) &&
		     utf8_printable(view_of(name));
	char clean[LOOKUP_NAME_MAX];

	snprintf(clean, sizeof(clean), "%s", named ? name : "");
	for (char *c = clean; *c != '\0'; c++)
		if (strchr("<>\"\\", *c) != NULL)
			*c = '?';
	snprintf(out, size, "%s%s<%s>", clean, named ? " " : "", address);
	return utf8 || view_ascii(view_of(address));
}

enum { SHOWN_MAX = LOOKUP_NAME_MAX + ADDR_MAX + 8 };

static enum next
found(struct session *s, const char *name, const char *address, bool utf8)
{
	char text[SHOWN_MAX];

	if (!show(name, address, utf8, text, sizeof(text)))
		return reply(s, 252, "2.6.8",
		    "That user's address needs VRFY with SMTPUTF8");
	s->utf8_reply = utf8;
	enum next next = reply(s, 250, "2.1.5", "%s", text);
	s->utf8_reply = false;
	return next;
}

struct people {
	struct person all[LOOKUP_PEOPLE_MAX];
	unsigned n;
	bool later; /* nobody could say */
};

/* Who has such a full name (3.5.1)?  Nobody if it cannot be one. */
static struct people *
ask_people(struct session *s, struct view text)
{
	static struct people p;

	p.n = 0;
	p.later = text.n > 0 && text.n <= LOOKUP_NAME_MAX &&
		  !ask_lookup_people(
		      worker_channel(s->w, ROLE_LOOKUP), text, p.all, &p.n);
	s->spent |= p.later; /* the channel is of no use any more */
	return &p;
}

static enum next
people(struct session *s, const struct people *p, bool utf8)
{
	char line[SHOWN_MAX];
	const struct person *last = &p->all[p->n - 1];

	if (p->n == 1)
		return found(s, last->name, last->address, utf8);
	reply_more(s, 553, "5.1.4", "Ambiguous; possibilities are");
	s->utf8_reply = utf8;
	for (const struct person *a = p->all; a < last; a++)
		if (show(a->name, a->address, utf8, line, sizeof(line)))
			reply_more(s, 553, "5.1.4", "%s", line);
	enum next next = reply(s, 553, "5.1.4", "%s",
	    show(last->name, last->address, utf8, line, sizeof(line))
		? line
		: "and others");
	s->utf8_reply = false;
	return next;
}

/* One line for each member; what is no mailbox is shown as the list itself. */
static enum next
members(struct session *s, const char *address, bool utf8)
{
	static struct person page[LOOKUP_MEMBERS_MAX];
	char line[SHOWN_MAX], last[SHOWN_MAX] = "";
	enum rcpt_kind kind;
	unsigned n = 0, first = 0;

	s->utf8_reply = utf8;
	for (;; first += n) {
		if (!ask_lookup_members(worker_channel(s->w, ROLE_LOOKUP),
			address, first, &kind, page, &n)) {
			s->spent = true;
			break;
		}
		for (unsigned i = 0; i < n; i++) {
			if (!show(page[i].name, page[i].address, utf8, line,
				sizeof(line)))
				continue;
			if (last[0] != '\0')
				reply_more(s, 250, "2.1.5", "%s", last);
			memcpy(last, line, sizeof(last));
		}
		if (n == 0)
			break;
	}
	enum next next =
	    last[0] != '\0'
		? reply(s, 250, "2.1.5", "%s", last)
		: reply(s, 450, "4.3.0",
		      "The list cannot be shown now: there is a mistake in it, "
		      "or nobody is on it");
	s->utf8_reply = false;
	return next;
}

static enum next
forwarded(struct session *s, const struct vrfy_answer *a)
{
	if (a->kind == RCPT_LIST)
		return reply(s, 251, "2.1.5",
		    "User not local; will forward to <%s>", a->moved);
	return reply(
	    s, 551, "5.1.6", "User not local; please try <%s>", a->moved);
}

static enum next
answer(struct session *s, struct view arg, bool list)
{
	struct vrfy_answer a;
	struct address who;
	char typed[ADDR_MAX + 1];
	bool utf8, good = take_name(&arg, &who, &utf8);
	/* Always asked, so that known and unknown users cost the same (7.3). */
	const struct people *p = ask_people(s,
	    list || (good && who.domain[0] != '\0') ? (struct view){ NULL, 0 }
						    : arg);

	if (!good && p->later)
		return reply(s, 450, "4.3.0", "Temporary lookup failure");
	if (!good)
		return p->n > 0 ? people(s, p, utf8)
				: reply(s, 553, "5.1.3",
				      "Not a user or address: name, or "
				      "<name@domain>");
	path_own_literal(s, &who);
	log_clean(view_of(who.text), typed, sizeof(typed));
	if (!ask_lookup_vrfy(worker_channel(s->w, ROLE_LOOKUP), who.text, &a))
		s->spent = true; /* the channel is of no use any more */
	switch (a.kind) {
	case RCPT_LOCAL:
		return found(s, a.name, a.address, utf8);
	case RCPT_LIST:
		if (a.moved[0] != '\0')
			return forwarded(s, &a);
		return list ? members(s, who.text, utf8)
			    : found(s, "", a.address, utf8);
	case RCPT_MOVED:
		return forwarded(s, &a);
	case RCPT_UNKNOWN:
		if (p->n > 0)
			return people(s, p, utf8);
		return reply(s, 550, "5.1.1", "<%s>: %s", typed,
		    list ? "No such list or user here" : "No such user here");
	case RCPT_FOREIGN:
		return reply(s, 551, "5.1.6",
		    "<%s>: Not local; ask the mail server of its domain",
		    typed);
	default:
		return reply(
		    s, 450, "4.3.0", "<%s>: Temporary lookup failure", typed);
	}
}

enum next
cmd_vrfy(struct session *s, struct view arg)
{
	if (arg.n == 0)
		return command_syntax(s);
	if (!session_may_verify(s))
		return reply(s, 252, "2.0.0",
		    "Cannot verify the user, but mail to it will be tried");
	return answer(s, arg, false);
}

/* A user is a list of one. */
enum next
cmd_expn(struct session *s, struct view arg)
{
	if (!session_may_verify(s))
		return reply(s, 502, "5.7.0",
		    "The members of lists are not shown to you");
	if (arg.n == 0)
		return command_syntax(s);
	return answer(s, arg, true);
}
