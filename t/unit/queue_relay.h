#ifndef T_UNIT_QUEUE_RELAY_H
#define T_UNIT_QUEUE_RELAY_H
/*
 * The relay role of queue_role.h's test: it does what the destination and the
 * recipient's address say.
 *
 *	dead*	(destination) after a while: not reached
 *	busy*	(destination) takes nothing at this moment
 *	slow*	(destination) takes 200 ms, and as long as relay_shared->hold
 *	lost1*	(destination) the child dies the first time
 *	mute*	(destination) never answers
 *	off*	(destination) not reached while relay_shared->off
 *	no-*	(address) refused for good
 *	later-*	(address) refused, to be tried again
 *	any other is sent
 */
#include "spool/ask_relay.h"

static struct {
	unsigned requests, rcpts, flying, most, dead_flying, dead_most,
	    same_place, dead_ms;
	unsigned dead; /* attempts at dead ones */
	uint32_t last_n;
	char last_params[64], last_rcpt_params[64];
	bool file_writable, content_bad, off, hold;
} * relay_shared;

struct relay_peer {
	char nexthop[NEXTHOP_MAX]; /* of its last message */
	struct relay_request *rq;
	uint64_t id;
	bool dead;
};
static struct relay_request relay_rq;

static bool
goes_to(const struct relay_request *r, const char *what)
{
	const char *name = strchr(r->nexthop, ':');

	return name != NULL && strncmp(name + 1, what, strlen(what)) == 0;
}

static void
relay_fill(struct relay_request *r, struct msg *rp)
{
	struct relay_answer head = {
		.verdict = RELAY_WORKS, .setup_us = 1000, .send_us = 2000
	};
	bool dead =
	    goes_to(r, "dead") || (goes_to(r, "off") && relay_shared->off);
	bool busy = goes_to(r, "busy");

	snprintf(head.remote, sizeof(head.remote), "%s",
	    dead ? "none" : "mx.test[192.0.2.1]:25");
	head.verdict = dead ? RELAY_DOWN : busy ? RELAY_BUSY : RELAY_WORKS;
	for (unsigned i = 0; i < r->n; i++) {
		struct relay_rcpt *c = &r->rcpt[i];
		bool no = strncmp(c->address, "no-", 3) == 0;
		bool later =
		    dead || busy || strncmp(c->address, "later-", 6) == 0;
		c->result =
		    (struct relay_result){ .outcome = no      ? RELAY_BOUNCED
						      : later ? RELAY_DEFERRED
							      : RELAY_SENT,
			    .remote = !dead };
		snprintf(c->result.dsn, sizeof(c->result.dsn), "%s",
		    no	    ? "5.1.1"
		    : later ? "4.4.1"
			    : "2.0.0");
		snprintf(c->result.text, sizeof(c->result.text), "%s",
		    no	    ? "550 5.1.1 No"
		    : later ? "connect to it: timed out"
			    : "250 Ok");
		if (no || later || shared->n >= DONE_MAX)
			continue;
		struct done d = { .length = r->length };
		snprintf(d.to, sizeof(d.to), "%s", c->address);
		snprintf(d.id, sizeof(d.id), "%.23s", r->id);
		done_add(&d);
		relay_shared->rcpts++;
	}
	relay_put_answer(rp, &head, r);
}

static void
relay_late(void *arg)
{
	struct relay_peer *a = arg;
	struct peer *p = service_find(a->id);

	if (relay_shared->hold && !a->dead && p != NULL) {
		timer_add(10, relay_late, a);
		return;
	}
	if (p != NULL) {
		msg_start(&tm_msg, 0);
		relay_fill(a->rq, &tm_msg);
		relay_shared->flying--;
		relay_shared->dead_flying -= a->dead;
		peer_answer(p, &tm_msg);
	}
	free(a->rq);
	free(a);
}

static enum answer
test_relay(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct relay_peer *a = p->state;
	static unsigned lost;
	char first[1];

	if (!relay_read(rq, &relay_rq))
		return ANSWER_DROP;
	relay_shared->requests++;
	relay_shared->last_n = relay_rq.n;
	snprintf(relay_shared->last_params, 64, "%.63s", relay_rq.params);
	snprintf(relay_shared->last_rcpt_params, 64, "%.63s",
	    relay_rq.rcpt[0].params);
	relay_shared->file_writable |= write(rq->fd, "x", 0) == 0;
	relay_shared->content_bad |=
	    relay_rq.length > 0 &&
	    (pread(rq->fd, first, 1, (off_t)relay_rq.offset) != 1);
	relay_shared->same_place += strcmp(a->nexthop, relay_rq.nexthop) == 0;
	snprintf(a->nexthop, sizeof(a->nexthop), "%s", relay_rq.nexthop);
	if (goes_to(&relay_rq, "lost1") && lost++ == 0)
		return ANSWER_DROP;
	if (goes_to(&relay_rq, "mute"))
		return ANSWER_LATER;
	bool dead = goes_to(&relay_rq, "dead");
	relay_shared->dead += dead;
	if (!dead && !goes_to(&relay_rq, "slow")) {
		relay_fill(&relay_rq, rp);
		return ANSWER;
	}
	struct relay_peer *copy = calloc(1, sizeof(*copy));
	copy->rq = malloc(sizeof(relay_rq));
	*copy->rq = relay_rq;
	/* Its strings are inside of it. */
	for (unsigned i = 0; i < relay_rq.n; i++) {
		copy->rq->rcpt[i].address =
		    copy->rq->text + (relay_rq.rcpt[i].address - relay_rq.text);
		copy->rq->rcpt[i].params =
		    copy->rq->text + (relay_rq.rcpt[i].params - relay_rq.text);
	}
	copy->id = p->id;
	copy->dead = dead;
	if (++relay_shared->flying > relay_shared->most)
		relay_shared->most = relay_shared->flying;
	relay_shared->dead_flying += dead;
	if (relay_shared->dead_flying > relay_shared->dead_most)
		relay_shared->dead_most = relay_shared->dead_flying;
	timer_add(
	    dead && relay_shared->dead_ms > 0 ? relay_shared->dead_ms : 200,
	    relay_late, copy);
	return ANSWER_LATER;
}

static void
relay_peer_gone(struct peer *p)
{
	free(p->state);
	p->state = NULL;
}

static const struct request relay_requests[] = {
	{ .type = RELAY_SEND,
	    .max = MSG_DATA_MAX,
	    .fd = true,
	    .then = BIT(RELAY_SEND),
	    .answer = test_relay,
	    .name = "send" },
};
static const struct service relay_service = { .name = "queue",
	.requests = relay_requests,
	.n = 1,
	.first = BIT(RELAY_SEND),
	.gone = relay_peer_gone };

static void
add_relay_peer(int sock, const struct intro *in)
{
	if (in->kind == INTRO_QUEUE)
		service_add(
		    sock, &relay_service, calloc(1, sizeof(struct relay_peer)));
	else
		close(sock);
}
#endif
