/*
 * DATA (RFC 5321 4.1.1.4): only <CRLF>.<CRLF> ends it.  Runs in: worker.
 */
#include "common/buf.h"
#include "smtpd/command.h"
#include "smtpd/intake.h"
#include "spool/wire.h"

/* Takes the content, good or bad, to its end, so that nothing of it can become
 * a command. */
static enum line_status
take(struct session *s)
{
	static struct buf piece = { .max = 2 * CONN_IN };
	struct dot_reader dot;
	struct view in;
	bool end = false;
	enum line_status st = LINE_OK;

	dot_reader_init(&dot);
	dot.lf_only = s->lf_only;
	while (!end) {
		st = intake_read(s, CONN_IN, &in);
		if (st != LINE_OK)
			break;
		buf_clear(&piece);
		conn_unread(s->c, in.n - dot_read(&dot, in, &piece, &end));
		if (piece.bad)
			intake_fail(s, ERR_NOMEM);
		intake_add(s, buf_view(&piece));
		s->lf_only = dot.lf_only;
	}
	buf_free(&piece);
	return st;
}

enum next
cmd_data(struct session *s, struct view arg)
{
	enum line_status st;

	(void)arg;
	if (s->t.binary) { /* RFC 3030 3 */
		s->data_refused = true;
		return reply(s, 503, "5.5.1",
		    "BODY=BINARYMIME needs BDAT: RSET, and say it anew");
	}
	intake_begin(s);
	conn_writes(s->c,
	    s->lf_only ? "354 End data with <CR><LF>.<CR><LF> (or "
			 "<LF>.<LF>, as your lines end in <LF> alone)\r\n"
	    : s->bare_lf
		? "354 End data with <CR><LF>.<CR><LF> (your lines end in <LF> "
		  "alone: nc -C, openssl s_client -crlf)\r\n"
		: "354 End data with <CR><LF>.<CR><LF>\r\n");
	st = take(s);
	if (st == LINE_OK)
		return intake_end(s);
	transaction_reset(s);
	return session_broken(s, st);
}
