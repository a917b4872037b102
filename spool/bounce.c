/*
 * What becomes of a recipient after an attempt, and telling the sender.
 * Runs in: queue.
 */
#include "spool/bounce.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/log.h"
#include "spool/ask_deliver.h"
#include "spool/own_record.h"
#include "spool/slot.h"

enum {
	REPORT_MAX = 24 << 20, /* 8,000 recipients, a KiB and more for each */
	CLEAN = 260,
	SECOND = 1000000
};

/* Of a report to the postmaster, which is never reported itself. */
#define LAST_REPORT "double-bounce"

struct note {
	unsigned rcpt;
	enum dsn_action action;
	bool expired;
	char code[DSN_CODE_MAX];
	char *text, *remote; /* owned; NULL: none */
};
struct bounces {
	struct note *note; /* owned */
	unsigned n, room;
};

/* A report on its way to the disk. */
struct report {
	struct bounces *b;
	struct record *rec;
	void (*done)(void *);
	void *arg;
};

static const struct settings *settings;
static bool ending;

void
bounce_end(void)
{
	ending = true;
}

void
bounce_settings(const struct settings *s)
{
	settings = s;
}

/* ---- notes ---- */

void
bounce_free(struct bounces **b)
{
	for (unsigned i = 0; *b != NULL && i < (*b)->n; i++) {
		free((*b)->note[i].text);
		free((*b)->note[i].remote);
	}
	if (*b != NULL)
		free((*b)->note);
	free(*b);
	*b = NULL;
}

static struct note *
new_note(struct bounces **b)
{
	if (*b == NULL && (*b = calloc(1, sizeof(**b))) == NULL)
		return NULL;
	if ((*b)->n == (*b)->room) {
		unsigned room = (*b)->room == 0 ? 1 : 2 * (*b)->room;
		void *p = realloc((*b)->note, room * sizeof(struct note));
		if (p == NULL)
			return NULL;
		(*b)->note = p;
		(*b)->room = room;
	}
	return &(*b)->note[(*b)->n];
}

/* At most DSN_TEXT_MAX octets; NULL without text or memory: the report is
 * better without a reason than not written. */
static char *
copy_text(const char *text)
{
	return text == NULL || text[0] == '\0' ? NULL
					       : strndup(text, DSN_TEXT_MAX);
}

static bool
note(struct bounces **b, unsigned rcpt, const struct attempt *a,
    enum dsn_action action, bool expired)
{
	struct note *n = new_note(b);
	const char *why = a->text == NULL ? "" : a->text;

	if (n == NULL)
		return false;
	/* What the log says of a mailbox here, paths and owners, is nothing for
	 * people outside; the status code has words of its own. */
	if (a->dsn == NULL)
		why = "";
	*n = (struct note){ .rcpt = rcpt,
		.action = action,
		.expired = expired,
		.text = copy_text(why),
		.remote = copy_text(a->reply ? a->relay : NULL) };
	view_copy(view_of(attempt_dsn(a)), n->code, sizeof(n->code));
	if (n->code[0] == '\0')
		view_copy(view_of(action == DSN_FAILED ? "5.0.0" : "4.0.0"),
		    n->code, sizeof(n->code));
	(*b)->n++;
	return true;
}

/* ---- who is told ---- */

static bool
of_nobody(const struct record *r)
{
	return r->env.sender.n == 0;
}

/* Whoever is told that something failed; empty: nobody. */
static struct view
told_of_failure(const struct record *r)
{
	if (!of_nobody(r))
		return r->env.sender;
	if (view_eqs(r->env.protocol, LAST_REPORT))
		return (struct view){ NULL, 0 };
	return view_of(settings->double_bounces);
}

static bool
wanted(const struct record *r, unsigned i, enum dsn_action action)
{
	if (action == DSN_FAILED && of_nobody(r))
		return told_of_failure(r).n > 0;
	return !of_nobody(r) && dsn_wanted(r->env.rcpt[i].params, action);
}

/* ---- what became of a recipient ---- */

static void
mark(struct record *r, unsigned i, char state)
{
	enum status st = queue_mark(r, i, state);

	if (st != OK)
		log_error("queue: %.*s: what became of a recipient cannot be "
			  "noted (%s); it would be repeated after a restart",
		    (int)r->env.id.n, r->env.id.p, status_text(st));
}

