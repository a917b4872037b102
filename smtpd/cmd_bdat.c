/*
 * BDAT (RFC 3030 2): content in counted chunks.  Runs in: worker.
 *
 * The octets of a chunk follow its command at once, whatever is wrong with it,
 * so they are always taken.  Where it cannot be known how many they are, what
 * comes next could be content, and the session ends unless somebody types.
 */
#include <string.h>

#include "smtpd/command.h"
#include "smtpd/intake.h"

/* More than a client can send in the time that a session may last. */
#define CHUNK_MAX 1000000000000000ULL

/* Takes n octets; use: they belong to the message. */
static enum line_status
take(struct session *s, uint64_t n, bool use)
{
	while (n > 0) {
		size_t max = n < CONN_IN ? (size_t)n : CONN_IN;
		struct view in;
		enum line_status st =
		    use ? intake_read(s, max, &in)
			: session_read(s, conn_some, max, &in);

		if (st != LINE_OK)
			return st;
		if (s->lf_only && memchr(in.p, '\r', in.n) != NULL)
			s->lf_only = false;
		if (use)
			intake_add(s, in);
		n -= in.n;
	}
	return LINE_OK;
}

static enum next
out_of_sequence(struct session *s)
{
	if (s->state == ST_NEW || s->state == ST_READY)
		return reply(s, 503, "5.5.1",
		    "%s must come first; the chunk was thrown away",
		    s->state == ST_NEW ? "HELO or EHLO" : "MAIL FROM");
	if (s->t.refused)
		return reply(s, 554, "5.5.1",
		    "No valid recipients; the chunk was thrown away");
	return reply(s, 503, "5.5.1",
	    "RCPT TO must come first; the chunk was thrown away");
}

enum next
cmd_bdat(struct session *s, struct view arg)
{
	struct view size = view_token(&arg), last = view_token(&arg);
	bool legal = s->state == ST_RCPT || s->state == ST_BDAT;
	unsigned long long n;
	enum next next;

	if (!view_number(size, CHUNK_MAX, &n) || arg.n > 0 ||
	    (last.n > 0 && !view_caseeqs(last, "LAST"))) {
		if (conn_pending(s->c))
			return command_unsynchronized(s);
		s->data_refused = true;
		return command_syntax(s);
	}
	if (s->state == ST_RCPT) {
		intake_begin(s);
		s->state = ST_BDAT;
	}
	enum line_status st = take(s, n, legal);
	if (st != LINE_OK) {
		transaction_reset(s);
		return session_broken(s, st);
	}
	if (!legal)
		return out_of_sequence(s);
	if (last.n > 0)
		return intake_end(s);
	if (intake_refused(s, &next))
		return next;
	return reply(s, 250, "2.0.0", "%llu octets taken", n);
}
