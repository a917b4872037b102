/* Recipients who lead elsewhere.  Runs in: queue. */
#include "spool/expand_step.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/msg.h"
#include "spool/dsn.h"
#include "spool/expansion.h"
#include "spool/own_record.h"

/* A record on its way to the disk. */
struct step {
	struct letter *letter;
	unsigned rcpt;
	bool reports;
	int64_t active_us, began_us, opened_us;
};

static struct queue *queue;

void
expand_step_init(struct queue *q)
{
	queue = q;
}

static void
result(const struct step *s, struct attempt a)
{
	a.active_us = s->active_us;
	a.began_us = s->began_us;
	a.opened_us = s->opened_us;
	letter_result(s->letter, s->rcpt, &a, false);
	letter_settle(s->letter);
}

static void
published(void *arg, const char *id, enum status st)
{
	struct step *s = arg;
	char text[64];

	snprintf(text, sizeof(text), "forwarded as %s", id);
	if (st == OK)
		result(s, (struct attempt){ .status = OK,
			      .dsn = "2.0.0",
			      .text = text,
			      .expanded = true,
			      .dsn_passed_on = s->reports });
	else
		result(
		    s, (struct attempt){ .status = st,
			   .text = "what follows from it cannot be written" });
	free(s);
}

/* ---- loops ---- */

/* OK, or ERR_LIMIT: the message has been there. */
static enum status
check_loop(const struct letter *l, const char *user, const char *delivered_to)
{
	static char head[DSN_HEADER_MAX];
	const struct envelope *e = &l->rec.env;
	size_t n =
	    e->content_n < sizeof(head) ? (size_t)e->content_n : sizeof(head);
	unsigned users = e->trail.n > 0;

	for (size_t i = 0; i < e->trail.n; i++)
		users += e->trail.p[i] == ' ';
	if (user != NULL && (users >= ENVELOPE_TRAIL_MAX ||
				envelope_in_trail(e->trail, view_of(user))))
		return ERR_LIMIT;
	enum status st = queue_record_read(&l->rec, head, n);
	if (st == OK && expansion_loop((struct view){ head, n }, delivered_to))
		st = ERR_LIMIT;
	return st;
}

/* ---- the new record ---- */

static enum status
publish(struct step *s, struct expansion *x)
{
	char id[QUEUE_ID_MAX];
	struct letter *l = s->letter;
	struct buf head;
	enum status st = OK;
	int fd = -1;

	own_record_id(id);
	x->id = id;
	x->of = &l->rec.env;
	x->rcpt = s->rcpt;
	s->reports = expansion_reports(x);
	buf_init(&head, ENVELOPE_MAX + ADDR_MAX + 32);
	if (!expansion_print(&head, x))
		st = ERR_NOMEM;
	if (st == OK)
		fd = queue_record_reader(queue, &l->rec, &st);
	if (st == OK && (fd = fcntl(fd, F_DUPFD_CLOEXEC, 3)) == -1)
		st = status_from_errno(errno);
	if (st == OK)
		st = own_record_publish_from(id, buf_view(&head), fd,
		    l->rec.env.content_at, l->rec.env.content_n, published, s);
	buf_free(&head);
	return st;
}

static void
go_on(struct letter *l, unsigned i, struct expansion *x,
    const struct attempt *began)
{
	struct step *s = calloc(1, sizeof(*s));
	const struct step now = { .letter = l,
		.rcpt = i,
		.active_us = began->active_us,
		.began_us = began->began_us,
		.opened_us = began->opened_us };
	enum status st = ERR_NOMEM;

	if (s != NULL) {
		*s = now;
		st = check_loop(l, x->user, x->delivered_to);
	}
	if (st == OK)
		st = publish(s, x);
	if (st == OK)
		return;
	free(s);
	if (st == ERR_LIMIT)
		result(&now, (struct attempt){ .status = ERR_INVALID,
				 .failed = true,
				 .dsn = "5.4.6",
				 .text = "mail forwarding loop" });
	else
		result(&now, (struct attempt){ .status = st, .text = "" });
}

void
expand_forwarding(struct letter *l, unsigned i, struct forwarding *f,
    const struct attempt *began)
{
	struct expansion x = { .user = f->user,
		.delivered_to = f->delivered_to,
		.target = f->target,
		.n = f->n };

	go_on(l, i, &x, began);
}

void
expand_members(struct letter *l, unsigned i, const struct alias_list *a,
    const struct attempt *began)
{
	struct expansion x = { .alias_user = a->alias_user,
		.delivered_to = a->delivered_to,
		.sender = a->owner[0] == '\0' ? NULL : a->owner,
		.target = a->target,
		.n = a->n };

	go_on(l, i, &x, began);
}
