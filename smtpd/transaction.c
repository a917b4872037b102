/*
 * A mail transaction and its end.  Runs in: worker.
 *
 * One local recipient: the message is delivered before the 250.  Several, or a
 * mailbox that cannot be written now: it is durable in the queue before the
 * 250.  A mailbox that must not be written: the sender keeps it (450).
 */
#include "smtpd/transaction.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/service.h"
#include "smtpd/content.h"
#include "smtpd/intake.h"
#include "smtpd/send.h"
#include "smtpd/session.h"
#include "smtpd/trace.h"
#include "spool/ask_queue.h"

enum { PARAMS_MAX = DSN_ORCPT_MAX + 64 };

/* Pages of it that no transaction needed cost nothing. */
static struct rcpt {
	char address[ADDR_MAX + 1]; /* as the client named it */
	char delivered_to[ADDR_MAX + 1];
	char params[PARAMS_MAX + 1]; /* to be kept; "" = none */
	bool success;		     /* shall be told of its delivery */
	bool foreign;		     /* goes on to another host */
	bool list;		     /* the queue finds out where it leads */
	uint16_t nth;		     /* place in the list at first */
} rcpts[QUEUE_RCPT_MAX];

/* Which of them each RCPT that was answered with 250 has named: LMTP answers
 * them one by one, and VERB is answered so. */
static uint16_t named[QUEUE_RCPT_MAX];

void
transaction_reset(struct session *s)
{
	s->t.sender.text[0] = s->t.sender.domain[0] = '\0';
	s->t.id[0] = '\0';
	s->t.rcpt_n = s->t.accepted = 0;
	s->t.size = 0;
	s->t.refused = s->t.binary = s->t.utf8 = s->t.require_tls = false;
	s->t.ret[0] = s->t.envid[0] = s->t.solicit[0] = '\0';
	s->t.submitter[0] = '\0';
	intake_drop();
	if (s->state != ST_NEW)
		s->state = ST_READY;
}

void
transaction_add(struct session *s, const struct address *a,
    const struct rcpt_answer *found, const struct rcpt_params *p)
{
	struct rcpt *r = rcpts + s->t.rcpt_n;
	unsigned i = 0;
	bool notify = p->notify[0] != '\0', orcpt = p->orcpt[0] != '\0';

	while (i < s->t.rcpt_n &&
	       strcmp(rcpts[i].delivered_to, found->delivered_to) != 0)
		i++;
	if (s->t.accepted < NELEM(named))
		named[s->t.accepted] = (uint16_t)i;
	s->t.accepted++;
	if (i < s->t.rcpt_n)
		return;
	memcpy(r->address, a->text, sizeof(r->address));
	memcpy(r->delivered_to, found->delivered_to, sizeof(r->delivered_to));
	snprintf(r->params, sizeof(r->params), "%s%s%s%s%s",
	    notify ? "NOTIFY=" : "", p->notify, notify && orcpt ? " " : "",
	    orcpt ? "ORCPT=" : "", p->orcpt);
	r->success = p->success;
	r->foreign = found->kind == RCPT_FOREIGN;
	r->list = found->kind == RCPT_LIST;
	r->nth = (uint16_t)s->t.rcpt_n++;
}

const char *
transaction_only_rcpt(const struct session *s)
{
	return s->t.rcpt_n == 1 ? rcpts[0].address : NULL;
}

/* ---- the log ---- */

/* Seconds, as short as readers of the log expect them. */
static const char *
seconds(int64_t ms, char *out, size_t size)
{
	if (ms < 10)
		snprintf(out, size, "0");
	else
		snprintf(
		    out, size, "%.*f", ms < 1000 ? 2 : 1, (double)ms / 1000);
	return out;
}

static void
log_message_id(const char *id, struct view mid)
{
	char clean[sizeof(((struct header_scan *)0)->id)];

	if (mid.n >= 2 && mid.p[0] == '<' && mid.p[mid.n - 1] == '>')
		mid = (struct view){ mid.p + 1, mid.n - 2 };
	log_write(LOG_LVL_INFO, "cleanup", "%s: message-id=<%s>", id,
	    log_clean(mid, clean, sizeof(clean)));
}

/* begun -> taken: the dialogue; taken -> now: the delivery. */
static void
log_delivered(
    struct session *s, const struct rcpt *r, uint64_t size, int64_t taken)
{
	const char *id = s->t.id;
	int64_t now = now_ms();
	char a[ADDR_MAX + 1], b[ADDR_MAX + 1], all[24], before[24], after[24];
	bool renamed = strcmp(r->address, r->delivered_to) != 0;

