/* Which commands there are, and their dispatch.  Runs in: worker (pop3d). */
#include "pop3d/command.h"

#include <stdint.h>

#include "common/status.h"
#include "pop3d/poplog.h"
#include "pop3d/reply.h"

enum {
	C_NOARG = 1, /* an argument is an error */
	C_ARG = 2,   /* so is none */
	C_RAW =
	    4, /* the argument begins after one blank and keeps all others */
	C_LAST = 8 /* where the setting `last` says so */
};

struct command {
	const char *verb;
	unsigned flags;
	enum next (*run)(struct session *, struct view arg);
	const char *form; /* what should have been typed */
};

/* clang-format off */
static const struct command authorization[] = {
	{ "USER", C_ARG,         cmd_user, "USER name" },
	/* RFC 1939 7: blanks are part of the password */
	{ "PASS", C_ARG | C_RAW, cmd_pass, "PASS password" },
	{ "AUTH", 0,             cmd_auth, "AUTH mechanism [initial-response]" },
	{ "APOP", 0,             cmd_apop, "APOP name digest" },
	{ "STLS", C_NOARG,       cmd_stls, "STLS" },
	{ "UTF8", C_NOARG,       cmd_utf8, "UTF8" },
	{ "LANG", 0,             cmd_lang, "LANG [language]" },
	{ "CAPA", C_NOARG,       cmd_capa, "CAPA" },
	{ "HELP", 0,             cmd_help, "HELP" },
	{ "QUIT", C_NOARG,       cmd_quit, "QUIT" },
};
static const struct command transaction[] = {
	{ "STAT", C_NOARG,       cmd_stat, "STAT" },
	{ "LIST", 0,             cmd_list, "LIST [message]" },
	{ "UIDL", 0,             cmd_uidl, "UIDL [message]" },
	{ "RETR", C_ARG,         cmd_retr, "RETR message" },
	{ "TOP",  C_ARG,         cmd_top,  "TOP message [lines]" },
	{ "DELE", C_ARG,         cmd_dele, "DELE message" },
	{ "NOOP", C_NOARG,       cmd_noop, "NOOP" },
	{ "RSET", C_NOARG,       cmd_rset, "RSET" },
	{ "LAST", C_NOARG | C_LAST, cmd_last, "LAST" },
	{ "LANG", 0,             cmd_lang, "LANG [language]" },
	{ "CAPA", C_NOARG,       cmd_capa, "CAPA" },
	{ "HELP", 0,             cmd_help, "HELP" },
	{ "QUIT", C_NOARG,       cmd_update, "QUIT" },
};
static const struct table {
	const struct command *row;
	size_t n;
} tables[] = {
	[ST_AUTHORIZATION] = { authorization, NELEM(authorization) },
	[ST_TRANSACTION] =   { transaction, NELEM(transaction) },
};
/* clang-format on */

static bool
offered(const struct session *s, const struct command *c)
{
	return (c->flags & C_LAST) == 0 || s->w->settings->last;
}

static const struct command *
command_find(const struct session *s, enum pop3_state state, struct view verb)
{
	const struct table *t = &tables[state];

	for (size_t i = 0; i < t->n; i++)
		if (view_caseeqs(verb, t->row[i].verb))
			return offered(s, &t->row[i]) ? &t->row[i] : NULL;
	return NULL;
}

static bool
control_character(struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

static enum next
not_now(struct session *s, struct view verb)
{
	const struct command *c;

	if (verb.n == 0)
		return reply_bad(s, "An empty line is no command.");
	if (s->state == ST_AUTHORIZATION) {
		c = command_find(s, ST_TRANSACTION, verb);
		if (c != NULL)
			return reply_bad(
			    s, "%s comes after logging in.", c->verb);
	} else {
		c = command_find(s, ST_AUTHORIZATION, verb);
		if (c != NULL)
			return reply_bad(
			    s, "%s comes before logging in.", c->verb);
	}
	return reply_bad(s, "Unknown command; HELP names those there are.");
}

enum next
dispatch(struct session *s, struct view line)
{
	struct view arg = line;
	struct view verb = view_token(&arg);

	s->commands++;
	if (control_character(line))
		return reply_bad(s,
		    "The line holds control characters, such "
		    "as a typed backspace; type it again without.");
	const struct command *c = command_find(s, s->state, verb);
	if (c == NULL)
		return not_now(s, verb);
	if (c->flags & C_RAW) {
		const char *end = line.p + line.n;
		arg.p = verb.p + verb.n;
		arg.p += arg.p < end;
		arg.n = (size_t)(end - arg.p);
	} else {
		arg = view_trim(arg);
	}
	if ((c->flags & C_NOARG) && arg.n > 0)
		return reply_bad(s, "%s takes no argument.", c->verb);
	if ((c->flags & C_ARG) && arg.n == 0)
		return reply_bad(
		    s, "%s needs an argument: %s", c->verb, c->form);
	return c->run(s, arg);
}

void
command_names(const struct session *s, struct buf *out)
{
	const struct table *t = &tables[s->state];

	for (size_t i = 0; i < t->n; i++) {
		if (!offered(s, &t->row[i]))
			continue;
		buf_adds(out, i == 0 ? "" : ", ");
		buf_adds(out, t->row[i].form);
	}
}

static bool
all_digits(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_digit(v.p[i]))
			return false;
	return v.n > 0;
}

