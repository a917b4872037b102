/* RETR and TOP (RFC 1939 5, 7).  Runs in: worker (pop3d). */
#include <inttypes.h>
#include <stdlib.h>

#include "common/buf.h"
#include "pop3d/command.h"
#include "pop3d/present.h"
#include "pop3d/reply.h"
#include "common/surrogate.h"
#include "spool/wire.h"

enum {
	PIECE = 65536, /* octets read at once */
	/* From LF to CRLF and dots at most triple a piece ("\n.\n"); a few
	 * octets may be held back from the piece before it. */
	PIECE_WIRE = 3 * PIECE + 4096
};

/* A message on its way to the client. */
struct sending {
	struct session *s;
	struct mbox_reader reader;
	bool surrogate; /* while something of it may become another */
	struct surrogate header;
	struct buf fields, out;
	uint64_t *sent; /* octets are counted here */
};

/* A failure in the middle of a message cannot be told in the protocol: what
 * was sent must not look whole, so the connection ends without the dot. */
static enum next
broken_off(struct session *s, enum status st)
{
	s->why = st == ERR_CHANGED ? "Mailbox changed while it was read"
				   : "Mailbox lost";
	return NEXT_CLOSE;
}

/* Octets of the mbox, in portions that fit. */
static bool
send_octets(struct sending *x, struct view in, bool last)
{
	while (in.n > 0 || last) {
		size_t n = in.n < PIECE ? in.n : PIECE;
		buf_clear(&x->out);
		if (n > 0 && !mbox_to_wire(
				 &x->reader, (struct view){ in.p, n }, &x->out))
			return false;
		if (last && n == in.n) {
			if (!mbox_to_wire_end(&x->reader, &x->out))
				return false;
			last = false;
		}
		if (x->out.n > 0)
			conn_write(x->s->conn, x->out.p, x->out.n);
		*x->sent += x->out.n;
		if (n == 0)
			break;
		in.p += n;
		in.n -= n;
	}
	return true;
}

/* The same, of a message as it is in the file. */
static bool
send_piece(struct sending *x, struct view in, bool last)
{
	if (x->surrogate) {
		buf_clear(&x->fields);
		size_t n = surrogate_add(&x->header, in, &x->fields);
		if (last && !x->header.done)
			surrogate_end(&x->header, &x->fields);
		if (x->fields.bad ||
		    !send_octets(x, buf_view(&x->fields), false))
			return false;
		in.p += n;
		in.n -= n;
		x->surrogate = !x->header.done;
	}
	return send_octets(x, in, last);
}

/* Sends message i, lines of its body; -1: all.  The reply before it is written
 * when the first piece is there. */
static enum next
send_pieces(struct sending *x, size_t i, const struct mbox_msg *m,
    int64_t lines, char *piece)
{
	struct session *s = x->s;
	uint64_t at = 0, end = present_octets(m);

	while (at < end && !x->reader.done && !s->conn->failed) {
		size_t n = end - at < PIECE ? (size_t)(end - at) : PIECE;
		enum status st = maildrop_read(&s->drop, i, at, piece, n);
		if (st != OK)
			return at == 0 ? command_drop_failed(s, st)
				       : broken_off(s, st);
		size_t skip = at == 0 ? m->from_len : 0;
		if (at == 0 && lines == -1)
			reply_ok(s, "%" PRIu64 " octets", m->wire);
		else if (at == 0)
			reply_ok(s, "The top of message %zu follows.", i + 1);
		at += n;
		if (!send_piece(
			x, (struct view){ piece + skip, n - skip }, at == end))
			return broken_off(s, ERR_NOMEM);
	}
	return reply_end(s);
}

static enum next
send_message(struct session *s, size_t i, int64_t lines, uint64_t *sent)
{
	struct sending x = { .s = s, .sent = sent };
	struct mbox_msg m = { .from_len = 0 };
	enum next next;

	enum status st = present_message(&s->drop, s->utf8, i, &x.surrogate);
	if (st == OK)
		st = maildrop_msg(&s->drop, i, &m);
	uint64_t end = present_octets(&m);
	char *piece = malloc(end < PIECE ? (size_t)end : PIECE);
	if (st == OK && piece == NULL)
		st = ERR_NOMEM;
	surrogate_init(&x.header);
	buf_init(&x.fields, 3 * (size_t)SURROGATE_OUT_MAX);
	buf_init(&x.out, PIECE_WIRE);
	mbox_reader_init(&x.reader, s->w->settings->quoting_mboxrd, lines);
	next = st == OK ? send_pieces(&x, i, &m, lines, piece)
			: command_drop_failed(s, st);
	free(piece);
	surrogate_free(&x.header);
	buf_free(&x.fields);
	buf_free(&x.out);
	return next;
}

enum next
cmd_retr(struct session *s, struct view arg)
{
	enum next next;
	size_t i;

	if (!command_message(s, &arg, &i, &next))
		return next;
	if (arg.n > 0)
		return reply_bad(s, "RETR takes one message number.");
	s->retr_n++;
	session_accessed(s, i);
	return send_message(s, i, -1, &s->retr_octets);
}

enum next
cmd_top(struct session *s, struct view arg)
{
	unsigned long long lines = 0;
	enum next next;
	size_t i;

	if (!command_message(s, &arg, &i, &next))
		return next;
	/* "TOP 1", as people type it, is "TOP 1 0". */
	struct view word = view_token(&arg);
	if (arg.n > 0 ||
	    (word.n > 0 && !view_number(word, INT64_MAX - 1, &lines)))
		return reply_bad(s, "TOP takes a message number and a number "
				    "of lines.");
	s->top_n++;
	return send_message(s, i, (int64_t)lines, &s->top_octets);
}