	log_write(LOG_LVL_INFO, "qmgr",
	    "%s: from=<%s>, size=%llu, nrcpt=1 (queue active)", id,
	    log_clean(view_of(s->t.sender.text), a, sizeof(a)),
	    (unsigned long long)size);
	log_write(LOG_LVL_INFO, "local",
	    "%s: to=<%s>%s%s%s, relay=local, delay=%s, delays=%s/0/0/%s, "
	    "dsn=2.0.0, status=sent (delivered to mailbox)",
	    id, log_clean(view_of(r->delivered_to), a, sizeof(a)),
	    renamed ? ", orig_to=<" : "",
	    renamed ? log_clean(view_of(r->address), b, sizeof(b)) : "",
	    renamed ? ">" : "", seconds(now - s->t.begun, all, sizeof(all)),
	    seconds(taken - s->t.begun, before, sizeof(before)),
	    seconds(now - taken, after, sizeof(after)));
	log_write(LOG_LVL_INFO, "qmgr", "%s: removed", id);
}

/* ---- the end of the message ---- */

/* tried: what came of an attempt at the only mailbox; NULL: there was none. */
static void
became(const struct session *s, const struct rcpt *r, const enum status *tried,
    char *out, size_t size)
{
	const char *how = "in the queue, to be delivered to the mailbox now";

	if (r >= rcpts + s->t.rcpt_n)
		how = "written to the terminal";
	else if (r->foreign)
		how = "in the queue, to be sent to another host now";
	else if (r->list)
		how = "in the queue, to be sent now to those it stands for";
	else if (tried != NULL && *tried == OK)
		how = "delivered to the mailbox";
	else if (tried != NULL)
		how = "in the queue, as the mailbox cannot be written now: ";
	snprintf(out, size, "%s%s", how,
	    tried != NULL && *tried != OK ? status_text(*tried) : "");
}

/* For those who said VERB. */
static void
tell(struct session *s, const enum status *tried)
{
	char to[ADDR_MAX + 1], how[200];

	for (unsigned i = 0; s->verbose && i < s->t.accepted; i++) {
		const struct rcpt *r = rcpts + named[i];
		became(s, r, tried, how, sizeof(how));
		reply_more(s, 250, "2.1.5", "<%s>: %s",
		    log_clean(view_of(r->address), to, sizeof(to)), how);
	}
}

static enum next
accepted(struct session *s, const enum status *tried)
{
	session_progress(s);
	worker_event(s->w, WORKER_MESSAGE);
	s->errors = 0;
	tell(s, tried);
	return reply(s, 250, "2.0.0", "Ok: queued as %s", s->t.id);
}

/* The queue sees for itself that the client may have mail sent on. */
static void
prove_client(struct session *s)
{
	bool foreign = false;

	for (unsigned i = 0; i < s->t.rcpt_n; i++)
		foreign |= rcpts[i].foreign;
	if (foreign && s->right == -1 && !s->w->local_user)
		(void)ask_queue_client(
		    worker_channel(s->w, ROLE_QUEUE), s->c->fd);
}

enum next
transaction_refuse_status(struct session *s, enum status st)
{
	if (st == ERR_DOWN)
		s->spent = true; /* its channel is of no use any more */
	if (st == ERR_QUOTA && s->w->local_user)
		return reject(s, transaction_only_rcpt(s), 452, "4.3.1",
		    "Too many of your messages wait in the queue: try again "
		    "when some have left");
	if (st == ERR_NOSPACE || st == ERR_QUOTA)
		return reject(s, transaction_only_rcpt(s), 452, "4.3.1",
		    "Insufficient system storage");
	if (st == ERR_PERM) /* it was allowed a moment ago */
		return reject(s, transaction_only_rcpt(s), 550, "5.7.1",
		    "Relay access denied");
	return reject(s, transaction_only_rcpt(s), 451, "4.3.0",
	    "The message cannot be taken now: %s", status_text(st));
}

/* What the envelope keeps of MAIL's parameters. */
static const char *
mail_params(const struct session *s, char *out, size_t size)
{
	const struct transaction *t = &s->t;
	int n = snprintf(out, size, "%s%s%s%s%s%s", t->utf8 ? " SMTPUTF8" : "",
	    t->require_tls ? " REQUIRETLS" : "",
	    t->ret[0] == '\0' ? "" : " RET=", t->ret,
	    t->envid[0] == '\0' ? "" : " ENVID=", t->envid);

	return n > 0 ? out + 1 : out;
}

