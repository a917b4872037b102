/* Handing out what is due.  Runs in: queue. */
#include "spool/handout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/service.h"
#include "spool/handout_log.h"
#include "spool/publish.h"
#include "spool/slot.h"
#include "spool/turns.h"

enum {
	SLOTS = 200,	 /* the most that queue_deliveries may say */
	INLINE = 16384,	 /* content up to here is sent, larger is passed as a
			  * descriptor */
	ACTIVE_MIN = 32, /* messages in memory, and for each delivery at once */
	ACTIVE_EACH = 4,
	TURN_MAX = 64 /* messages that become active in one go */
};

/* An active message. */
struct letter {
	struct sched_msg *msg;
	struct record rec;
	struct turn *turn; /* owned; one for each recipient */
	unsigned open;	   /* recipients that wait or are in flight */
	unsigned left;	   /* recipients that are not done */
	bool soon;	   /* all that failed found the mailbox busy */
	int64_t active_us; /* time of day when it became active */
};

static struct queue *queue;
static struct sched *sched;
static struct turns *turns;
static struct timer *clock_timer;
static bool ending;

static uint64_t
random_seed(void)
{
	uint64_t u = 0;

	if (getrandom(&u, sizeof(u), 0) != sizeof(u))
		fatal("getrandom: %s", strerror(errno));
	return u;
}

void
handout_limits(const struct settings *s, struct sched_limits *out)
{
	*out = (struct sched_limits){
		.active =
		    ACTIVE_MIN + ACTIVE_EACH * (unsigned)s->queue_deliveries,
		.retry_min = s->retry_min,
		.retry_max = s->retry_max,
		.seed = random_seed(),
	};
}

static struct turns_limits
turns_limits(const struct settings *s)
{
	unsigned n = (unsigned)s->queue_deliveries;

	n = n < SLOTS ? n : SLOTS;
	return (struct turns_limits){
		.in_flight = n,
		/* A slow mailbox leaves three quarters to the others. */
		.per_dest = n < 4 ? 1 : n / 4,
		.pause = s->retry_min,
		.seed = random_seed(),
	};
}

/* ---- the end of a message's turn ---- */

static void
letter_free(struct letter *l)
{
	queue_unload(&l->rec);
	free(l->turn);
	free(l);
}

/* No recipient waits or is in flight any more: done, or due later. */
static void
letter_settle(struct letter *l)
{
	struct sched_msg *msg = l->msg;
	bool done = l->left == 0, soon = l->soon;

	if (l->open > 0)
		return;
	letter_free(l);
	if (!done) {
		sched_defer(sched, msg, soon, now_ms());
		return;
	}
	publish_remove(msg->id);
	log_info("%s: removed", msg->id);
	sched_drop(sched, msg);
}

static void
rcpt_deferred(struct letter *l, unsigned i, const struct attempt *a, bool soon)
{
	handout_log_attempt(&l->rec.env, i, a);
	l->open--;
	l->soon = l->soon && soon;
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
		sched_drop(sched, msg);
		return;
	case ERR_DAMAGED:
		st = queue_set_aside(queue, msg->id, name, sizeof(name));
		if (st == OK)
			log_error("queue: %s: damaged record (%s) set aside as "
				  "damaged/%s; look at it and move it back "
				  "to active/%s when it is repaired",
			    msg->id, why, name, msg->id);
		else
			log_error("queue: %s: damaged record (%s), and it "
				  "cannot be set aside: %s",
			    msg->id, why, status_text(st));
		sched_drop(sched, msg);
		return;
	default:
		log_warn("warning: queue: %s: cannot be read now: %s", msg->id,
		    status_text(st));
		sched_defer(sched, msg, false, now_ms());
	}
}

/* Lets each recipient that is not done wait for its turn. */
static void
letter_wait(struct letter *l)
{
	static const struct attempt no_memory = { .status = ERR_NOMEM,
		.text = "" };
	struct envelope *e = &l->rec.env;

	for (unsigned i = 0; i < e->rcpt_n; i++) {
		struct turn *t = &l->turn[i];
		if (!rcpt_to_do(e->rcpt[i].state))
			continue;
		*t = (struct turn){ .owner = l, .index = i };
		l->open++;
		l->left++;
		if (!turns_add(turns, t, e->rcpt[i].address, now_ms()))
			rcpt_deferred(l, i, &no_memory, false);
	}
}

static void
activate(struct sched_msg *msg)
{
	struct letter *l = calloc(1, sizeof(*l));
	const char *why = "";
	enum status st = ERR_NOMEM;

	if (l != NULL)
		st = queue_load(queue, msg->id, &l->rec, &why);
	if (st == OK) {
		l->turn = calloc(l->rec.env.rcpt_n, sizeof(*l->turn));
		if (l->turn == NULL) {
			queue_unload(&l->rec);
			st = ERR_NOMEM;
		}
	}
	if (st != OK) {
		free(l);
		unreadable(msg, st, why);
		return;
	}
	l->msg = msg;
	l->soon = true;
	l->active_us = time_us();
	msg->active = l;
	if (msg->retry && msg->tries == 0) /* found on disk */
		sched_aged(
		    sched, msg, (l->active_us - l->rec.env.arrived_us) / 1000);
	handout_log_active(&l->rec.env);
	letter_wait(l);
	letter_settle(l);
}

/* ---- one delivery ---- */

