/*
 * The command table and the dispatcher.  Runs in: worker.
 */
#include "smtpd/command.h"

#include <assert.h>
#include <string.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/sasl.h"
#include "smtpd/foreign.h"
#include "smtpd/policy.h"

#define IN_MAIL (ST_MAIL | ST_RCPT)
#define IS_DATA (C_SYNC | C_CONTENT)

/* In the order in which the log counts them. */
/* clang-format off */
static const struct command commands[] = {
	{ "HELO",     ST_ANY,   C_SMTP,           cmd_helo,     "HELO hostname",
	  "Says who is calling, without extensions. RFC 5321 4.1.1.1" },
	{ "EHLO",     ST_ANY,   C_SMTP,           cmd_ehlo,     "EHLO hostname",
	  "Says who is calling, and lists the extensions. RFC 5321 4.1.1.1" },
	{ "LHLO",     ST_ANY,   C_LMTP,           cmd_lhlo,     "LHLO hostname",
	  "Is EHLO in LMTP, which answers for each recipient. RFC 2033 4.1" },
	{ "STARTTLS", ST_READY, C_SYNC | C_NOARG, cmd_starttls, "STARTTLS",
	  "Begins TLS; EHLO must follow. RFC 3207" },
	{ "AUTH",     ST_READY, 0,                cmd_auth,     "AUTH mechanism [initial-response]",
	  "Proves who you are; EHLO lists the mechanisms. RFC 4954" },
	{ "MAIL",     ST_READY, 0,                cmd_mail,
	  "MAIL FROM:<reverse-path> [SIZE=n] [BODY=7BIT|8BITMIME|BINARYMIME] [SMTPUTF8] "
	  "[RET=FULL|HDRS] [ENVID=xtext] [SOLICIT=word,...] [SUBMITTER=mailbox] [AUTH=mailbox] "
	  "[REQUIRETLS]",
	  "Begins a message; bounces go to the reverse-path. RFC 5321 4.1.1.2" },
	{ "RCPT",     IN_MAIL,  0,                cmd_rcpt,     "RCPT TO:<forward-path> "
	  "[NOTIFY=NEVER|SUCCESS,FAILURE,DELAY] [ORCPT=type;address]",
	  "Names a recipient; repeat it for more. RFC 5321 4.1.1.3" },
	{ "DATA",     ST_RCPT,  IS_DATA | C_NOARG, cmd_data,    "DATA",
	  "The message follows, up to a line with a dot alone. RFC 5321 4.1.1.4" },
	{ "BDAT",     ST_ANY,   0,                cmd_bdat,     "BDAT chunk-size [LAST]",
	  "That many octets of the message follow this line at once. RFC 3030" },
	{ "RSET",     ST_ANY,   C_NOARG,          cmd_rset,     "RSET",
	  "Forgets the message that was begun. RFC 5321 4.1.1.5" },
	{ "NOOP",     ST_ANY,   0,                cmd_noop,     "NOOP [text]",
	  "Does nothing. RFC 5321 4.1.1.9" },
	{ "VRFY",     ST_ANY,   0,                cmd_vrfy,     "VRFY user [SMTPUTF8]",
	  "Asks for a user's full name and address. RFC 5321 4.1.1.6" },
	{ "EXPN",     ST_ANY,   0,                cmd_expn,     "EXPN list [SMTPUTF8]",
	  "Asks for the members of a list. RFC 5321 4.1.1.7" },
	{ "ETRN",     ST_ANY,   C_REFUSED,        NULL,         "ETRN domain",
	  "No mail is held here for other hosts. RFC 1985" },
	{ "ATRN",     ST_ANY,   C_REFUSED,        NULL,         "ATRN [domain,...]",
	  "No mail is held here for other hosts. RFC 2645" },
	{ "TURN",     ST_ANY,   C_REFUSED,        NULL,         "TURN",
	  "Anybody could claim to be you: it is not done any more. RFC 5321 F.1" },
	{ "BURL",     ST_ANY,   C_REFUSED,        NULL,         "BURL url [LAST]",
	  "No IMAP server to fetch content from: use DATA. RFC 4468" },
	{ "SEND",     ST_ANY,   C_SMTP,           cmd_send,     "SEND FROM:<reverse-path>",
	  "Shows a message on the terminal of a user. RFC 821 3.4" },
	{ "SOML",     ST_ANY,   C_SMTP,           cmd_soml,     "SOML FROM:<reverse-path>",
	  "Shows a message on the terminal, or puts it into the mailbox. RFC 821 3.4" },
	{ "SAML",     ST_ANY,   C_SMTP,           cmd_saml,     "SAML FROM:<reverse-path>",
	  "Shows a message on the terminal, and puts it into the mailbox. RFC 821 3.4" },
	{ "VERB",     ST_ANY,   C_NOARG,          cmd_verb,     "VERB",
	  "The reply to the end of a message tells what became of it: one mailbox is written "
	  "before the reply, more are served by the queue (a command of sendmail)" },
	{ "ONEX",     ST_ANY,   C_NOARG,          cmd_onex,     "ONEX",
	  "Says that one message will follow; changes nothing (a command of sendmail)" },
	{ "SUBMITTER", ST_ANY,  0,                cmd_submitter,
	  "MAIL FROM:<reverse-path> SUBMITTER=mailbox",
	  "No command but a parameter of MAIL: who sent the message on. RFC 4405" },
	{ "XCLIENT",  ST_NEW | ST_READY, C_SYNC,  cmd_xclient,  "XCLIENT attribute=value ...",
	  "Says whose connection a trusted proxy passes on (a command of Postfix)" },
	{ "XFORWARD", ST_READY, 0,                cmd_xforward, "XFORWARD attribute=value ...",
	  "Says where a message came from, for the log (a command of Postfix)" },
	{ "HELP",     ST_ANY,   0,                cmd_help,     "HELP [command]",
	  "Lists the commands, or explains one. RFC 5321 4.1.1.8" },
	{ "QUIT",     ST_ANY,   C_NOARG,          cmd_quit,     "QUIT",
	  "Ends the session. RFC 5321 4.1.1.10" },
};
/* clang-format on */

