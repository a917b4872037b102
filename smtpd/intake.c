/* The message that is coming in.  Runs in: worker. */
#include "smtpd/intake.h"

#include <time.h>

#include "smtpd/content.h"
#include "smtpd/trace.h"

enum { SLOWEST = 4 }; /* ms that one octet may take, on the average */

/* Outlives a message, so that its memory need not be made anew for each. */
static struct content content = CONTENT_EMPTY;

void
intake_begin(struct session *s)
{
	char trace[TRACE_MAX];
	int64_t now = (int64_t)time(NULL);
	size_t n = trace_received(s, now, trace, sizeof(trace));

	content_begin(&content, (uint64_t)s->set->message_size_max,
	    session_queue(s), (struct view){ trace, n });
	if (n == 0)
		content_fail(&content, ERR_INVALID);
	if (s->t.binary)
		content_binary(&content);
	if (session_submission(s))
		trace_missing(s, now, &content);
}

void
intake_add(struct session *s, struct view piece)
{
	(void)s;
	content_add(&content, piece);
}

void
intake_fail(struct session *s, enum status st)
{
	(void)s;
	content_fail(&content, st);
}

enum line_status
intake_read(struct session *s, size_t max, struct view *out)
{
	s->c->timeout_ms = (int)s->set->data_timeout;
	enum line_status st = session_read(s, conn_some, max, out);
	s->c->timeout_ms = (int)s->set->command_timeout;
	/* A slow line may take its time, a client that only keeps us busy may
	 * not. */
	s->c->deadline += (int64_t)out->n * SLOWEST;
	return st;
}

bool
intake_refused(struct session *s, enum next *next)
{
	return transaction_refused(s, &content, false, next);
}

enum next
intake_end(struct session *s)
{
	enum next next;

	content_end(&content);
	if (s->lmtp)
		next = transaction_each(s, &content);
	else if (!transaction_refused(s, &content, true, &next))
		next = transaction_commit(s, &content);
	transaction_reset(s);
	return next;
}

void
intake_drop(void)
{
	content_drop(&content);
}

void
intake_free(void)
{
	content_free(&content);
}
