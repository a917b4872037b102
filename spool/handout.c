/* Handing out what is due.  Runs in: queue. */
#include "spool/handout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/log.h"
#include "common/service.h"
#include "spool/expander.h"
#include "spool/handout_local.h"
#include "spool/handout_remote.h"
#include "spool/letter.h"
#include "spool/slot.h"

enum {
	ACTIVE_MIN = 32, /* messages in memory, and for each delivery at once */
	ACTIVE_EACH = 4,
	TURN_MAX = 64,	  /* messages that become active in one go */
	WAKE_PER_MS = 100 /* a hundredth of the time at most: 10,000 a ms */
};

static struct queue *queue;
static struct sched *sched;
static struct timer *clock_timer;
static bool ending;

uint64_t
handout_seed(void)
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
		    ACTIVE_MIN + ACTIVE_EACH * (unsigned)(s->queue_deliveries +
							  s->relay_processes),
		.retry_min = s->retry_min,
		.retry_max = s->retry_max,
		.seed = handout_seed(),
	};
}

/* ---- a message becomes active ---- */

/* Lets those wait for their turns whom no alias takes elsewhere; taken: whom
 * one does, NULL: nobody. */
static void
letter_rest(struct letter *l, const bool *taken)
{
	struct envelope *e = &l->rec.env;
	bool remote = false;

	for (unsigned i = 0; i < e->rcpt_n; i++)
		if (!rcpt_to_do(e->rcpt[i].state) ||
		    (taken != NULL && taken[i]))
			continue;
		else if (remote_has(l, i))
			remote = true;
		else
			local_add(l, i);
	if (remote)
		remote_add(l);
	if (taken != NULL)
		handout_run();
}

/* Lets each recipient that is not done wait for its turn. */
static void
letter_wait(struct letter *l)
{
	struct envelope *e = &l->rec.env;

	/* All are counted first, as one may be done with at once. */
	for (unsigned i = 0; i < e->rcpt_n; i++)
		l->open += rcpt_to_do(e->rcpt[i].state);
	if (!expander_start(l))
		letter_rest(l, NULL);
}

static bool
letter_park(struct letter *l)
{
	return remote_has(l, l->crowded) ? remote_park(l, l->crowded)
					 : local_park(l, l->crowded);
}

/* ---- the loop ---- */

/* Messages that were parked come back: there is room at their destination, or
 * it is down. */
static void
recall(struct turns *t)
{
	struct sched_msg *msg;
	uint64_t tag;
	bool busy;

	while ((msg = turns_call(t)) != NULL)
		sched_unpark(sched, msg);
	while ((msg = turns_unparked(t, &busy, &tag)) != NULL) {
		sched_defer(sched, msg, busy, now_ms());
		if (t == remote_turns())
			sched_hold(sched, msg, tag);
	}
}

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
	int n = 0;

	if (running || ending || !queue->runner)
		return;
	running = true; /* a delivery may fail at once and call this again */
	do {
		local_run();
		remote_run();
		recall(local_turns());
		recall(remote_turns());
		msg = NULL;
		/* Not for ever, as others want to be served, too. */
		if (n++ < TURN_MAX)
			msg = sched_activate(sched, now_ms());
		if (msg != NULL)
			letter_activate(msg);
	} while (msg != NULL);
	running = false;
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
handout_flush(void)
{
	turns_flush(local_turns());
	turns_flush(remote_turns());
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
handout_init(struct queue *q, struct sched *sc, const struct settings *s,
    int deliver, int relay, int expand)
{
	static struct letter_host host;

	host = (struct letter_host){ .queue = q,
		.sched = sc,
		.wait = letter_wait,
		.park = letter_park };
	expander_init(expand, letter_rest);
	expander_settings(s);
	letters_init(&host);
	queue = q;
	sched = sc;
	ending = false;
	bounce_settings(s);
	local_init(q, s, deliver, handout_run);
	remote_init(q, s, relay, handout_run);
}

void
handout_settings(const struct settings *s)
{
	expander_settings(s);
	bounce_settings(s);
	local_settings(s);
	remote_settings(s);
	handout_run();
}

void
handout_expand(int fd)
{
	expander_intro(fd);
}

void
handout_deliver(int fd)
{
	local_deliver(fd);
	handout_run();
}

void
handout_relay(int fd)
{
	remote_relay(fd);
	handout_run();
}

static bool
wake(void *arg, uint64_t tag)
{
	return turns_wake(remote_turns(), tag, *(int64_t *)arg);
}

/* Who waits for a destination that works again, or is to be probed.  The more
 * messages there are to look at, the less often. */
static void
wake_held(void)
{
	static int64_t not_before;
	int64_t now = now_ms();

	if (sched_held(sched) == 0 || now < not_before ||
	    !turns_wakes(remote_turns(), now))
		return;
	sched_wake(sched, wake, &now, now);
	not_before = now + (int64_t)(sched_count(sched) / WAKE_PER_MS);
}

void
handout_tick(void)
{
	slots_tick();
	wake_held();
	remote_tick();
	turns_tick(local_turns(), now_ms());
	handout_run();
}

void
handout_end(int64_t ms)
{
	ending = true;
	bounce_end();
	timer_del(clock_timer);
	clock_timer = NULL;
	int64_t until = now_ms() + ms;
	local_end(ms);
	remote_end(until - now_ms());
}