/* Somebody else answers for it now. */
static void
done(struct bounces **b, struct record *r, unsigned i, const struct attempt *a)
{
	enum dsn_action action = a->expanded			? DSN_EXPANDED
				 : a->relay != NULL && !a->lmtp ? DSN_RELAYED
								: DSN_DELIVERED;
	bool tell = wanted(r, i, action) && !a->dsn_passed_on;

	mark(r, i,
	    !tell		    ? RCPT_DONE
	    : action == DSN_RELAYED ? RCPT_RELAYED_TELL
				    : RCPT_DONE_TELL);
	if (tell) /* without memory: at the next turn */
		note(b, i, a, action, false);
}

/* False: for want of memory. */
static bool
give_up(struct bounces **b, struct record *r, unsigned i,
    const struct attempt *a, bool expired)
{
	char clean[CLEAN];

	if (!wanted(r, i, DSN_FAILED))
		mark(r, i, RCPT_BOUNCED);
	else if (!note(b, i, a, DSN_FAILED, expired))
		return false;
	if (expired)
		log_write(LOG_LVL_INFO, "qmgr",
		    "%.*s: from=<%s>, status=expired, returned to sender",
		    (int)r->env.id.n, r->env.id.p,
		    log_clean(r->env.sender, clean, sizeof(clean)));
	return true;
}

/* Will it never fit? */
static bool
too_large(const struct record *r)
{
	return settings->quota > 0 &&
	       r->env.content_n > (uint64_t)settings->quota;
}

void
bounce_judge(const struct record *r, struct attempt *a)
{
	if (a->dsn != NULL || a->failed)
		return;
	if (a->status == ERR_GONE)
		a->dsn = "5.1.1";
	else if (a->status == ERR_QUOTA && too_large(r))
		a->dsn = "5.2.3";
	a->failed = a->dsn != NULL;
	if (a->failed && a->text[0] == '\0')
		a->text = status_text(a->status);
}

bool
bounce_attempt(
    struct bounces **b, struct record *r, unsigned i, const struct attempt *a)
{
	int64_t age = (time_us() - r->env.arrived_us) / 1000;
	bool expired = age >= settings->queue_lifetime;

	if (a->status == OK) {
		done(b, r, i, a);
		return true;
	}
	if (a->failed || expired)
		return give_up(b, r, i, a, !a->failed);
	if (settings->delay_warning > 0 && age >= settings->delay_warning &&
	    r->env.rcpt[i].state == RCPT_TO_DO && wanted(r, i, DSN_DELAYED))
		note(b, i, a, DSN_DELAYED, false);
	return false;
}

void
bounce_leftovers(struct bounces **b, struct record *r)
{
	for (unsigned i = 0; i < r->env.rcpt_n; i++) {
		char state = r->env.rcpt[i].state;
		struct attempt a = { .status = OK };

		if (state != RCPT_DONE_TELL && state != RCPT_RELAYED_TELL)
			continue;
		if (of_nobody(r)) /* nobody wants to know after all */
			mark(r, i, RCPT_DONE);
		else
			note(b, i, &a,
			    state == RCPT_DONE_TELL ? DSN_DELIVERED
						    : DSN_RELAYED,
			    false);
	}
}

/* ---- the report ---- */

static bool
any(const struct bounces *b, enum dsn_action action)
{
	for (unsigned i = 0; i < b->n; i++)
		if (b->note[i].action == action)
			return true;
	return false;
}

/* What of the message is returned, or looked at; owned. */
static enum status
read_content(const struct record *r, bool all, struct view *out)
{
	uint64_t n = r->env.content_n;
	enum status st = ERR_NOMEM;

	if (!all && n > DSN_HEADER_MAX)
		n = DSN_HEADER_MAX;
	char *p = malloc((size_t)n + 1);
	*out = (struct view){ p, (size_t)n };
	if (p != NULL)
		st = queue_record_read(r, p, (size_t)n);
	if (st != OK) {
		free(p);
		*out = (struct view){ NULL, 0 };
	}
	return st;
}

static enum status
describe(const struct bounces *b, const struct record *r, struct dsn *d)
{
	struct dsn_rcpt *list = calloc(b->n, sizeof(*list));

	d->rcpt = list;
	d->rcpt_n = b->n;
	if (list == NULL)
		return ERR_NOMEM;
	for (unsigned i = 0; i < b->n; i++) {
		const struct note *n = &b->note[i];
		const struct envelope_rcpt *c = &r->env.rcpt[n->rcpt];
		list[i] = (struct dsn_rcpt){ .action = n->action,
			.address =
			    c->kind == KIND_ADDRESS ? c->address : c->original,
			.original = c->original,
			.params = c->params,
			.code = n->code,
			.text = view_of(n->text),
			.remote = view_of(n->remote),
			.expired = n->expired };
	}
	if (getrandom(&d->random, sizeof(d->random), 0) != sizeof(d->random))
		return ERR_IO;
	d->return_all = dsn_wants_all(r->env.params, any(b, DSN_FAILED)) &&
			r->env.content_n <= (uint64_t)settings->bounce_size_max;
	return read_content(r, d->return_all, &d->content);
}

