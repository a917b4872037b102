/*
 * Publishers and how the queue hands records to them.  Runs in: queue (the
 * first half in its publisher processes).
 */
#define _GNU_SOURCE
#include "spool/publish.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/service.h"

static struct msg m; /* 64 KiB: not on the stack */

/* ---- in the publisher ---- */

static bool
wait_for(int sock, short events)
{
	struct pollfd p = { .fd = sock, .events = events };

	while (poll(&p, 1, -1) == -1)
		if (errno != EINTR)
			return false;
	return true;
}

/* Takes what waits, at most QUEUE_PUBLISH_MAX.  Returns the number, 0 at the
 * queue's end. */
static unsigned
take(int sock, struct publication *p, uint64_t *ticket)
{
	unsigned n = 0;

	while (n < QUEUE_PUBLISH_MAX) {
		int rc = msg_recv(sock, &m);
		if (rc == -1 && errno == EAGAIN && n > 0)
			return n;
		if (rc == -1 && errno == EAGAIN && wait_for(sock, POLLIN))
			continue;
		if (rc != 1)
			return 0;
		ticket[n] = msg_get_u64(&m);
		msg_get_str(&m, p[n].id, sizeof(p[n].id));
		p[n].offset = msg_get_u64(&m);
		p[n].length = msg_get_u64(&m);
		p[n].content = m.fd;
		if (!msg_done(&m) || m.type != PUBLISH)
			return 0;
		n++;
	}
	return n;
}

static noreturn void
publisher(struct queue *q, int sock)
{
	static struct publication p[QUEUE_PUBLISH_MAX];
	uint64_t ticket[QUEUE_PUBLISH_MAX];
	unsigned n;

	while ((n = take(sock, p, ticket)) > 0) {
		queue_publish(q, p, n);
		for (unsigned i = 0; i < n; i++) {
			msg_start(&m, PUBLISH);
			msg_put_u64(&m, ticket[i]);
			msg_put_u32(&m, status_pack(p[i].status));
			while (msg_send(sock, &m) == -1)
				if (errno != EAGAIN || !wait_for(sock, POLLOUT))
					_exit(0);
		}
		log_flush();
	}
	_exit(0);
}

/* ---- in the remover ---- */

static void
remove_record(struct queue *q)
{
	char id[ENVELOPE_ID_MAX + 1];

	msg_get_str(&m, id, sizeof(id));
	enum status st = queue_remove(q, id);
	if (st != OK && st != ERR_GONE)
		log_error("queue: %s: all recipients are done, but the record "
			  "cannot be removed (%s)",
		    id, status_text(st));
}

static noreturn void
remover(struct queue *q, int sock)
{
	int rc = 1;

	while (rc == 1) {
		rc = msg_recv(sock, &m);
		if (rc == 1 && m.type == REMOVE)
			remove_record(q);
		else if (rc == 1) /* SYNC: all before it is done */
			rc = msg_send(sock, &m) == 0 ? 1 : -1;
		else if (rc == -1 && errno == EAGAIN && wait_for(sock, POLLIN))
			rc = 1;
	}
	_exit(0);
}

/* ---- in the queue ---- */

struct jobs {
	struct publish_job *first, *last;
};

static struct publisher {
	int sock;
	unsigned n; /* jobs with it */
	struct jobs jobs;
	struct watch *watch;
} publishers[PUBLISHERS_MAX];
static unsigned publishers_n;
static int remover_sock = -1;
static struct queue *queue;
static struct jobs backlog;
static struct timer *again;
static uint64_t last_ticket;

enum { AGAIN = 20 }; /* ms */

static void
jobs_put(struct jobs *q, struct publish_job *j)
{
	j->next = NULL;
	*(q->first == NULL ? &q->first : &q->last->next) = j;
	q->last = j;
}

static struct publish_job *
jobs_take(struct jobs *q)
{
	struct publish_job *j = q->first;

	if (j != NULL)
		q->first = j->next;
	return j;
}

