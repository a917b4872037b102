#ifndef T_UNIT_QUEUE_DELIVER_H
#define T_UNIT_QUEUE_DELIVER_H
/*
 * The deliver role of queue_role.h's test, which includes this: it does what
 * the recipient's name says.
 *
 *	busyN-x  the first N times: locked by another program
 *	full-x   the append process says: over quota
 *	gone-x   no such user
 *	slow-x   an append takes 200 ms
 *	held-x   an append takes until shared->let_go
 *	lostN-x  the append process dies the first N times
 *	any other is delivered
 */

static unsigned
number_in(const char *name, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(name, prefix, n) == 0 ? (unsigned)name[n] - '0' : 0;
}

static unsigned
count_try(const char *name)
{
	static struct {
		char name[48];
		unsigned n;
	} tries[64];

	for (size_t i = 0; i < NELEM(tries); i++) {
		if (tries[i].name[0] == '\0')
			snprintf(
			    tries[i].name, sizeof(tries[i].name), "%s", name);
		if (strcmp(tries[i].name, name) == 0)
			return ++tries[i].n;
	}
	return 1000;
}

struct append_peer {
	char to[48];
	struct done d;
	uint64_t id;
};

static void
append_done(struct append_peer *a, enum status st)
{
	if (st == OK)
		done_add(&a->d);
}

static void
append_late(void *arg)
{
	struct append_peer *a = arg;
	struct peer *p = service_find(a->id);

	if (strncmp(a->to, "held", 4) == 0 && !shared->let_go) {
		timer_add(10, append_late, a);
		return;
	}
	append_done(a, OK); /* whether the queue lives or not */
	if (p != NULL) {
		msg_start(&tm_msg, 0);
		msg_put_u32(&tm_msg, status_pack(OK));
		msg_put_str(&tm_msg, "");
		peer_answer(p, &tm_msg);
	}
	free(a);
}

static enum answer
test_append(struct peer *p, struct msg *rq, struct msg *rp)
{
	static char content[8 << 20];
	struct append_peer *a = p->state;
	char sender[300], original[300];
	struct view v = { NULL, 0 };

	msg_get_str(rq, a->d.id, sizeof(a->d.id));
	msg_get_str(rq, sender, sizeof(sender));
	msg_get_str(rq, original, sizeof(original));
	if (rq->type == APPEND_FILE) {
		uint64_t at = msg_get_u64(rq);
		v = (struct view){ content, (size_t)msg_get_u64(rq) };
		if (v.n > sizeof(content) ||
		    pread(rq->fd, content, v.n, (off_t)at) != (ssize_t)v.n)
			v.n = 0;
		a->d.from_file = true;
		shared->file_writable |= write(rq->fd, "x", 0) == 0;
	} else {
		v = msg_get_view(rq, MSG_INLINE_MAX);
	}
	snprintf(a->d.to, sizeof(a->d.to), "%s", a->to);
	a->d.length = v.n;
	a->d.sum = sum_of(v.p, v.n);
	if (number_in(a->to, "lost") > 0 &&
	    count_try(a->to) <= number_in(a->to, "lost"))
		return ANSWER_DROP;
	if (strncmp(a->to, "slow", 4) == 0 || strncmp(a->to, "held", 4) == 0) {
		struct append_peer *copy = malloc(sizeof(*copy));
		*copy = *a;
		copy->id = p->id;
		timer_add(200, append_late, copy);
		return ANSWER_LATER;
	}
	enum status st = strncmp(a->to, "full", 4) == 0 ? ERR_QUOTA : OK;
	append_done(a, st);
	msg_put_u32(rp, status_pack(st));
	msg_put_str(rp, st == OK ? "" : "over <quota>\n");
	return ANSWER;
}

static void
append_gone(struct peer *p)
{
	shared->flying--;
	free(p->state);
	p->state = NULL;
}

static const struct request append_requests[] = {
	{ .type = APPEND_INLINE,
	    .max = MSG_DATA_MAX,
	    .answer = test_append,
	    .name = "inline" },
	{ .type = APPEND_FILE,
	    .max = MSG_DATA_MAX,
	    .fd = true,
	    .answer = test_append,
	    .name = "file" },
};
static const struct service append_service = { .name = "queue's append",
	.requests = append_requests,
	.n = 2,
	.first = BIT(APPEND_INLINE) | BIT(APPEND_FILE),
	.gone = append_gone };

static enum answer
test_open(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct append_peer *a = calloc(1, sizeof(*a));
	enum status st = OK;
	int end[2];

	(void)p;
	msg_get_str(rq, a->to, sizeof(a->to));
	shared->opens++;
	if (strncmp(a->to, "gone", 4) == 0)
		st = ERR_GONE;
	else if (strncmp(a->to, "fwd-", 4) == 0)
		st = ERR_FORWARD;
	else if (number_in(a->to, "busy") > 0 &&
		 count_try(a->to) <= number_in(a->to, "busy"))
		st = ERR_BUSY;
	msg_put_u32(rp, status_pack(st));
	msg_put_str(rp, "user");
	msg_put_str(rp, st == OK ? "" : "said the test");
	if (st != OK) {
		free(a);
		return ANSWER;
	}
	channel_pair(end);
	service_add(end[0], &append_service, a);
	if (++shared->flying > shared->most)
		shared->most = shared->flying;
	rp->fd = end[1];
	return ANSWER;
}

#include "t/unit/queue_forward.h"

static void
add_queue(int sock, const struct intro *in)
{
	if (in->kind == INTRO_QUEUE)
		service_add(sock, &open_service, NULL);
	else
		close(sock);
}
#endif
