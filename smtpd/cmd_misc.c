/* The verbs that do little.  Runs in: worker. */
#include <string.h>

#include "common/buf.h"
#include "smtpd/command.h"

enum { HELP_WIDTH = 60 };

enum next
cmd_rset(struct session *s, struct view arg)
{
	(void)arg;
	transaction_reset(s);
	return reply(s, 250, "2.0.0", "Ok");
}

enum next
cmd_noop(struct session *s, struct view arg)
{
	(void)arg;
	return reply(s, 250, "2.0.0", "Ok");
}

enum next
cmd_onex(struct session *s, struct view arg)
{
	(void)arg;
	return reply(s, 250, "2.0.0", "Ok");
}

enum next
cmd_quit(struct session *s, struct view arg)
{
	(void)arg;
	return reply(s, 221, "2.0.0", "Bye");
}

/* A command of sendmail: what becomes of the messages is told, in the lines of
 * the one reply to their end.  For those only who could look for themselves. */
enum next
cmd_verb(struct session *s, struct view arg)
{
	(void)arg;
	if (!session_may_watch(s))
		return reply(s, 502, "5.7.0",
		    "The progress of deliveries is not shown to you");
	s->verbose = true;
	return reply(s, 250, "2.0.0",
	    "Verbose: the end of a message tells what became of it");
}

enum next
cmd_submitter(struct session *s, struct view arg)
{
	(void)arg;
	return reply(
	    s, 500, "5.5.2", "SUBMITTER is a parameter of MAIL (RFC 4405)");
}

/* Says the verbs that are offered, or those that are not, in lines. */
static void
list_verbs(struct session *s, bool offered)
{
	size_t n;
	const struct command *c = command_table(&n);
	struct buf b;

	buf_init(&b, HELP_WIDTH + 32);
	for (size_t i = 0; i < n; i++) {
		if (command_offered(s, &c[i]) != offered)
			continue;
		buf_addc(&b, ' ');
		buf_adds(&b, c[i].verb);
		if (b.n > HELP_WIDTH) {
			reply_more(s, 214, "2.0.0", "%s", buf_cstr(&b));
			buf_clear(&b);
		}
	}
	if (b.n > 0)
		reply_more(s, 214, "2.0.0", "%s", buf_cstr(&b));
	buf_free(&b);
}

enum next
cmd_help(struct session *s, struct view arg)
{
	const struct command *c = command_find(arg);

	if (arg.n == 0) {
		reply_more(s, 214, "2.0.0", "pennypost knows these commands:");
		list_verbs(s, true);
		reply_more(s, 214, "2.0.0", "and these, not offered now:");
		list_verbs(s, false);
		return reply(s, 214, "2.0.0",
		    "HELP command tells more; lines may have %d octets",
		    SMTP_LINE_MAX);
	}
	if (c == NULL)
		return reply(s, 504, "5.5.4", "There is no such command");
	const char *why = command_withheld(s, c);
	reply_more(s, 214, "2.0.0", "%s", c->syntax);
	if (why == NULL)
		return reply(s, 214, "2.0.0", "%s", c->help);
	reply_more(s, 214, "2.0.0", "%s", c->help);
	return reply(s, 214, "2.0.0", "Not here and now: %s", why);
}