bool
command_message(struct session *s, struct view *arg, size_t *i, enum next *next)
{
	struct view word = view_token(arg);
	unsigned long long n = 0;

	if (!all_digits(word)) {
		*next = reply_bad(s, "A message number has digits only.");
		return false;
	}
	/* More digits than fit are simply no message of ours. */
	bool fits = view_number(word, s->drop.n, &n);
	if (fits && n == 0) {
		*next = reply_err(s, NULL, "Messages are numbered from 1.");
		return false;
	}
	if (!fits) {
		*next = reply_err(
		    s, NULL, "No such message; there are %zu.", s->drop.n);
		return false;
	}
	*i = (size_t)n - 1;
	if (maildrop_deleted(&s->drop, *i)) {
		*next = reply_err(s, NULL,
		    "Message %llu is marked as deleted; RSET unmarks it.", n);
		return false;
	}
	return true;
}

enum next
command_drop_failed(struct session *s, enum status st)
{
	switch (st) {
	case ERR_CHANGED:
		s->drop.changed = true;
		return reply_err(s, "SYS/TEMP",
		    "The mailbox was changed by another program; log in again."
		    "  Nothing will be deleted.");
	case ERR_BUSY:
		return reply_err(s, "SYS/TEMP",
		    "Another program is changing the mailbox; try again.");
	case ERR_NOMEM:
	case ERR_LIMIT:
		return reply_err(
		    s, "SYS/TEMP", "Out of memory; try again later.");
	default:
		/* On a cluster file system this is how a lost lock shows:
		 * what was known of the mailbox is worth nothing now. */
		poplog_lost(s, st);
		reply_err(s, "SYS/TEMP",
		    "The mailbox cannot be read any more."
		    "  Nothing was deleted.");
		s->why = "Mailbox lost";
		return NEXT_CLOSE;
	}
}

/* "pid 7 on HOST since WHEN", as the lock file has it. */
static enum next
in_use(struct session *s)
{
	struct view rest = view_of(s->drop.holder), pid, host;

	if (!view_eqs(view_token(&rest), "pid"))
		goto unknown;
	pid = view_token(&rest);
	if (!view_eqs(view_token(&rest), "on"))
		goto unknown;
	host = view_token(&rest);
	if (!view_eqs(view_token(&rest), "since") || rest.n == 0)
		goto unknown;
	return reply_err(s, "IN-USE",
	    "Mailbox locked by pid %.*s on %.*s since %.*s.", (int)pid.n, pid.p,
	    (int)host.n, host.p, (int)rest.n, rest.p);
unknown:
	return reply_err(s, "IN-USE", "Mailbox locked by another session.");
}

enum next
command_not_opened(struct session *s, enum status st, const char *text)
{
	const char *code = "SYS/TEMP"; /* RFC 3206 4 */

	if (st == ERR_BUSY && s->drop.holder[0] != '\0')
		return in_use(s);		  /* RFC 2449 8.1.2 */
	if (st == ERR_LIMIT && s->drop.delay > 0) /* 8.1.1 */
		return reply_err(s, "LOGIN-DELAY",
		    "The last login was a short time ago; wait %llu seconds.",
		    (unsigned long long)s->drop.delay);
	if (st == ERR_BUSY)
		code = "IN-USE"; /* by another program */
	else if (st == ERR_PERM || st == ERR_UNSAFE || st == ERR_INVALID ||
		 st == ERR_DAMAGED)
		code = "SYS/PERM";
	return reply_err(s, code, "%s", lang_text(s->lang, text));
}