static_assert(NELEM(commands) < SMTP_COUNTS, "a count for each and one more");

const struct command *
command_table(size_t *n)
{
	*n = NELEM(commands);
	return commands;
}

const struct command *
command_find(struct view verb)
{
	for (size_t i = 0; i < NELEM(commands); i++)
		if (view_caseeqs(verb, commands[i].verb))
			return &commands[i];
	return NULL;
}

/* The verb belongs to the other of the two protocols. */
static bool
wrong_protocol(const struct session *s, const struct command *c)
{
	return (c->flags & (s->lmtp ? C_SMTP : C_LMTP)) != 0;
}

const char *
command_withheld(const struct session *s, const struct command *c)
{
	if (wrong_protocol(s, c))
		return s->lmtp ? "this is LMTP" : "it is for LMTP";
	if (c->flags & C_REFUSED)
		return "this server does not do it";
	if (c->run == cmd_submitter)
		return "it is a parameter of MAIL";
	if (c->run == cmd_starttls && s->tls)
		return "TLS is active";
	if (c->run == cmd_starttls && s->w->tls == NULL)
		return "this server has no certificate";
	if ((c->run == cmd_xclient || c->run == cmd_xforward) &&
	    !policy_may_announce(s))
		return "you are not in xclient_networks";
	if (c->run == cmd_auth && !sasl_offered(s->w))
		return "passwords need TLS: STARTTLS first";
	if ((c->run == cmd_send || c->run == cmd_soml || c->run == cmd_saml) &&
	    !policy_may_send(s))
		return s->set->send_verbs
			   ? "only for users who have logged in, and for "
			     "clients of a Unix socket"
			   : "send_verbs is off (smtpd.conf(5))";
	if (c->run == cmd_expn && !session_may_verify(s))
		return "you may not know; see vrfy in smtpd.conf(5)";
	if (c->run == cmd_verb && !session_may_watch(s))
		return "only for users and for clients of this host";
	return NULL;
}

bool
command_offered(const struct session *s, const struct command *c)
{
	return command_withheld(s, c) == NULL;
}

/* ---- what is no command ---- */

