/*
 * Answers to those who deposit messages.  Runs in: queue.
 *
 *	idle --BEGIN--> open --RCPT ok--> open --COMMIT--> with a publisher
 *	  ^               |  a refusal        |                   |
 *	  `---------------+-------------------+-------------------'
 *
 * A refused request ends the message: the asker begins again or gives up.  What
 * an honest asker never sends is a breach and drops the peer.
 */
#include "spool/deposit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/log.h"
#include "common/role.h"
#include "common/service.h"
#include "spool/ask_queue.h"
#include "spool/deposit_value.h"
#include "spool/destination.h"
#include "spool/draft.h"
#include "spool/handout.h"
#include "spool/owners.h"
#include "spool/publish.h"
#include "spool/relay_right.h"
#include "spool/slot.h"
#include "spool/terminal_relay.h"
#include "spool/terminal_text.h"

enum { CLEAN = 260 };

struct asker {
	char user[64];	/* "": anybody */
	char local[64]; /* who is at the other end of a Unix socket: "uid N of
			 * this host", or "" */
	bool relay;	/* the next message may go to other hosts */
	int spool;	/* -1: none */
	struct draft *draft;
};

static struct queue *queue;
static struct sched *sched;
static const struct settings *settings;

void
deposit_init(struct queue *q, struct sched *s, const struct settings *set)
{
	queue = q;
	sched = s;
	settings = set;
	draft_init(q, s);
}

void
deposit_settings(const struct settings *set)
{
	settings = set;
}

static void
abort_draft(struct asker *a)
{
	draft_free(a->draft, true);
	a->draft = NULL;
}

static enum answer
answer_text(struct msg *rp, enum status st, const char *text)
{
	msg_put_u32(rp, status_pack(st));
	msg_put_str(rp, text);
	return ANSWER;
}

/* A refusal: the message is forgotten. */
static enum answer
refuse(struct asker *a, struct msg *rp, enum status st, const char *text)
{
	abort_draft(a);
	return answer_text(rp, st, text);
}

/* ---- requests ---- */

static enum answer
answer_spool(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct asker *a = p->state;
	enum status st;

	(void)rq;
	close_fd(&a->spool);
	rp->fd = queue_spool(queue, &st);
	if (rp->fd != -1) {
		a->spool = fcntl(rp->fd, F_DUPFD_CLOEXEC, 0);
		if (a->spool == -1) {
			st = status_from_errno(errno);
			close_fd(&rp->fd);
		}
	}
	msg_put_u32(rp, status_pack(st));
	return ANSWER;
}

static enum answer
answer_begin(struct peer *p, struct msg *rq, struct msg *rp)
{
	char id[QUEUE_ID_MAX], sender[ADDR_MAX + 1], client[ENVELOPE_VALUE_MAX],
	    helo[ENVELOPE_VALUE_MAX], protocol[32],
	    params[ENVELOPE_PARAMS_MAX + 1] = "";
	struct asker *a = p->state;
	struct address from;

	msg_get_str(rq, id, sizeof(id));
	msg_get_str(rq, sender, sizeof(sender));
	msg_get_str(rq, client, sizeof(client));
	msg_get_str(rq, helo, sizeof(helo));
	msg_get_str(rq, protocol, sizeof(protocol));
	if (rq->at < rq->len)
		msg_get_str(rq, params, sizeof(params));
	if (!msg_done(rq) || !envelope_id_valid(view_of(id)) ||
	    !envelope_params_valid(view_of(params)))
		return ANSWER_DROP;
	abort_draft(a);
	uint32_t uid = owners_uid(view_of(a->local));
	if (sched_owned(sched, uid) >= (uint64_t)settings->queue_user_max)
		return answer_text(rp, ERR_QUOTA, "too many of this user");
	if (!deposit_address(sender, true, &from))
		return answer_text(rp, ERR_INVALID, "malformed sender address");
	if (sched_find(sched, id) != NULL)
		return answer_text(rp, ERR_INVALID, "queue id is taken");
	struct draft *d = draft_new(id);
	if (d == NULL)
		return answer_text(rp, ERR_NOMEM, "out of memory");
	sched_own(sched, d->msg, uid);
	d->peer = p->id;
	envelope_print_head(&d->out,
	    &(struct envelope){ .id = view_of(id),
		.arrived_us = time_us(),
		.sender = view_of(from.text),
		.client = deposit_harmless(client),
		.helo = deposit_harmless(helo),
		.protocol = deposit_harmless(protocol),
		.user =
		    deposit_harmless(a->user[0] != '\0' ? a->user : a->local),
		.params = view_of(params) });
	a->draft = d;
	if (d->out.bad)
		return refuse(a, rp, ERR_NOMEM, "out of memory");
	return answer_text(rp, OK, "");
}

/* A user, one of this host, or where he is says so. */
static bool
may_relay(const struct asker *a)
{
	return a->user[0] != '\0' || a->local[0] != '\0' || a->relay;
}