/* The envelope and then the report itself. */
static bool
print_record(struct buf *out, const struct dsn *d)
{
	struct buf body, params;
	bool utf8 = false, require_tls;

	buf_init(&params, ENVELOPE_PARAMS_MAX);
	buf_init(&body, out->max);
	bool good = dsn_print(&body, d, &utf8);
	/* RFC 8689 5: a report is worth as much protection. */
	dsn_param(d->of->params, "REQUIRETLS", &require_tls);
	if (utf8)
		buf_adds(&params, "SMTPUTF8");
	if (require_tls)
		buf_adds(&params, utf8 ? " REQUIRETLS" : "REQUIRETLS");
	envelope_print_head(
	    out, &(struct envelope){ .id = view_of(d->id),
		     .arrived_us = time_us(),
		     .client = view_of("localhost"),
		     .helo = view_of(d->hostname),
		     .protocol =
			 view_of(d->of->sender.n == 0 ? LAST_REPORT : "report"),
		     .params = buf_view(&params) });
	envelope_print_rcpt_params(out, d->to, d->to, view_of("NOTIFY=NEVER"));
	envelope_print_end(out, 1, body.n);
	buf_addv(out, buf_view(&body));
	buf_free(&body);
	buf_free(&params);
	return good && !out->bad;
}

static char
state_after(enum dsn_action action)
{
	switch (action) {
	case DSN_FAILED:
		return RCPT_BOUNCED;
	case DSN_DELAYED:
		return RCPT_WARNED;
	default:
		return RCPT_DONE;
	}
}

static void
log_told(const struct report *rp, const char *id)
{
	const struct envelope *e = &rp->rec->env;
	const char *kind = any(rp->b, DSN_FAILED)    ? "non-delivery"
			   : any(rp->b, DSN_DELAYED) ? "delay"
						     : "delivery status";

	log_write(LOG_LVL_INFO, "cleanup", "%s: message-id=<%s@%s>", id, id,
	    settings->hostname);
	log_write(LOG_LVL_INFO, "bounce", "%.*s: %s %s notification: %s",
	    (int)e->id.n, e->id.p, e->sender.n == 0 ? "postmaster" : "sender",
	    kind, id);
}

/* The report is durable, or could not be written: then nobody was told, and the
 * recipients stay as they are. */
static void
published(void *arg, const char *id, enum status st)
{
	struct report *rp = arg;

	for (unsigned i = 0; st == OK && i < rp->b->n; i++)
		mark(rp->rec, rp->b->note[i].rcpt,
		    state_after(rp->b->note[i].action));
	if (st == OK)
		log_told(rp, id);
	bounce_free(&rp->b);
	rp->done(rp->arg);
	free(rp);
}

static enum status
publish(struct report *rp)
{
	char id[QUEUE_ID_MAX];
	struct buf out;
	struct dsn d = { .id = id,
		.hostname = settings->hostname,
		.to = told_of_failure(rp->rec),
		.now = time_us() / SECOND,
		.until = (rp->rec->env.arrived_us / 1000 +
			     settings->queue_lifetime) /
			 1000,
		.of = &rp->rec->env };

	own_record_id(id);
	buf_init(&out, REPORT_MAX);
	enum status st = describe(rp->b, rp->rec, &d);
	if (st == OK)
		st = print_record(&out, &d) ? OK : ERR_NOMEM;
	if (st == OK)
		st = own_record_publish(
		    id, buf_view(&out), -1, 0, published, rp);
	buf_free(&out);
	free((void *)(uintptr_t)d.rcpt);
	free((void *)(uintptr_t)d.content.p);
	return st;
}

bool
bounce_report(
    struct bounces **b, struct record *r, void (*ended)(void *), void *arg)
{
	struct report *rp = NULL;
	enum status st = ERR_NOMEM;

	if (*b == NULL || (*b)->n == 0 || ending) {
		bounce_free(b);
		return false;
	}
	rp = malloc(sizeof(*rp));
	if (rp != NULL) {
		*rp = (struct report){ *b, r, ended, arg };
		st = publish(rp);
	}
	if (st == OK) {
		*b = NULL;
		return true;
	}
	log_error("queue: %.*s: a report to the sender cannot be written now: "
		  "%s",
	    (int)r->env.id.n, r->env.id.p, status_text(st));
	free(rp);
	bounce_free(b);
	return false;
}
