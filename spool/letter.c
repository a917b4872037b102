/* Active messages.  Runs in: queue. */
#include "spool/letter.h"

#include <stdlib.h>

#include "common/log.h"
#include "common/service.h"
#include "spool/owners.h"
#include "spool/publish.h"
#include "spool/reasons.h"
#include "spool/slot.h"

static const struct letter_host *host;

void
letters_init(const struct letter_host *h)
{
	host = h;
}

/* ---- the end of a message's turn ---- */

static void
letter_free(struct letter *l)
{
	bounce_free(&l->bounces);
	queue_unload(&l->rec);
	free(l->turn);
	free(l->next);
	free(l);
}

/* Counts those that are not done. */
static void
letter_count(struct letter *l)
{
	l->left = 0;
	for (unsigned i = 0; i < l->rec.env.rcpt_n; i++)
		l->left += !rcpt_closed(l->rec.env.rcpt[i].state);
}

/* What root wanted while it was under way.  False: nothing, or it cannot be. */
static bool
as_wished(struct sched_msg *msg)
{
	enum status st = OK;

	if (!msg->cancel && !msg->hold)
		return false;
	if (msg->cancel)
		publish_remove(msg->id);
	else
		st = queue_hold(host->queue, msg->id);
	msg->hold = false;
	if (st != OK) {
		log_error("queue: %s: cannot be placed on hold: %s", msg->id,
		    status_text(st));
		return false;
	}
	log_info("%s: %s", msg->id,
	    msg->cancel ? "removed by root" : "placed on hold");
	sched_drop(host->sched, msg);
	return true;
}

static void
settled(struct letter *l)
{
	struct sched_msg *msg = l->msg;
	bool done = l->left == 0, soon = l->soon;
	uint64_t held;
	bool parked = false;

	if (!done && as_wished(msg)) {
		letter_free(l);
		return;
	}
	if (!done && l->crowded != LETTER_NONE) {
		sched_park(host->sched, msg);
		parked = host->park(l);
	}
	held = l->other ? 0 : l->held;
	letter_free(l);
	if (parked)
		return;
	msg->called = false;
	if (!done) {
		sched_defer(host->sched, msg, soon, now_ms());
		if (held != 0)
			sched_hold(host->sched, msg, held);
		return;
	}
	publish_remove(msg->id);
	log_info("%s: removed", msg->id);
	sched_drop(host->sched, msg);
}

/* Its sender was told, or could not be told now. */
static void
reported(void *arg)
{
	struct letter *l = arg;

	letter_count(l);
	settled(l);
}

void
letter_settle(struct letter *l)
{
	if (l->open == 0 && !bounce_report(&l->bounces, &l->rec, reported, l))
		settled(l);
}

void
letter_crowded(struct letter *l, unsigned i)
{
	l->open--;
	l->crowded = i;
}

void
letter_result(struct letter *l, unsigned i, const struct attempt *a, bool soon)
{
	struct attempt judged = *a;

	bounce_judge(&l->rec, &judged);
	handout_log_attempt(&l->rec.env, i, &judged);
	l->open--;
	if (judged.status != OK)
		reasons_note(l->rec.env.id, i, judged.text);
	if (!bounce_attempt(&l->bounces, &l->rec, i, &judged)) {
		l->soon = l->soon && soon;
		l->other = l->other || judged.held == 0;
		l->held = judged.held;
	}
	l->left -= rcpt_closed(l->rec.env.rcpt[i].state);
}

/* ---- a message becomes active ---- */

static void
unreadable(struct sched_msg *msg, enum status st, const char *why)
{
	char name[64];

	switch (st) {
	case ERR_GONE:
		log_warn("warning: queue: %s: the record has gone from active/",
		    msg->id);
		sched_drop(host->sched, msg);
		return;
	case ERR_DAMAGED:
		st = queue_set_aside(host->queue, msg->id, name, sizeof(name));
		if (st == OK)
			log_error("queue: %s: damaged record (%s) set aside as "
				  "damaged/%s; look at it and move it back "
				  "to active/%s when it is repaired",
			    msg->id, why, name, msg->id);
		else
			log_error("queue: %s: damaged record (%s), and it "
				  "cannot be set aside: %s",
			    msg->id, why, status_text(st));
		sched_drop(host->sched, msg);
		return;
	default:
		log_warn("warning: queue: %s: cannot be read now: %s", msg->id,
		    status_text(st));
		sched_defer(host->sched, msg, false, now_ms());
	}
}

/* NULL: *st, *why. */
static struct letter *
letter_load(struct sched_msg *msg, enum status *st, const char **why)
{
	struct letter *l = calloc(1, sizeof(*l));

	*st = ERR_NOMEM;
	*why = "";
	if (l == NULL)
		return NULL;
	*st = queue_load(host->queue, msg->id, &l->rec, why);
	if (*st == OK) {
		l->turn = calloc(l->rec.env.rcpt_n, sizeof(*l->turn));
		if (l->turn != NULL)
			return l;
		queue_unload(&l->rec);
		*st = ERR_NOMEM;
	}
	free(l);
	return NULL;
}

void
letter_activate(struct sched_msg *msg)
{
	const char *why;
	enum status st;

	if (msg->gone) {
		sched_drop(host->sched, msg);
		return;
	}
	struct letter *l = letter_load(msg, &st, &why);
	if (l == NULL) {
		unreadable(msg, st, why);
		return;
	}
	l->msg = msg;
	l->soon = true;
	l->crowded = LETTER_NONE;
	l->active_us = time_us();
	msg->active = l;
	sched_own(host->sched, msg, owners_uid(l->rec.env.user));
	if (msg->retry && msg->tries == 0) /* found on disk */
		sched_aged(host->sched, msg,
		    (l->active_us - l->rec.env.arrived_us) / 1000);
	handout_log_active(&l->rec.env);
	bounce_leftovers(&l->bounces, &l->rec);
	letter_count(l);
	host->wait(l);
	letter_settle(l);
}