/* The queue believes nobody about whose mail it may take. */
static enum status
add_rcpt(struct asker *a, const char *recipient, const char *original,
    const char *params, const char **why)
{
	struct draft *d = a->draft;
	struct address to, first;

	*why = "malformed address";
	if (!deposit_address(recipient, false, &to) ||
	    !deposit_address(original, true, &first))
		return ERR_INVALID;
	*why = "relay access denied";
	if (!may_relay(a) && destination_foreign(settings, view_of(to.text)))
		return ERR_PERM;
	*why = "too many recipients";
	if (d->rcpt_n >= (uint64_t)settings->recipients_max ||
	    d->rcpt_n >= ENVELOPE_RCPT_MAX)
		return ERR_LIMIT;
	*why = "out of memory";
	envelope_print_rcpt_params(
	    &d->out, view_of(to.text), view_of(first.text), view_of(params));
	d->rcpt_n++;
	return d->out.bad ? ERR_NOMEM : OK;
}

static enum answer
take_rcpts(struct peer *p, struct msg *rq, struct msg *rp, bool with_params)
{
	char to[ADDR_MAX + 1], original[ADDR_MAX + 1], clean[CLEAN],
	    text[DELIVER_TEXT_MAX], params[ENVELOPE_PARAMS_MAX + 1] = "";
	struct asker *a = p->state;
	uint32_t n = msg_get_u32(rq);
	enum status st = OK;
	const char *why;

	if (a->draft == NULL || n == 0 || n > QUEUE_RCPT_MAX)
		return ANSWER_DROP;
	while (n-- > 0) {
		msg_get_str(rq, to, sizeof(to));
		msg_get_str(rq, original, sizeof(original));
		if (with_params)
			msg_get_str(rq, params, sizeof(params));
		if (rq->bad || !envelope_params_valid(view_of(params)))
			return ANSWER_DROP;
		st = add_rcpt(a, to, original, params, &why);
		if (st == OK)
			continue;
		snprintf(text, sizeof(text), "%s: <%.150s>", why,
		    log_clean(view_of(to), clean, sizeof(clean)));
		return refuse(a, rp, st, text);
	}
	if (!msg_done(rq))
		return ANSWER_DROP;
	if (a->draft->out.n > DRAFT_KEEP)
		st = draft_write(a->draft);
	if (st != OK)
		return refuse(a, rp, st, status_text(st));
	return answer_text(rp, OK, "");
}

static enum answer
answer_rcpt(struct peer *p, struct msg *rq, struct msg *rp)
{
	return take_rcpts(p, rq, rp, false);
}

static enum answer
answer_rcpt_params(struct peer *p, struct msg *rq, struct msg *rp)
{
	return take_rcpts(p, rq, rp, true);
}

/* The publisher has done what it could. */
static void
published(struct publish_job *job)
{
	struct draft *d = (struct draft *)(void *)job;
	struct peer *p = service_find(d->peer);
	static struct msg rp; /* 64 KiB: not on the stack */
	struct sched_msg *msg = d->msg;
	enum status st = job->pub.status;

	draft_free(d, false);
	/* Nobody was told that it was accepted, so it is not: the client will
	 * send it again. */
	if (st == OK && p == NULL)
		st = queue_remove(queue, msg->id) == OK ? ERR_DOWN : OK;
	if (st == ERR_INVALID)
		log_warn("warning: queue: %s: refused: id taken, or content "
			 "shorter than announced",
		    msg->id);
	else if (st != OK && p != NULL)
		log_error("queue: %s: cannot be written: %s", msg->id,
		    status_text(st));
	if (p != NULL) {
		msg_start(&rp, 0);
		answer_text(&rp, st, st == OK ? "" : status_text(st));
		peer_answer(p, &rp);
	}
	if (st == OK && queue->runner)
		sched_fresh(sched, msg);
	else
		sched_drop(sched, msg);
	if (st == OK && !queue->runner)
		queue_touch(queue);
	handout_run();
}

static enum answer
answer_commit(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct asker *a = p->state;
	struct draft *d = a->draft;
	uint32_t kind = msg_get_u32(rq);
	uint64_t length = msg_get_u64(rq);
	struct view content = msg_get_view(rq, MSG_INLINE_MAX);
	enum status st = OK;

	if (!msg_done(rq) || d == NULL || d->rcpt_n == 0 || kind > 1 ||
	    (kind == 0 && length != content.n) ||
	    (kind == 1 && (content.n != 0 || a->spool == -1)))
		return ANSWER_DROP;
	if (length > (uint64_t)settings->message_size_max + QUEUE_ROOM)
		return refuse(a, rp, ERR_LIMIT, "message too large");
	if (kind == 1) {
		st = draft_content(d, a->spool, length);
		a->spool = -1;
	}
	if (st != OK)
		return refuse(a, rp, st, "the content is not all there");
	envelope_print_end(&d->out, d->rcpt_n, length);
	buf_addv(&d->out, content);
	st = draft_write(d);
	if (st != OK)
		return refuse(a, rp, st, status_text(st));
	close_fd(&d->fd); /* the publisher opens it by itself */
	view_copy(view_of(d->msg->id), d->job.pub.id, sizeof(d->job.pub.id));
	d->job.done = published;
	a->draft = NULL;
	a->relay = false;
	publish_submit(&d->job);
	return ANSWER_LATER;
}

