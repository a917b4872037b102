/*
 * VRFY and EXPN (RFC 5321 3.5): who is here.  Runs in: worker.
 *
 * Who may not know gets the same reply for every name, and no lookup is made
 * whose time could tell (7.3).
 */
#include "common/log.h"
#include "common/utf8.h"
#include "smtpd/ask_lookup.h"
#include "smtpd/command.h"

bool
session_may_verify(const struct session *s)
{
	if (s->set->vrfy == VRFY_AUTHENTICATED)
		return s->user[0] != '\0';
	return s->set->vrfy == VRFY_ALL;
}

/* "bob", "bob@example.org", "<bob@example.org>", each with a last word SMTPUTF8
 * (RFC 6531 3.7.4.2), which is *utf8.  False: it is no address. */
static bool
take_name(struct view arg, struct address *out, bool *utf8)
{
	struct view rest = arg, word = { NULL, 0 }, before = arg;

	while (rest.n > 0) {
		before.n = rest.p == arg.p ? arg.n : (size_t)(rest.p - arg.p);
		word = view_token(&rest);
	}
	*utf8 = view_caseeqs(word, "SMTPUTF8") && before.n < arg.n;
	if (*utf8)
		arg.n = before.n;
	arg = view_trim(arg);
	return address_path_utf8(&arg, false, out) == ADDR_OK && arg.n == 0;
}

static bool
is_ascii(const char *text)
{
	while (*text != '\0' && (unsigned char)*text < 0x80)
		text++;
	return *text == '\0';
}

/* "Full Name <user@domain>" (3.5.1), in what the client may be shown (RFC 6531
 * 3.7.4.2).  Users choose their names: no second address is made of one. */
static enum next
found(struct session *s, struct vrfy_answer *a, bool utf8)
{
	bool named = a->name[0] != '\0' && (utf8 || is_ascii(a->name)) &&
		     utf8_printable(view_of(a->name));

	if (!utf8 && !is_ascii(a->address))
		return reply(s, 252, "2.6.8",
		    "That user's address needs VRFY with SMTPUTF8");
	for (char *c = a->name; *c != '\0'; c++)
		if (*c == '<' || *c == '>' || *c == '"' || *c == '\\')
			*c = '?';
	s->utf8_reply = utf8;
	enum next next = reply(s, 250, "2.1.5", "%s%s<%s>",
	    named ? a->name : "", named ? " " : "", a->address);
	s->utf8_reply = false;
	return next;
}

static enum next
answer(struct session *s, struct view arg, bool list)
{
	struct vrfy_answer a;
	struct address who;
	char typed[ADDR_MAX + 1];
	bool utf8;

	if (!take_name(arg, &who, &utf8))
		return reply(s, 553, "5.1.3",
		    "Not a user or address: name, or <name@domain>");
	log_clean(view_of(who.text), typed, sizeof(typed));
	if (!ask_lookup_vrfy(s->w->chan[ROLE_LOOKUP], who.text, &a))
		s->spent = true; /* the channel is of no use any more */
	switch (a.kind) {
	case RCPT_LOCAL:
		return found(s, &a, utf8);
	case RCPT_UNKNOWN:
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

/* Until there are lists, every name is a list of one. */
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
