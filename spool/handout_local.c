/* Handing out to the mailboxes of this host.  Runs in: queue. */
#include "spool/handout_local.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/service.h"
#include "spool/expand_step.h"
#include "spool/handout.h"
#include "spool/handout_log.h"
#include "spool/slot.h"

enum {
	SLOTS = 200,   /* the most that queue_deliveries may say */
	WAITING = 32,  /* deliveries in memory that wait for one mailbox */
	INLINE = 16384 /* content up to here is sent, larger is passed as a
			* descriptor */
};

static struct queue *queue;
static struct turns *turns;

static struct turns_limits
turns_limits(const struct settings *s)
{
	unsigned n = (unsigned)s->queue_deliveries;

	n = n < SLOTS ? n : SLOTS;
	return (struct turns_limits){
		.in_flight = n,
		/* A slow mailbox leaves three quarters to the others. */
		.per_dest = n < 4 ? 1 : n / 4,
		.waiting_dest = WAITING,
		.pause = s->retry_min,
		.seed = handout_seed(),
	};
}

static const char *
first_domain(const struct settings *s)
{
	return s->local_domain_n > 0 ? s->local_domains[0] : s->hostname;
}

/* ---- turns ---- */

/* All commands and files of one user are one: however many somebody has, and
 * however long they take, the others have their share. */
static struct view
destination(const struct envelope_rcpt *c)
{
	static char name[USER_NAME_MAX + 2];

	if (c->as.n == 0)
		return c->address;
	int n = snprintf(name, sizeof(name), "%.*s |", (int)c->as.n, c->as.p);
	return (struct view){ name, n > 0 ? strnlen(name, sizeof(name)) : 0 };
}

void
local_add(struct letter *l, unsigned i)
{
	static const struct attempt no_memory = { .status = ERR_NOMEM,
		.text = "" };
	struct turn *t = &l->turn[i];

	*t = (struct turn){ .owner = l, .index = i, .called = l->msg->called };
	if (!turns_add(turns, t, destination(&l->rec.env.rcpt[i]), now_ms()))
		letter_result(l, i, &no_memory, false);
}

bool
local_park(struct letter *l, unsigned i)
{
	return turns_park(
	    turns, l->msg, destination(&l->rec.env.rcpt[i]), now_ms());
}

struct turns *
local_turns(void)
{
	return turns;
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
	s->kind = e->rcpt[t->index].kind;
	s->source = e->rcpt[t->index].source;
	view_copy(e->rcpt[t->index].as, s->as, sizeof(s->as));
	s->turn = t;
	slot_start(s);
}

static bool
is_target(enum envelope_kind kind)
{
	return kind == KIND_COMMAND || kind == KIND_FILE;
}

/* Just before it is sent, so that one buffer will do for all slots. */
static enum status
content(struct slot *s)
{
	static char octets[INLINE];
	struct letter *l = s->turn->owner;
	enum status st = OK;

	if (s->d.length > INLINE || is_target(s->kind)) {
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
	case ERR_FORWARD:
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
		.failed = s->failed,
		.dsn = s->dsn[0] == '\0' ? NULL : s->dsn,
		.active_us = l->active_us,
		.began_us = s->began_us,
		.opened_us = s->opened_us };

	/* What a command says is said of one message. */
	turns_result(turns, s->turn,
	    a.status != OK && a.dsn != NULL ? TURN_RETRY : outcome(a.status),
	    now_ms());
	if (a.status == ERR_FORWARD) {
		expand_forwarding(l, i, &s->forwarding, &a);
		return;
	}
	letter_result(l, i, &a, a.status == ERR_BUSY);
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

	if (t->crowded)
		letter_crowded(l, t->index);
	else
		letter_result(l, t->index, &a, t->busy);
	letter_settle(l);
}

/* ---- the loop ---- */

void
local_run(void)
{
	struct slot *s;
	struct turn *t;

	while ((s = slot_free_one()) != NULL && (t = turns_pick(turns)) != NULL)
		begin(s, t);
	while ((t = turns_suspended(turns)) != NULL)
		suspended(t);
}

/* ---- start, change, end ---- */

void
local_init(
    struct queue *q, const struct settings *s, int deliver, void (*freed)(void))
{
	static struct slot_owner owner;
	struct turns_limits l = turns_limits(s);

	queue = q;
	handout_log_domain(first_domain(s));
	expand_step_init(q);
	owner = (struct slot_owner){ content, delivered, freed };
	turns = turns_new(&l);
	if (turns == NULL)
		fatal("out of memory");
	slots_init(SLOTS, deliver, &owner);
}

void
local_settings(const struct settings *s)
{
	struct turns_limits l = turns_limits(s);

	handout_log_domain(first_domain(s));
	turns_set_limits(turns, &l);
}

void
local_deliver(int fd)
{
	slots_intro(fd);
}

void
local_end(int64_t ms)
{
	slots_drain(ms);
}
