/* RETR and TOP (RFC 1939 5, 7).  Runs in: worker (pop3d). */
#include <inttypes.h>
#include <stdlib.h>

#include "common/buf.h"
#include "pop3d/command.h"
#include "pop3d/reply.h"
#include "spool/wire.h"

enum {
	PIECE = 65536, /* octets read at once */
	/* From LF to CRLF and dots at most triple a piece ("\n.\n"); a few
	 * octets may be held back from the piece before it. */
	PIECE_WIRE = 3 * PIECE + 4096
};

/* Octets of a message without the blank line that separates it from the next.
 */
static uint64_t
stored_octets(const struct mbox_msg *m)
{
	uint64_t offset, length;

	mbox_content(m, &offset, &length);
	return offset - m->offset + length;
}

/* A failure in the middle of a message cannot be told in the protocol: what
 * was sent must not look whole, so the connection ends without the dot. */
static enum next
broken_off(struct session *s, enum status st)
{
	s->why = st == ERR_CHANGED ? "Mailbox changed while it was read"
				   : "Mailbox lost";
	return NEXT_CLOSE;
}

/* Sends message i: *sent counts the octets.  lines: of the body; -1: all.  The
 * reply before it is written when the first piece is there. */
static enum next
send_message(struct session *s, size_t i, int64_t lines, uint64_t *sent)
{
	const struct mbox_msg *m = &s->drop.list.msg[i];
	uint64_t at = 0, end = stored_octets(m);
	size_t size = end < PIECE ? (size_t)end : PIECE;
	struct mbox_reader reader;
	struct buf out;
	enum next next = NEXT_COMMAND;
	char *piece = malloc(size);

	buf_init(&out, PIECE_WIRE);
	mbox_reader_init(&reader, s->w->settings->quoting_mboxrd, lines);
	if (piece == NULL) {
		next = command_drop_failed(s, ERR_NOMEM);
		goto out;
	}
	while (at < end && !reader.done && !s->conn->failed) {
		size_t n = end - at < size ? (size_t)(end - at) : size;
		enum status st = maildrop_read(&s->drop, i, at, piece, n);
		if (st != OK) {
			next = at == 0 ? command_drop_failed(s, st)
				       : broken_off(s, st);
			goto out;
		}
		size_t skip = at == 0 ? m->from_len : 0;
		if (at == 0 && lines == -1)
			reply_ok(s, "%" PRIu64 " octets", m->wire);
		else if (at == 0)
			reply_ok(s, "The top of message %zu follows.", i + 1);
		at += n;
		buf_clear(&out);
		if (!mbox_to_wire(&reader,
			(struct view){ piece + skip, n - skip }, &out) ||
		    (at == end && !mbox_to_wire_end(&reader, &out))) {
			next = broken_off(s, ERR_NOMEM);
			goto out;
		}
		conn_write(s->conn, out.p, out.n);
		*sent += out.n;
	}
	next = reply_end(s);
out:
	free(piece);
	buf_free(&out);
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
