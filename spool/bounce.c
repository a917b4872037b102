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
#include "spool/handout_log.h"
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

static const char *
code_of(const struct bounce_event *ev, enum dsn_action action)
{
	if (ev->code != NULL && ev->code[0] != '\0')
		return ev->code;
	return action == DSN_FAILED    ? "5.0.0"
	       : action == DSN_DELAYED ? "4.0.0"
				       : "2.0.0";
}

static bool
note(struct bounces **b, const struct bounce_event *ev, enum dsn_action action,
    bool expired)
{
	struct note *n = new_note(b);

	if (n == NULL)
		return false;
	*n = (struct note){ .rcpt = ev->rcpt,
		.action = action,
		.expired = expired,
		.text = copy_text(ev->text),
		.remote = copy_text(ev->remote) };
	view_copy(view_of(code_of(ev, action)), n->code, sizeof(n->code));
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

static enum bounce_fate
done(struct bounces **b, struct record *r, const struct bounce_event *ev)
{
	enum dsn_action action = ev->result == RESULT_DONE	? DSN_DELIVERED
				 : ev->result == RESULT_RELAYED ? DSN_RELAYED
								: DSN_EXPANDED;
	bool tell = wanted(r, ev->rcpt, action) && !ev->dsn;

	mark(r, ev->rcpt,
	    !tell		    ? RCPT_DONE
	    : action == DSN_RELAYED ? RCPT_RELAYED_TELL
				    : RCPT_DONE_TELL);
	if (tell) /* without memory: at the next turn */
		note(b, ev, action, false);
	return FATE_CLOSED;
}

static enum bounce_fate
give_up(struct bounces **b, struct record *r, const struct bounce_event *ev,
    bool expired)
{
	char clean[CLEAN];

	if (!wanted(r, ev->rcpt, DSN_FAILED))
		mark(r, ev->rcpt, RCPT_BOUNCED);
	else if (!note(b, ev, DSN_FAILED, expired))
		return FATE_LATER;
	if (expired)
		log_write(LOG_LVL_INFO, "qmgr",
		    "%.*s: from=<%s>, status=expired, returned to sender",
		    (int)r->env.id.n, r->env.id.p,
		    log_clean(r->env.sender, clean, sizeof(clean)));
	return expired ? FATE_EXPIRED : FATE_FAILED;
}

static enum bounce_fate
later(struct bounces **b, struct record *r, const struct bounce_event *ev)
{
	int64_t age = (time_us() - r->env.arrived_us) / 1000;

	if (age >= settings->queue_lifetime)
		return give_up(b, r, ev, true);
	if (settings->delay_warning > 0 && age >= settings->delay_warning &&
	    r->env.rcpt[ev->rcpt].state == RCPT_TO_DO &&
	    wanted(r, ev->rcpt, DSN_DELAYED))
		note(b, ev, DSN_DELAYED, false);
	return FATE_LATER;
}

enum bounce_fate
bounce_event(
    struct bounces **b, struct record *r, const struct bounce_event *ev)
{
	switch (ev->result) {
	case RESULT_LATER:
		return later(b, r, ev);
	case RESULT_FAILED:
		return give_up(b, r, ev, false);
	default:
		return done(b, r, ev);
	}
}

/* Will it never fit? */
static bool
too_large(const struct record *r)
{
	return settings->quota > 0 &&
	       r->env.content_n > (uint64_t)settings->quota;
}

enum bounce_fate
bounce_local(struct bounces **b, struct record *r, unsigned rcpt,
    enum status st, const char *text)
{
	struct bounce_event ev = { .rcpt = rcpt,
		.result = RESULT_LATER,
		.code = handout_log_code(st),
		.text = text[0] == '\0' ? status_text(st) : text };

	if (st == OK) {
		ev.result = RESULT_DONE;
		ev.text = NULL;
	} else if (st == ERR_GONE) {
		ev.result = RESULT_FAILED;
		ev.code = "5.1.1";
	} else if (st == ERR_QUOTA && too_large(r)) {
		ev.result = RESULT_FAILED;
		ev.code = "5.2.3";
	}
	return bounce_event(b, r, &ev);
}

void
bounce_leftovers(struct bounces **b, struct record *r)
{
	for (unsigned i = 0; i < r->env.rcpt_n; i++) {
		char state = r->env.rcpt[i].state;
		struct bounce_event ev = { .rcpt = i,
			.result = state == RCPT_DONE_TELL ? RESULT_DONE
							  : RESULT_RELAYED };
		if (state == RCPT_DONE_TELL || state == RCPT_RELAYED_TELL)
			done(b, r, &ev);
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
			.address = c->address,
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
	struct buf body;
	bool utf8 = false;

	buf_init(&body, out->max);
	bool good = dsn_print(&body, d, &utf8);
	envelope_print_head(
	    out, &(struct envelope){ .id = view_of(d->id),
		     .arrived_us = time_us(),
		     .client = view_of("localhost"),
		     .helo = view_of(d->hostname),
		     .protocol =
			 view_of(d->of->sender.n == 0 ? LAST_REPORT : "report"),
		     .params = view_of(utf8 ? "SMTPUTF8" : "") });
	envelope_print_rcpt_params(out, d->to, d->to, view_of("NOTIFY=NEVER"));
	envelope_print_end(out, 1, body.n);
	buf_addv(out, buf_view(&body));
	buf_free(&body);
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

	if (*b == NULL || (*b)->n == 0) {
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
