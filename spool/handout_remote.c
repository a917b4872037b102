/* Handing out to other hosts.  Runs in: queue. */
#include "spool/handout_remote.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/service.h"
#include "spool/destination.h"
#include "spool/handout.h"
#include "spool/lane.h"

enum {
	LANES = 500, /* the most that relay_processes may say */
	FIRST = 1,   /* connections to what is not known to work */
	KNOWN = 5000 /* destinations that are known to work */
};

static struct queue *queue;
static const struct settings *settings;
static struct turns *turns;

static unsigned
part(unsigned n, unsigned numerator, unsigned denominator)
{
	unsigned p = n * numerator / denominator;

	return p > 0 ? p : 1;
}

/* What is known to work always has a quarter of the lanes, what has failed
 * never more than a quarter. */
static struct turns_limits
turns_limits(const struct settings *s)
{
	unsigned n = (unsigned)s->relay_processes;
	unsigned each = (unsigned)s->relay_connections;

	each = each < n ? each : n;
	return (struct turns_limits){ .in_flight = n,
		.per_dest = each,
		.first = each < FIRST ? each : FIRST,
		.unproven = part(n, 3, 4),
		.failing = part(n, 1, 4),
		.waiting = 2 * n + 32,
		.waiting_dest = 2 * each + 4,
		.known = KNOWN,
		.pause = s->retry_min,
		.seed = handout_seed() };
}

/* ---- turns ---- */

bool
remote_has(const struct letter *l, unsigned i)
{
	const struct envelope_rcpt *c = &l->rec.env.rcpt[i];

	/* The words of a command may look like an address. */
	return c->kind == KIND_ADDRESS &&
	       destination_foreign(settings, c->address);
}

/* The same for all recipients of a turn. */
static void
all_of(struct letter *l, unsigned i, const struct attempt *a, bool soon)
{
	for (unsigned next; i != LETTER_NONE; i = next) {
		next = l->next[i];
		letter_result(l, i, a, soon);
	}
}

static void
wait_for_turn(struct letter *l, unsigned first, struct view nexthop)
{
	static const struct attempt no_memory = { .status = ERR_NOMEM,
		.text = "" };
	struct turn *t = &l->turn[first];

	*t = (struct turn){
		.owner = l, .index = first, .called = l->msg->called
	};
	if (!turns_add(turns, t, nexthop, now_ms()))
		all_of(l, first, &no_memory, false);
}

static void
add_group(void *arg, const struct destination *d)
{
	static const struct attempt no_place = { .status = ERR_INVALID,
		.failed = true,
		.text = "the domain of the address is too long",
		.dsn = "5.1.2" };
	struct letter *l = arg;

	if (d->nexthop[0] == '\0')
		all_of(l, d->first, &no_place, false);
	else
		wait_for_turn(l, d->first, view_of(d->nexthop));
}

void
remote_add(struct letter *l)
{
	static const struct attempt no_memory = { .status = ERR_NOMEM,
		.text = "" };
	const struct envelope *e = &l->rec.env;

	l->next = calloc(e->rcpt_n, sizeof(*l->next));
	if (l->next != NULL && destinations_gather(settings, e, RELAY_RCPT_MAX,
				   l->next, add_group, l))
		return;
	for (unsigned i = 0; i < e->rcpt_n; i++)
		if (rcpt_to_do(e->rcpt[i].state) && remote_has(l, i))
			letter_result(l, i, &no_memory, false);
}

/* Where recipient i goes; valid until the next call.  Empty: nowhere now. */
static struct view
place_of(const struct letter *l, unsigned i)
{
	static char nexthop[NEXTHOP_MAX];

	if (!nexthop_of(
		settings, nexthop_domain(l->rec.env.rcpt[i].address), nexthop))
		nexthop[0] = '\0';
	return view_of(nexthop);
}

bool
remote_park(struct letter *l, unsigned i)
{
	struct view place = place_of(l, i);

	if (place.n == 0)
		return false;
	if (turns_park(turns, l->msg, place, now_ms()))
		return true;
	l->held = turns_tag(turns, place);
	return false;
}

struct turns *
remote_turns(void)
{
	return turns;
}

/* What the last one was told who tried; valid until the next call. */
static const char *
why_suspended(const struct turn *t)
{
	static char text[TURNS_WHY_MAX + 64];
	const char *why = turns_why(turns, place_of(t->owner, t->index));

	if (why[0] == '\0')
		why = t->busy ? "the other host takes nothing at this moment"
			      : "the other host was not reached a short while "
				"ago";
	snprintf(text, sizeof(text), "delivery temporarily suspended: %s", why);
	return text;
}