/* One octet wrong, missing or too many, or two neighbours exchanged? */
static bool
is_near(struct view a, struct view b)
{
	size_t i = 0, end = 0; /* equal octets at the start and at the end */
	size_t least = a.n < b.n ? a.n : b.n;

	if (a.n > b.n + 1 || b.n > a.n + 1)
		return false;
	while (i < least && ascii_lower(a.p[i]) == ascii_lower(b.p[i]))
		i++;
	while (end < least - i && ascii_lower(a.p[a.n - 1 - end]) ==
				      ascii_lower(b.p[b.n - 1 - end]))
		end++;
	if (i + end + 1 >= a.n && i + end + 1 >= b.n)
		return true;
	return a.n == b.n && i + end + 2 == a.n &&
	       ascii_lower(a.p[i]) == ascii_lower(b.p[i + 1]) &&
	       ascii_lower(a.p[i + 1]) == ascii_lower(b.p[i]);
}

const struct command *
command_near(struct view typed)
{
	const struct command *found = NULL;
	bool many = false;

	/* What is served is meant rather than what is refused. */
	for (int refused = 0; refused < 2 && found == NULL; refused++)
		for (size_t i = 0; i < NELEM(commands); i++) {
			const struct command *c = &commands[i];
			if ((c->flags & C_REFUSED) !=
				(refused ? C_REFUSED : 0) ||
			    !is_near(typed, view_of(c->verb)))
				continue;
			many = found != NULL;
			found = c;
		}
	return many ? NULL : found;
}

/* The client was told not to send content, and does.  Some of it could be read
 * as commands. */
static enum next
content_came(struct session *s)
{
	return reply(
	    s, 421, "4.7.0", "This is no command, and content was refused");
}

static enum next
not_smtp(struct session *s, struct view verb, struct view rest)
{
	char clean[100];

	s->verb = "UNKNOWN";
	s->spent = true;
	log_info("warning: non-SMTP command from %s: %s %s", s->client,
	    log_clean(verb, clean, sizeof(clean) / 4),
	    log_clean(rest, clean + sizeof(clean) / 4, sizeof(clean) * 3 / 4));
	return reply(s, 421, "4.7.0", "This server speaks SMTP only");
}

static enum next
unknown(struct session *s, struct view verb, struct view line)
{
	const struct command *near = command_near(verb);

	s->spent = true;
	if (view_casestarts(verb, "SUBMITTER="))
		return cmd_submitter(s, line);
	if (foreign_anywhere(verb, line) ||
	    (s->state == ST_NEW && near == NULL && foreign_first(verb, line)))
		return not_smtp(s, verb, line);
	if (s->data_refused)
		return content_came(s);
	if (near != NULL)
		return reply(s, 500, "5.5.2",
		    "Command not recognized: did you mean %s?", near->verb);
	return reply(
	    s, 500, "5.5.2", "Command not recognized: HELP lists the commands");
}