static enum answer
answer_abort(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct asker *a = p->state;

	(void)rq;
	abort_draft(a);
	close_fd(&a->spool);
	a->relay = false;
	msg_put_u32(rp, status_pack(OK));
	return ANSWER;
}

static enum answer
answer_local(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct asker *a = p->state;

	if (!terminal_local_client(rq->fd, a->local, sizeof(a->local)))
		return ANSWER_DROP;
	return answer_text(rp, OK, "");
}

/* For one message, as a worker serves several clients. */
static enum answer
answer_client(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct asker *a = p->state;

	a->relay = relay_right(settings, rq->fd);
	return answer_text(rp, a->relay ? OK : ERR_PERM, "");
}

static enum answer
answer_space(struct peer *p, struct msg *rq, struct msg *rp)
{
	uint64_t size = msg_get_u64(rq);

	(void)p;
	if (!msg_done(rq))
		return ANSWER_DROP;
	return answer_text(rp,
	    queue_space(queue, size, (uint64_t)settings->queue_free_min), "");
}

static enum answer
answer_terminal(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct asker *a = p->state;

	return terminal_relay(
	    p, a->user[0] != '\0' ? a->user : a->local, rq, rp);
}

static void
gone(struct peer *p)
{
	struct asker *a = p->state;

	abort_draft(a);
	close_fd(&a->spool);
	free(a);
	p->state = NULL;
}

/* ---- what may be asked ---- */

#define IDLE                                                                   \
	(BIT(QUEUE_SPOOL) | BIT(QUEUE_BEGIN) | BIT(QUEUE_ABORT) |              \
	    BIT(QUEUE_CLIENT) | BIT(QUEUE_LOCAL) | BIT(QUEUE_SPACE) |          \
	    BIT(QUEUE_TERMINAL))

#define RCPT (BIT(QUEUE_RCPT) | BIT(QUEUE_RCPT_PARAMS))

/* clang-format off */
static const struct request requests[] = {
	{ .type = QUEUE_SPOOL, .max = 0, .then = IDLE,
	  .answer = answer_spool, .name = "spool" },
	{ .type = QUEUE_BEGIN, .min = 20, .max = 2048 + 4 + ENVELOPE_PARAMS_MAX,
	  .then = IDLE | RCPT,
	  .answer = answer_begin, .name = "begin" },
	{ .type = QUEUE_RCPT, .min = 12, .max = MSG_DATA_MAX,
	  .then = IDLE | RCPT | BIT(QUEUE_COMMIT),
	  .answer = answer_rcpt, .name = "rcpt" },
	{ .type = QUEUE_RCPT_PARAMS, .min = 16, .max = MSG_DATA_MAX,
	  .then = IDLE | RCPT | BIT(QUEUE_COMMIT),
	  .answer = answer_rcpt_params, .name = "rcpt with parameters" },
	{ .type = QUEUE_COMMIT, .min = 16, .max = MSG_INLINE_MAX + 16,
	  .then = IDLE,
	  .answer = answer_commit, .name = "commit" },
	{ .type = QUEUE_ABORT, .max = 0, .then = IDLE,
	  .answer = answer_abort, .name = "abort" },
	{ .type = QUEUE_CLIENT, .max = 0, .fd = true, .then = IDLE,
	  .answer = answer_client, .name = "client" },
	{ .type = QUEUE_LOCAL, .max = 0, .fd = true, .then = IDLE,
	  .answer = answer_local, .name = "local" },
	{ .type = QUEUE_TERMINAL, .min = 12, .max = TERMINAL_CONTENT + 600,
	  .then = IDLE,
	  .answer = answer_terminal, .name = "terminal" },
	{ .type = QUEUE_SPACE, .min = 8, .max = 8, .then = IDLE,
	  .answer = answer_space, .name = "space" },
};
/* clang-format on */

static const struct service for_workers = { .name = "worker",
	.requests = requests,
	.n = NELEM(requests),
	.first = IDLE,
	.gone = gone };
static const struct service for_users = { .name = "user",
	.requests = requests,
	.n = NELEM(requests),
	.first = IDLE,
	.gone = gone };

void
deposit_peer(int sock, const char *user)
{
	struct asker *a = calloc(1, sizeof(*a));

	if (a == NULL) {
		close_fd(&sock);
		return;
	}
	a->spool = -1;
	view_copy(view_of(user), a->user, sizeof(a->user));
	if (service_add(sock, user[0] == '\0' ? &for_workers : &for_users, a) ==
	    NULL)
		free(a);
}