/* lists: only those of which the queue is to find out where they lead. */
static enum status
deposit(struct session *s, const struct content *content, bool lists)
{
	static struct deposit_rcpt list[QUEUE_RCPT_MAX];
	char params[PARAMS_MAX];
	struct deposit d = { .id = s->t.id,
		.sender = s->t.sender.text,
		.client = s->client,
		.helo = s->helo,
		.protocol = session_protocol(s),
		.params = mail_params(s, params, sizeof(params)),
		.rcpt = list,
		.spooled = content->file != -1,
		.content = buf_view(&content->mem),
		.length = content->length };

	for (unsigned i = 0; i < s->t.rcpt_n; i++)
		if (rcpts[i].list || !lists)
			list[d.rcpt_n++] = (struct deposit_rcpt){
				rcpts[i].address, rcpts[i].address,
				rcpts[i].params[0] == '\0' ? NULL
							   : rcpts[i].params
			};
	log_flush(); /* our lines stand before the queue's */
	prove_client(s);
	return ask_queue_deposit(session_queue(s), &d);
}

static enum next
to_queue(
    struct session *s, const struct content *content, const enum status *tried)
{
	enum status st = deposit(s, content, false);

	return st == OK ? accepted(s, tried) : transaction_refuse_status(s, st);
}

/* The mailbox is not to be written, whoever asks. */
static enum next
mailbox_refused(struct session *s, const struct rcpt *r, enum status st)
{
	char to[ADDR_MAX + 1];

	log_clean(view_of(r->delivered_to), to, sizeof(to));
	if (st == ERR_GONE)
		return reject(s, to, 550, "5.1.1",
		    "<%s>: Recipient address rejected: User unknown in local "
		    "recipient table",
		    to);
	return reject(s, to, 450, "4.2.0",
	    "<%s>: The mailbox must not be written now", to);
}

/* Not for the queue: it would be full tomorrow, too, and the sender would hear
 * of it in days.  RFC 3463 3.3: X.2.2. */
static enum next
mailbox_full(
    struct session *s, const struct rcpt *r, const struct content *content)
{
	char to[ADDR_MAX + 1];

	log_clean(view_of(r->delivered_to), to, sizeof(to));
	if (s->set->quota > 0 && content->length > (uint64_t)s->set->quota)
		return reject(s, to, 552, "5.2.2",
		    "<%s>: The message is larger than a mailbox may be", to);
	return reject(s, to, 452, "4.2.2", "<%s>: The mailbox is full", to);
}

static enum status
deliver(struct session *s, const struct content *content, const struct rcpt *r)
{
	struct delivery d = { .id = s->t.id,
		.recipient = r->address,
		.original = r->address,
		.sender = s->t.sender.text,
		.content = buf_view(&content->mem),
		.file = content->file,
		.length = content->file == -1 ? 0 : content->length };
	int64_t taken = now_ms();

	ask_deliver(worker_channel(s->w, ROLE_DELIVER), &d);
	if (d.status == OK)
		log_delivered(s, r, content->length, taken);
	if (d.status == ERR_DOWN)
		s->spent = true; /* the channel is of no use any more */
	return d.status;
}

static enum next
to_mailbox(struct session *s, const struct content *content)
{
	enum status st = deliver(s, content, rcpts);

	switch (st) {
	case OK:
		return accepted(s, &st);
	case ERR_GONE:
	case ERR_UNSAFE:
	case ERR_PERM:
	case ERR_DAMAGED:
		return mailbox_refused(s, rcpts, st);
	case ERR_QUOTA:
		return mailbox_full(s, rcpts, content);
	default: /* busy or full, or there is trouble that may pass; with
		  * ERR_DOWN it may have been delivered: better twice than
		  * never */
		return to_queue(s, content, &st);
	}
}

/* ---- LMTP ---- */

