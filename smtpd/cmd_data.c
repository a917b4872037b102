/*
 * DATA (RFC 5321 4.1.1.4): only <CRLF>.<CRLF> ends it.  Runs in: worker.
 */
#include <time.h>

#include "common/service.h"
#include "smtpd/command.h"
#include "smtpd/trace.h"
#include "spool/wire.h"

enum { SLOWEST = 4 }; /* ms that one octet may take, on the average */

/* Outlives a message, so that its memory need not be made anew for each. */
static struct content content = CONTENT_EMPTY;
static struct buf piece = { .max = 2 * CONN_IN };

void
cmd_data_free(void)
{
	content_free(&content);
	buf_free(&piece);
}

static void
begin(struct session *s)
{
	char trace[TRACE_MAX];
	int64_t now = (int64_t)time(NULL);
	size_t n = trace_received(s, now, trace, sizeof(trace));
	int queue = s->right != -1 ? s->right : s->w->chan[ROLE_QUEUE];

	content_begin(&content, (uint64_t)s->set->message_size_max, queue,
	    (struct view){ trace, n });
	if (n == 0)
		content_fail(&content, ERR_INVALID);
	if (s->w->listener->type != LISTEN_MX)
		trace_missing(s, now, &content);
}

/* Takes the content, good or bad, to its end, so that nothing of it can become
 * a command. */
static enum line_status
take(struct session *s)
{
	struct dot_reader dot;
	struct view in;
	bool end = false;
	enum line_status st = LINE_OK;

	dot_reader_init(&dot);
	dot.lf_only = s->lf_only;
	while (!end) {
		st = session_read(s, conn_some, CONN_IN, &in);
		if (st != LINE_OK)
			return st;
		buf_clear(&piece);
		conn_unread(s->c, in.n - dot_read(&dot, in, &piece, &end));
		if (piece.bad)
			content_fail(&content, ERR_NOMEM);
		content_add(&content, buf_view(&piece));
		s->lf_only = dot.lf_only;
		/* A slow line may take its time, a client that only keeps us
		 * busy may not. */
		s->c->deadline += (int64_t)in.n * SLOWEST;
	}
	return LINE_OK;
}

enum next
cmd_data(struct session *s, struct view arg)
{
	enum line_status st;
	enum next next;

	(void)arg;
	begin(s);
	conn_writes(s->c,
	    s->lf_only ? "354 End data with <CR><LF>.<CR><LF> (or "
			 "<LF>.<LF>, as your lines end in <LF> alone)\r\n"
	    : s->bare_lf
		? "354 End data with <CR><LF>.<CR><LF> (your lines end in <LF> "
		  "alone: nc -C, openssl s_client -crlf)\r\n"
		: "354 End data with <CR><LF>.<CR><LF>\r\n");
	s->c->timeout_ms = (int)s->set->data_timeout;
	st = take(s);
	s->c->timeout_ms = (int)s->set->command_timeout;
	if (st != LINE_OK) {
		next = session_broken(s, st);
	} else {
		content_end(&content);
		next = transaction_commit(s, &content);
	}
	content_drop(&content);
	transaction_reset(s);
	return next;
}