/* The strings have room: no value of a record is longer. */
static void
begin(struct slot *s, struct turn *t)
{
	struct letter *l = t->owner;
	struct envelope *e = &l->rec.env;

	view_copy(
	    e->rcpt[t->index].address, s->recipient, sizeof(s->recipient));
	view_copy(e->rcpt[t->index].original, s->original, sizeof(s->original));
	view_copy(e->sender, s->sender, sizeof(s->sender));
	s->d = (struct delivery){ .id = l->msg->id,
		.recipient = s->recipient,
		.original = s->original,
		.sender = s->sender,
		.file = -1,
		.offset = e->content_at,
		.length = e->content_n };
	s->turn = t;
	slot_start(s);
}

/* Just before it is sent, so that one buffer will do for all slots. */
static enum status
content(struct slot *s)
{
	static char octets[INLINE];
	struct letter *l = s->turn->owner;
	enum status st = OK;

	if (s->d.length > INLINE) {
		s->d.file = queue_record_reader(queue, &l->rec, &st);
	} else {
		s->d.content = (struct view){ octets, (size_t)s->d.length };
		st = queue_record_read(&l->rec, octets, s->d.content.n);
	}
	return st;
}

static enum turn_outcome
outcome(enum status st)
{
	switch (st) {
	case OK:
		return TURN_DONE;
	case ERR_BUSY:
		return TURN_BUSY;
	case ERR_IO:
	case ERR_NOSPACE:
	case ERR_QUOTA:
	case ERR_PERM:
	case ERR_UNSAFE:
	case ERR_CHANGED:
	case ERR_DAMAGED:
		return TURN_DOWN;
	default: /* says nothing about the mailbox */
		return TURN_RETRY;
	}
}

/* A delivery has ended, one way or the other. */
static void
delivered(struct slot *s)
{
	struct letter *l = s->turn->owner;
	unsigned i = s->turn->index;
	const struct attempt a = { .status = s->d.status,
		.text = s->d.text,
		.active_us = l->active_us,
		.began_us = s->began_us,
		.opened_us = s->opened_us };
	enum status st = a.status;

	turns_result(turns, s->turn, outcome(st), now_ms());
	if (st != OK) {
		rcpt_deferred(l, i, &a, st == ERR_BUSY);
	} else {
		handout_log_attempt(&l->rec.env, i, &a);
		st = queue_mark(&l->rec, i, RCPT_DONE);
		if (st != OK)
			log_error("queue: %s: a delivery cannot be noted "
				  "(%s); it would be repeated after a "
				  "restart",
			    l->msg->id, status_text(st));
		l->open--;
		l->left--;
	}
	letter_settle(l);
}

static void
suspended(struct turn *t)
{
	struct letter *l = t->owner;
	const struct attempt a = { .status = ERR_BUSY,
		.text = t->busy ? "waits for its turn: the mailbox is busy"
				: "delivery temporarily suspended: an earlier "
				  "one to this mailbox failed",
		.active_us = l->active_us };

	rcpt_deferred(l, t->index, &a, t->busy);
	letter_settle(l);
}

/* ---- the loop ---- */

static void
clock_due(void *arg)
{
	(void)arg;
	clock_timer = NULL;
	handout_run();
}

static void
set_clock(void)
{
	int64_t next = sched_next(sched), now = now_ms();

	timer_del(clock_timer);
	clock_timer = NULL;
	if (next != -1)
		clock_timer =
		    timer_add(next > now ? next - now : 0, clock_due, NULL);
}

void
handout_run(void)
{
	static bool running;
	struct sched_msg *msg = NULL;
	struct slot *s = NULL;
	struct turn *t;
	int n = 0;

	if (running || ending || !queue->runner)
		return;
	running = true; /* a delivery may fail at once and call this again */
	do {
		while ((s = slot_free_one()) != NULL &&
		       (t = turns_pick(turns)) != NULL)
			begin(s, t);
		while ((t = turns_suspended(turns)) != NULL)
			suspended(t);
		msg = NULL;
		/* Not for ever, as others want to be served, too. */
		if (s != NULL && n++ < TURN_MAX)
			msg = sched_activate(sched, now_ms());
		if (msg != NULL)
			activate(msg);
	} while (msg != NULL);
	running = false;
	if (s != NULL) /* else a free slot calls this, or a new deliver */
		set_clock();
}

static void
found(void *arg, const char *id)
{
	bool *full = arg;

	if (sched_find(sched, id) != NULL)
		return;
	struct sched_msg *msg = sched_reserve(sched, id);
	if (msg == NULL)
		*full = true;
	else
		sched_wait(sched, msg, now_ms());
}

void
handout_scan(void)
{
	bool full = false;
	unsigned foreign;
	enum status st = queue_scan(queue, found, &full, &foreign);

	if (st != OK)
		log_error("queue: active/ cannot be read: %s", status_text(st));
	if (foreign > 0)
		log_warn("warning: queue: %u files in active/ are not named "
			 "by a queue id; they are left alone",
		    foreign);
	if (full)
		log_error("queue: no memory to know all messages; the rest "
			  "waits until the next start");
}

/* ---- start, change, end ---- */

void
handout_init(
    struct queue *q, struct sched *sc, const struct settings *s, int deliver)
{
	static const struct slot_owner owner = { content, delivered,
		handout_run };
	struct turns_limits l = turns_limits(s);

	queue = q;
	sched = sc;
	ending = false;
	turns = turns_new(&l);
	if (turns == NULL)
		fatal("out of memory");
	slots_init(SLOTS, deliver, &owner);
}

void
handout_settings(const struct settings *s)
{
	struct turns_limits l = turns_limits(s);

	turns_set_limits(turns, &l);
	handout_run();
}

void
handout_deliver(int fd)
{
	slots_intro(fd);
	handout_run();
}

void
handout_end(int64_t ms)
{
	ending = true;
	timer_del(clock_timer);
	clock_timer = NULL;
	slots_drain(ms);
}