static void
suspended(struct turn *t)
{
	struct letter *l = t->owner;
	const struct attempt a = { .status = t->busy ? ERR_BUSY : ERR_DOWN,
		.text = why_suspended(t),
		.dsn = t->busy ? "4.3.2" : "4.4.1",
		.relay = "none",
		.held = turns_tag(turns, place_of(l, t->index)),
		.active_us = l->active_us };

	if (t->crowded)
		for (unsigned i = t->index; i != LETTER_NONE; i = l->next[i])
			letter_crowded(l, i);
	else
		all_of(l, t->index, &a, t->busy);
	letter_settle(l);
}

/* ---- one message under way ---- */

/* As many recipients as fit; the others wait for another turn. */
static bool
request(struct lane *lane, struct msg *m)
{
	struct letter *l = lane->turn->owner;
	const struct envelope *e = &l->rec.env;
	unsigned i = lane->turn->index, last = LETTER_NONE;
	enum status st;
	int fd = queue_record_reader(queue, &l->rec, &st);

	if (fd == -1)
		return false;
	relay_put_send(m, lane->nexthop, e->id, e->sender, e->params, fd,
	    e->content_at, e->content_n);
	for (lane->n = 0;
	     i != LETTER_NONE && lane->n < RELAY_RCPT_MAX &&
	     relay_put_rcpt(m, e->rcpt[i].address, e->rcpt[i].params);
	     i = l->next[i]) {
		lane->rcpt[lane->n++] = i;
		last = i;
	}
	if (lane->n == 0)
		return false;
	l->next[last] = LETTER_NONE;
	if (i != LETTER_NONE)
		wait_for_turn(l, i, view_of(lane->nexthop));
	return true;
}

static enum turn_outcome
outcome(const struct relay_answer *a)
{
	if (a == NULL)
		return TURN_RETRY;
	return a->verdict == RELAY_WORKS  ? TURN_DONE
	       : a->verdict == RELAY_BUSY ? TURN_BUSY
					  : TURN_DOWN;
}

/* There is an answer for each recipient. */
static void
answered(struct lane *lane, struct letter *l, const struct relay_answer *a)
{
	static const char lmtp[] = "lmtp:";
	bool by_lmtp = view_casestarts(view_of(lane->nexthop), lmtp);
	uint64_t held = a->verdict == RELAY_WORKS
			    ? 0
			    : turns_tag(turns, view_of(lane->nexthop));

	for (unsigned k = 0; k < lane->n; k++) {
		const struct relay_result *r = &a->rcpt[k];
		const struct attempt x = {
			.status = r->outcome == RELAY_SENT ? OK : ERR_DOWN,
			.failed = r->outcome == RELAY_BOUNCED,
			.text = r->text,
			.dsn = r->dsn,
			.relay = a->remote,
			.lmtp = by_lmtp,
			.reply = r->remote,
			.held = held,
			.dsn_passed_on = (a->bits & RELAY_B_DSN) != 0,
			.active_us = l->active_us,
			.began_us = lane->began_us,
			.opened_us = lane->began_us + a->setup_us
		};
		letter_result(l, lane->rcpt[k], &x, a->verdict == RELAY_BUSY);
	}
}

static void
relayed(struct lane *lane, const struct relay_answer *a, const char *why)
{
	struct turn *t = lane->turn;
	struct letter *l = t->owner;
	const struct attempt none = { .status = ERR_DOWN,
		.text = why,
		.dsn = "4.3.0",
		.relay = "none",
		.active_us = l->active_us,
		.began_us = lane->began_us };

	if (outcome(a) == TURN_DOWN || outcome(a) == TURN_BUSY)
		turns_note(turns, t, a->rcpt[0].text);
	turns_result(turns, t, outcome(a), now_ms());
	if (a != NULL)
		answered(lane, l, a);
	else
		all_of(l, t->index, &none, false);
	letter_settle(l);
}

void
remote_run(void)
{
	struct turn *t;

	while (lanes_room() && (t = turns_pick(turns)) != NULL) {
		struct lane *lane = lane_for(turns_name(t));
		lane->turn = t;
		lane->n = 0;
		lane_start(lane);
	}
	while ((t = turns_suspended(turns)) != NULL)
		suspended(t);
}

/* ---- start, change, end ---- */

void
remote_init(
    struct queue *q, const struct settings *s, int relay, void (*freed)(void))
{
	static struct lane_owner owner;
	struct turns_limits l = turns_limits(s);

	queue = q;
	settings = s;
	owner = (struct lane_owner){ request, relayed, freed };
	turns = turns_new(&l);
	if (turns == NULL)
		fatal("out of memory");
	lanes_init(LANES, relay, &owner);
}

void
remote_settings(const struct settings *s)
{
	struct turns_limits l = turns_limits(s);

	settings = s;
	turns_set_limits(turns, &l);
}

void
remote_relay(int fd)
{
	lanes_intro(fd);
}

void
remote_tick(void)
{
	lanes_tick();
	turns_tick(turns, now_ms());
}

void
remote_end(int64_t ms)
{
	lanes_drain(ms);
}