/* A process of its own that serves on the other end of *sock. */
static bool
fork_one(void (*serve)(struct queue *, int), void (*enter)(void *), void *arg,
    int *sock)
{
	int end[2];

	if (channel_pair(end) == -1)
		return false;
	log_flush();
	pid_t pid = fork();
	if (pid == 0) {
		close(end[0]);
		for (unsigned i = 0; i < publishers_n; i++)
			close(publishers[i].sock);
		enter(arg);
		serve(queue, end[1]);
		_exit(0);
	}
	close(end[1]);
	*sock = end[0];
	if (pid == -1)
		close_fd(sock);
	return pid != -1;
}

bool
publishers_fork(struct queue *q, unsigned n, void (*enter)(void *), void *arg)
{
	bool good = true;

	queue = q;
	for (publishers_n = 0; good && publishers_n < n;) {
		struct publisher *p = &publishers[publishers_n];
		*p = (struct publisher){ .sock = -1 };
		good = fork_one(publisher, enter, arg, &p->sock);
		publishers_n += good;
	}
	return good && fork_one(remover, enter, arg, &remover_sock);
}

static void drain(void *arg);

/* To the one with the fewest; false: all are full. */
static bool
hand_over(struct publish_job *j)
{
	struct publisher *p = &publishers[0];

	for (unsigned i = 1; i < publishers_n; i++)
		if (publishers[i].n < p->n)
			p = &publishers[i];
	if (p->n >= QUEUE_PUBLISH_MAX)
		return false;
	j->ticket = ++last_ticket;
	msg_start(&m, PUBLISH);
	msg_put_u64(&m, j->ticket);
	msg_put_str(&m, j->pub.id);
	msg_put_u64(&m, j->pub.offset);
	msg_put_u64(&m, j->pub.length);
	m.fd = j->pub.content;
	if (msg_send(p->sock, &m) == -1) {
		/* Full, or too many descriptors are on their way. */
		if (errno != EAGAIN && errno != ETOOMANYREFS)
			fatal("publisher: %s", strerror(errno));
		if (again == NULL)
			again = timer_add(AGAIN, drain, NULL);
		return false;
	}
	close_fd(&j->pub.content);
	jobs_put(&p->jobs, j);
	p->n++;
	return true;
}

static void
drain_backlog(void)
{
	while (backlog.first != NULL) {
		struct publish_job *next = backlog.first->next;
		if (!hand_over(backlog.first))
			return;
		backlog.first = next;
	}
}

static void
drain(void *arg)
{
	(void)arg;
	again = NULL;
	drain_backlog();
}

void
publish_submit(struct publish_job *j)
{
	if (backlog.first != NULL || !hand_over(j))
		jobs_put(&backlog, j);
}

static void
answered(struct publisher *p)
{
	uint64_t ticket = msg_get_u64(&m);
	enum status st = status_unpack(msg_get_u32(&m));
	struct publish_job *j = jobs_take(&p->jobs);

	if (j == NULL || !msg_done(&m) || j->ticket != ticket) {
		fatal("a publisher answered nonsense");
		return;
	}
	p->n--;
	j->pub.status = st;
	j->done(j);
	drain_backlog();
}

static void
publisher_ready(void *arg, uint32_t events)
{
	struct publisher *p = arg;
	int rc;

	(void)events;
	while ((rc = msg_recv(p->sock, &m)) == 1)
		answered(p);
	/* What it was doing is known when the queue starts again. */
	if (rc == 0 || errno != EAGAIN)
		fatal("a publisher has gone");
}

void
publishers_watch(void)
{
	for (unsigned i = 0; i < publishers_n; i++) {
		struct publisher *p = &publishers[i];
		p->watch = watch_add(p->sock, EPOLLIN, publisher_ready, p);
		if (p->watch == NULL)
			fatal("publisher: %s", strerror(errno));
	}
}

void
publish_remove(const char *id)
{
	msg_start(&m, REMOVE);
	msg_put_str(&m, id);
	if (msg_send(remover_sock, &m) == -1) /* it has a lot to do: help */
		remove_record(queue);
}

void
publishers_end(int ms)
{
	for (unsigned i = 0; i < publishers_n; i++) {
		watch_del(publishers[i].watch);
		close_fd(&publishers[i].sock);
	}
	timer_del(again);
	again = NULL;
	publishers_n = 0;
	msg_start(&m, SYNC);
	if (!msg_call(remover_sock, &m, ms))
		log_warn("warning: queue: done records were not removed in "
			 "time; the next start does it");
	close_fd(&remover_sock);
}
