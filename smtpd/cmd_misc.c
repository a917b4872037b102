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

/* RFC 5321 7.3: nobody is told who is here, in words or in time. */
enum next
cmd_vrfy(struct session *s, struct view arg)
{
	if (arg.n == 0)
		return command_syntax(s);
	return reply(s, 252, "2.0.0",
	    "Cannot verify the user, but mail to it will be tried");
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
	reply_more(s, 214, "2.0.0", "%s", c->syntax);
	return reply(s, 214, "2.0.0", "%s", c->help);
}
