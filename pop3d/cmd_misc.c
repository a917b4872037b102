/* NOOP, RSET, DELE, LAST, QUIT, STLS, HELP (RFC 1939 5, 6, RFC 1460, RFC 2595
 * 4).   Runs in:
 * worker (pop3d). */
#include <time.h>

#include "common/buf.h"
#include "pop3d/command.h"
#include "pop3d/expire.h"
#include "pop3d/poplog.h"
#include "pop3d/reply.h"

enum next
cmd_noop(struct session *s, struct view arg)
{
	(void)arg;
	return reply_ok(s, "Still here.");
}

enum next
cmd_help(struct session *s, struct view arg)
{
	struct buf names;

	(void)arg;
	buf_init(&names, 400);
	command_names(s, &names);
	reply_ok(s, "%s", buf_cstr(&names));
	buf_free(&names);
	return NEXT_COMMAND;
}

enum next
cmd_stls(struct session *s, struct view arg)
{
	(void)arg;
	if (conn_is_tls(s->conn))
		return reply_bad(s, "TLS is active already.");
	if (s->w->tls == NULL)
		return reply_err(s, NULL, "TLS is not set up on this server.");
	if (s->utf8) /* RFC 6856 2.1 */
		return reply_bad(s, "STLS comes before UTF8.");
	reply_ok(s, "Begin TLS negotiation.");
	return session_starttls(s) ? NEXT_COMMAND : NEXT_CLOSE;
}

enum next
cmd_dele(struct session *s, struct view arg)
{
	enum next next;
	size_t i;

	if (!command_message(s, &arg, &i, &next))
		return next;
	if (arg.n > 0)
		return reply_bad(s, "DELE takes one message number.");
	enum status st = maildrop_mark(&s->drop, i);
	if (st != OK)
		return command_drop_failed(s, st);
	session_accessed(s, i);
	return reply_ok(s, "Message %zu will be deleted at QUIT.", i + 1);
}

/* RFC 1460 3: the highest number that RETR or DELE was given since the session
 * began or since RSET. */
enum next
cmd_last(struct session *s, struct view arg)
{
	(void)arg;
	return reply_ok(s, "%zu", s->last);
}

enum next
cmd_rset(struct session *s, struct view arg)
{
	(void)arg;
	maildrop_unmark_all(&s->drop);
	s->last = 0;
	return reply_ok(s, "%zu messages, none of them marked.", s->drop.left);
}

/* QUIT in AUTHORIZATION: no UPDATE (RFC 1939 4). */
enum next
cmd_quit(struct session *s, struct view arg)
{
	(void)arg;
	reply_ok(s, "Goodbye.");
	s->why = "Logged out";
	return NEXT_CLOSE;
}

static enum next
not_removed(struct session *s, enum status st)
{
	switch (st) {
	case ERR_CHANGED:
		return reply_err(s, "SYS/TEMP",
		    "The mailbox was changed by "
		    "another program; nothing was deleted.");
	case ERR_BUSY:
		return reply_err(s, "SYS/TEMP",
		    "Another program holds the "
		    "mailbox; nothing was deleted.");
	case ERR_IO:
	case ERR_DOWN:
		/* Who made the update died, or could not finish or undo it
		 * now: it may be complete, and will be, or as if never begun.
		 */
		return reply_err(s, "SYS/TEMP",
		    "It is not certain that the messages were deleted.");
	case ERR_PERM: /* somebody has to do something (RFC 3206 4) */
	case ERR_UNSAFE:
	case ERR_INVALID:
	case ERR_DAMAGED:
		return reply_err(
		    s, "SYS/PERM", "The marked messages could not be deleted.");
	default:
		return reply_err(
		    s, "SYS/TEMP", "The marked messages could not be deleted.");
	}
}

/* Marks what is too old to be kept; how many.  Where that cannot be done now,
 * it will be at another QUIT. */
static size_t
expire(struct session *s)
{
	int64_t days = s->w->settings->expire_days;
	size_t n = 0;

	if (days > 0)
		expire_mark(&s->drop, days, (int64_t)time(NULL), &n);
	return n;
}

/* QUIT in TRANSACTION: UPDATE (RFC 1939 6). */
enum next
cmd_update(struct session *s, struct view arg)
{
	char text[MAILDROP_TEXT_MAX];
	size_t n = s->drop.n - s->drop.left;
	size_t expired = expire(s);

	(void)arg;
	enum status st = maildrop_commit(&s->drop, text, sizeof(text));
	s->why = st == OK ? "Logged out" : "Deleted messages not removed";
	if (st == OK && expired > 0)
		poplog_expired(s, expired);
	poplog_logout(s, true, st, text);
	/* Before the reply: who logs in again at once must not be told that
	 * this session still has the maildrop. */
	maildrop_close(&s->drop);
	if (st != OK && n > 0)
		not_removed(s, st);
	else if (n > 0)
		reply_ok(s, "%zu messages deleted.  Goodbye.", n);
	else /* what expires is not the client's concern */
		reply_ok(s, "Goodbye.");
	return NEXT_CLOSE;
}