static bool
has_control(struct view line)
{
	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

enum next
command_bad(struct session *s, const char *why)
{
	s->verb = "UNKNOWN";
	s->count[NELEM(commands)].all++;
	s->spent = true;
	if (s->data_refused)
		return content_came(s);
	return reply(s, 500, "5.5.2", "%s", why);
}

/* ---- dispatch ---- */

enum next
command_unsynchronized(struct session *s)
{
	char text[64];
	struct view rest = { s->c->in + s->c->head, s->c->tail - s->c->head };

	s->spent = true;
	log_info("improper command pipelining after %s from %s: %s", s->verb,
	    s->client, log_clean(rest, text, sizeof(text)));
	/* Closing is what keeps content from becoming commands, and what came
	 * before TLS from being taken for what came inside it. */
	return reply(
	    s, 421, "4.7.0", "The reply to %s must be waited for", s->verb);
}

static enum next
out_of_sequence(struct session *s)
{
	if (s->state == ST_NEW)
		return reply(s, 503, "5.5.1",
		    s->lmtp ? "Say LHLO first" : "Say HELO or EHLO first");
	if (s->state == ST_READY)
		return reply(s, 503, "5.5.1", "MAIL FROM must come first");
	if (strcmp(s->verb, "DATA") != 0)
		return reply(s, 503, "5.5.1",
		    "Not while a message is begun: RSET would forget it");
	if (s->state == ST_BDAT)
		return reply(s, 503, "5.5.1",
		    "The message comes by BDAT: go on with that, or RSET");
	if (s->t.refused && !s->lmtp) /* RFC 2033 4.2 wants 503 */
		return reply(s, 554, "5.5.1", "No valid recipients");
	return reply(s, 503, "5.5.1", "RCPT TO must come first");
}

enum next
command_syntax(struct session *s)
{
	const struct command *c = command_find(view_of(s->verb));

	return reply(s, 501, "5.5.4", "Syntax: %s", c->syntax);
}

/* A dialogue that was pasted into a program that sends LF alone: there is
 * nobody who waits for a reply, and its content is content. */
static bool
pasted_content(const struct session *s, const struct command *c)
{
	return c->run == cmd_data && s->lf_only && s->state == ST_RCPT;
}

static enum next
command_answer(struct session *s, const struct command *c, struct view arg)
{
	if (wrong_protocol(s, c))
		return reply(s, 500, "5.5.1",
		    s->lmtp
			? "This is LMTP, where you say LHLO (RFC 2033 4.1)"
			: "This is SMTP, where you say EHLO; LHLO is for LMTP");
	if ((c->flags & C_SYNC) && !pasted_content(s, c) && conn_pending(s->c))
		return command_unsynchronized(s);
	s->data_refused = (c->flags & C_CONTENT) != 0;
	if (c->flags & C_REFUSED)
		return reply(s, 502, "5.5.1", "%s", c->help);
	if ((c->flags & C_NOARG) && arg.n > 0)
		return reply(s, 501, "5.5.4", "%s takes no argument", c->verb);
	if (s->state == ST_NEW && c->run == cmd_mail && !s->set->helo_required)
		s->state = ST_READY;
	if ((c->states & s->state) == 0)
		return out_of_sequence(s);
	s->data_refused = false;
	return c->run(s, arg);
}

/* Exactly one state, and a transaction that belongs to it. */
static bool
state_sound(const struct session *s)
{
	switch (s->state) {
	case ST_NEW:
	case ST_READY:
		return s->t.accepted == 0 && s->t.rcpt_n == 0 &&
		       s->t.id[0] == '\0';
	case ST_MAIL:
		return s->t.accepted == 0 && s->t.id[0] == '\0';
	case ST_RCPT:
	case ST_BDAT:
		return s->t.rcpt_n > 0 && s->t.accepted >= s->t.rcpt_n &&
		       s->t.id[0] != '\0';
	default:
		return false;
	}
}

enum next
command_run(struct session *s, struct view line)
{
	size_t len = line.n + 2;
	struct view arg = view_trim(line), verb = view_token(&arg);
	const struct command *c = command_find(verb);
	size_t row = c == NULL ? NELEM(commands) : (size_t)(c - commands);
	enum next next;

	if (s->state == ST_NEW && foreign_binary(line)) {
		s->count[NELEM(commands)].all++;
		return not_smtp(s, verb, arg);
	}
	if (has_control(line))
		return command_bad(s, "A control character is in this line (a "
				      "backspace?): type it again");
	if (len > SMTP_LINE_MAX && (c == NULL || c->run != cmd_auth))
		return command_bad(s, "Line too long");
	s->verb = c == NULL ? "UNKNOWN" : c->verb;
	worker_title(s->w, s->verb);
	next = c == NULL ? unknown(s, verb, arg) : command_answer(s, c, arg);
	assert(state_sound(s));
	s->count[row].all++;
	s->count[row].good += next != NEXT_LOST && s->code < 400;
	return next;
}

/* ---- the log ---- */

static void
add_count(struct buf *b, const char *what, unsigned good, unsigned all)
{
	if (all == 0)
		return;
	buf_addc(b, ' ');
	for (; *what != '\0'; what++)
		buf_addc(b, (char)ascii_lower(*what));
	if (good == all)
		buf_addf(b, "=%u", all);
	else
		buf_addf(b, "=%u/%u", good, all);
}

void
command_log_counts(const struct session *s)
{
	unsigned good = 0, all = 0;
	struct buf b;

	buf_init(&b, LOG_LINE_MAX);
	for (size_t i = 0; i <= NELEM(commands); i++) {
		add_count(&b,
		    i == NELEM(commands) ? "unknown" : commands[i].verb,
		    s->count[i].good, s->count[i].all);
		good += s->count[i].good;
		all += s->count[i].all;
	}
	add_count(&b, "commands", good, all);
	log_info("disconnect from %s%s", s->client, buf_cstr(&b));
	buf_free(&b);
}