static enum next
say_delivered(struct session *s, const struct rcpt *r, enum status st)
{
	char to[ADDR_MAX + 1];

	log_clean(view_of(r->delivered_to), to, sizeof(to));
	switch (st) {
	case OK:
		return reply(
		    s, 250, "2.1.5", "<%s> Delivered as %s", to, s->t.id);
	case ERR_GONE:
	case ERR_UNSAFE:
	case ERR_PERM:
	case ERR_DAMAGED:
		return mailbox_refused(s, r, st);
	case ERR_NOSPACE:
	case ERR_QUOTA:
		return reject(
		    s, to, 452, "4.2.2", "<%s>: The mailbox is full", to);
	default:
		return reject(s, to, 451, "4.3.0",
		    "<%s>: The message cannot be delivered now: %s", to,
		    status_text(st));
	}
}

/* Delivers to each: result. */
static void
deliver_each(struct session *s, const struct content *content, int8_t *result)
{
	enum status queued = OK;
	bool any = false;

	for (unsigned i = 0; i < s->t.rcpt_n; i++)
		any = any || rcpts[i].list;
	if (any)
		queued = deposit(s, content, true);
	for (unsigned i = 0; i < s->t.rcpt_n; i++)
		result[i] =
		    (int8_t)(rcpts[i].list ? queued
					   : deliver(s, content, rcpts + i));
}

/* One reply for each RCPT that was accepted, in their order.  Nothing waits in
 * the queue that could be delivered now: who sends by LMTP has one (RFC 2033
 * 4.2, 1). */
enum next
transaction_each(struct session *s, struct content *content)
{
	static int8_t result[QUEUE_RCPT_MAX];
	enum next next = NEXT_COMMAND;
	unsigned answered = 0;

	s->each_answered = true;
	while (answered < s->t.accepted &&
	       transaction_refused(s, content, true, &next))
		answered++;
	if (answered == 0) {
		log_message_id(s->t.id, view_of(content->header.id));
		deliver_each(s, content, result);
	}
	for (; answered < s->t.accepted; answered++)
		next = say_delivered(s, rcpts + named[answered],
		    (enum status)result[named[answered]]);
	s->each_answered = false;
	session_progress(s);
	worker_event(s->w, WORKER_MESSAGE);
	s->errors = 0;
	return next;
}

/* ---- terminals (RFC 821 3.4) ---- */

/* Writes to each one's terminal.  Those who were not reached are left in the
 * list, in front of the others; returns how many were. */
static unsigned
to_terminals(struct session *s, const struct content *content)
{
	static struct rcpt one;
	static uint16_t now[QUEUE_RCPT_MAX];
	struct view text = send_text(content);
	unsigned left = 0, n = s->t.rcpt_n;

	for (unsigned i = 0; i < n; i++) {
		struct rcpt *r = rcpts + i;
		if (send_to(s, r->address, r->delivered_to, text))
			continue;
		one = *r;
		*r = rcpts[left];
		rcpts[left++] = one;
	}
	for (unsigned i = 0; i < n; i++)
		now[rcpts[i].nth] = (uint16_t)i;
	for (unsigned i = 0; i < s->t.accepted; i++)
		named[i] = now[named[i]];
	s->t.rcpt_n = left;
	return n - left;
}

static enum next
to_mailboxes(struct session *s, const struct content *content)
{
	const struct rcpt *r = rcpts;

	/* Who wants to be told of a delivery (RFC 3461 4.1) is told by the
	 * queue, which knows all that was asked for. */
	if (s->t.rcpt_n == 1 && !r->success && !r->foreign && !r->list)
		return to_mailbox(s, content);
	return to_queue(s, content, NULL);
}

/* Who has left since RCPT finds a message of SEND in the mailbox if another was
 * reached by it: it can be neither refused nor lost. */
static enum next
commit_send(struct session *s, const struct content *content)
{
	enum next next;

	if (s->t.by == BY_SAML) {
		next = to_mailboxes(s, content);
		if (s->code == 250)
			to_terminals(s, content);
		return next;
	}
	unsigned reached = to_terminals(s, content);
	if (s->t.rcpt_n == 0) {
		log_write(LOG_LVL_INFO, "qmgr", "%s: removed", s->t.id);
		session_progress(s);
		tell(s, NULL);
		return reply(s, 250, "2.1.5", "Ok: written to the terminal");
	}
	if (reached == 0 && s->t.by == BY_SEND)
		return reject(s, transaction_only_rcpt(s), 451, "4.2.1",
		    "The user is not active any more");
	return to_mailboxes(s, content);
}

enum next
transaction_commit(struct session *s, struct content *content)
{
	log_message_id(s->t.id, view_of(content->header.id));
	if (s->t.by != BY_MAIL)
		return commit_send(s, content);
	return to_mailboxes(s, content);
}
