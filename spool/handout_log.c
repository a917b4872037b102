/* What the queue logs of a message.  Runs in: queue. */
#include "spool/handout_log.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "spool/slot.h"

enum { CLEAN = 260, LINE = 160, TEXT = 1000, SECOND = 1000000 };

static const char *
dsn_of(enum status st)
{
	switch (st) {
	case OK:
		return "2.0.0";
	case ERR_NOSPACE:
		return "4.3.1"; /* mail system full */
	case ERR_QUOTA:
		return "4.2.2"; /* mailbox full */
	case ERR_GONE:
		return "4.1.1"; /* bad destination mailbox address */
	case ERR_BUSY:
	case ERR_PERM:
	case ERR_UNSAFE:
	case ERR_CHANGED:
	case ERR_DAMAGED:
		return "4.2.0"; /* other mailbox status */
	default:
		return "4.3.0"; /* other mail system status */
	}
}

void
handout_log_delay(struct buf *out, int64_t us)
{
	if (us < 0)
		us = 0; /* the clock was set back */
	if (us >= 10 * (int64_t)SECOND) {
		buf_addf(out, "%lld", (long long)(us / SECOND));
		return;
	}
	int hundredths = (int)(us / (SECOND / 100));
	if (hundredths >= 100)
		hundredths -= hundredths % 10;
	buf_addf(out, "%d", hundredths / 100);
	if (hundredths % 100 != 0)
		buf_addf(out, ".%d", hundredths / 10 % 10);
	if (hundredths % 10 != 0)
		buf_addf(out, "%d", hundredths % 10);
}

void
handout_log_active(const struct envelope *e)
{
	char sender[CLEAN];

	log_info("%.*s: from=<%s>, size=%llu, nrcpt=%u (queue active)",
	    (int)e->id.n, e->id.p, log_clean(e->sender, sender, sizeof(sender)),
	    (unsigned long long)e->content_n, e->rcpt_n);
}

/* delays=a/b/c/d: before it was active, until it had a slot, until the mailbox
 * was open, until it was durable. */
static void
add_delays(struct buf *out, const struct attempt *a, int64_t arrived)
{
	int64_t now = time_us();
	int64_t active = a->active_us == 0 ? now : a->active_us;
	int64_t began = a->began_us == 0 ? now : a->began_us;
	int64_t opened = a->opened_us == 0 ? now : a->opened_us;

	buf_adds(out, "delay=");
	handout_log_delay(out, now - arrived);
	buf_adds(out, ", delays=");
	handout_log_delay(out, active - arrived);
	buf_addc(out, '/');
	handout_log_delay(out, began - active);
	buf_addc(out, '/');
	handout_log_delay(out, opened - began);
	buf_addc(out, '/');
	handout_log_delay(out, now - opened);
}

const char *
attempt_dsn(const struct attempt *a)
{
	return a->dsn != NULL ? a->dsn : dsn_of(a->status);
}

/* What stands in brackets. */
static void
add_text(struct buf *out, const struct attempt *a)
{
	if (a->relay != NULL || a->dsn != NULL) {
		buf_adds(out, a->text);
	} else if (a->status == OK) {
		buf_adds(out, "delivered to mailbox");
	} else {
		buf_adds(out, status_text(a->status));
		if (a->text[0] != '\0')
			buf_addf(out, ": %s", a->text);
	}
}

/* Readers of logs know that of Postfix. */
static void
add_target(struct buf *out, const struct envelope_rcpt *c, bool good)
{
	char target[CLEAN];

	/* What went wrong with a file names it. */
	if (c->kind == KIND_COMMAND || (c->kind == KIND_FILE && good))
		buf_addf(
		    out, ": %s", log_clean(c->address, target, sizeof(target)));
}

static const char *domain = "localhost";

void
handout_log_domain(const char *d)
{
	domain = d;
}

/* Whose command it is, not the command: who forwards; of an alias, itself. */
static struct view
recipient(const struct envelope_rcpt *c)
{
	static char text[CLEAN];

	if (c->kind != KIND_COMMAND && c->kind != KIND_FILE)
		return c->address;
	if (c->source == SOURCE_ALIASES)
		return c->original;
	int n = snprintf(
	    text, sizeof(text), "%.*s@%s", (int)c->as.n, c->as.p, domain);
	return (struct view){ text, n > 0 ? strnlen(text, sizeof(text)) : 0 };
}

void
handout_log_attempt(
    const struct envelope *e, unsigned i, const struct attempt *a)
{
	const struct envelope_rcpt *c = &e->rcpt[i];
	char to[CLEAN], orig[CLEAN];
	struct view who = recipient(c);
	bool named = c->original.n > 0 && !view_eq(c->original, who);
	struct buf delays, text;

	buf_init(&delays, LINE);
	buf_init(&text, TEXT);
	add_delays(&delays, a, e->arrived_us);
	add_text(&text, a);
	add_target(&text, c, a->status == OK);
	log_write(LOG_LVL_INFO,
	    a->relay == NULL ? "local"
	    : a->lmtp	     ? "lmtp"
			     : "smtp",
	    "%.*s: to=<%s>, %s%s%srelay=%s, %s, dsn=%s, status=%s (%s)",
	    (int)e->id.n, e->id.p, log_clean(who, to, sizeof(to)),
	    named ? "orig_to=<" : "",
	    named ? log_clean(c->original, orig, sizeof(orig)) : "",
	    named ? ">, " : "", a->relay == NULL ? "local" : a->relay,
	    buf_cstr(&delays), attempt_dsn(a),
	    a->status == OK ? "sent"
	    : a->failed	    ? "bounced"
			    : "deferred",
	    buf_cstr(&text));
	buf_free(&delays);
	buf_free(&text);
}
