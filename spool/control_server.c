/*
 * The queue's socket for people.  Runs in: queue.
 *
 * Nobody here can keep the queue from its work: answers are made in small
 * pieces, and only while the asker reads; there are few askers at a time, of
 * each user but a part of them; who says or reads nothing for a while is cut
 * off.
 */
#define _GNU_SOURCE
#include "spool/control_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/service.h"
#include "spool/control.h"
#include "spool/handout.h"
#include "spool/reasons.h"
#include "spool/slot.h"

enum {
	ASKERS = 32,
	ASKERS_EACH = 8, /* of one user who is not root */
	PATIENCE = 60000 /* ms */
};

struct asker {
	int sock; /* -1: free */
	uid_t uid;
	struct watch *watch;
	int64_t moved; /* now_ms() when it last said or read something */
	bool asked, ended;
	size_t question_n;
	char question[CONTROL_LINE_MAX];
	struct buf out;
	size_t sent;
	struct control_walk walk;
};

static struct queue *queue;
static struct sched **schedule; /* there is one when somebody comes */
static struct asker *askers;	/* ASKERS of them; NULL: none ever came */
static uid_t own_uid;
static int listener = -1;
static struct watch *listening;

/* ---- what may be done ---- */

static const char *
retry(struct sched_msg *m)
{
	if (m->state == SCHED_WAITING)
		sched_move(*schedule, m, now_ms());
	return NULL;
}

/* The record has gone, or been put aside: so has the message, or it is
 * forgotten when its turn comes. */
static void
forget(struct sched_msg *m)
{
	if (m->state == SCHED_WAITING)
		sched_drop(*schedule, m);
	else
		m->gone = true;
}

static const char *
release(const char *id)
{
	struct sched_msg *m = sched_find(*schedule, id);

	if (m != NULL && !m->gone)
		return "there is another message of that id";
	if (m == NULL && (m = sched_reserve(*schedule, id)) == NULL)
		return "out of memory";
	enum status st = queue_release(queue, id);
	if (!m->gone && st == OK)
		sched_wait(*schedule, m, now_ms());
	else if (!m->gone)
		sched_drop(*schedule, m);
	else if (st == OK)
		m->gone = false;
	return st == OK ? NULL : status_text(st);
}

/* What somebody else has under way at this moment cannot be taken back; it is
 * done with the message when the attempt is over (letter.c). */
static const char *
act_later(enum control_verb verb, struct sched_msg *m)
{
	if (verb == CONTROL_HOLD)
		m->hold = true;
	else
		m->cancel = true;
	log_info("%s: %s when this attempt is over", m->id,
	    verb == CONTROL_HOLD ? "will be placed on hold"
				 : "will be removed by root");
	return NULL;
}

static const char *
release_active(struct sched_msg *m)
{
	if (m == NULL || !m->hold)
		return "it is not on hold";
	m->hold = false;
	return NULL;
}

static const char *
act(enum control_verb verb, const char *id, bool held)
{
	struct sched_msg *m = sched_find(*schedule, id);
	enum status st;

	if (verb == CONTROL_RELEASE)
		return held ? release(id) : release_active(m);
	if (held && verb != CONTROL_DELETE)
		return "it is on hold";
	if (!held && m == NULL)
		return "it has just come, or has been done";
	if (verb == CONTROL_RETRY)
		return retry(m);
	if (!held && m->state == SCHED_RESERVED)
		return "it is just being taken";
	if (!held && m->state == SCHED_ACTIVE)
		return act_later(verb, m);
	if (held)
		st = queue_remove_held(queue, id);
	else if (verb == CONTROL_HOLD)
		st = queue_hold(queue, id);
	else
		st = queue_remove(queue, id);
	if (st != OK)
		return status_text(st);
	if (!held)
		forget(m);
	log_info("%s: %s", id,
	    verb == CONTROL_HOLD ? "placed on hold" : "removed by root");
	return NULL;
}

static const char *
state(const char *id, int64_t *next)
{
	struct sched_msg *m = sched_find(*schedule, id);

	*next = 0;
	if (m != NULL && m->state == SCHED_ACTIVE)
		return "active";
	if (m != NULL && m->state == SCHED_WAITING)
		*next = (time_us() / 1000 + m->due - now_ms()) / 1000;
	return "queued";
}

/* What was down is tried again when somebody says so. */
static void
began(const struct control_query *q)
{
	if (q->verb == CONTROL_RETRY)
		handout_flush();
}

/* ---- one asker ---- */

static void
drop(struct asker *a)
{
	if (a->sock == -1)
		return;
	control_end(&a->walk);
	watch_del(a->watch);
	a->watch = NULL;
	close_fd(&a->sock);
	buf_free(&a->out);
}

static struct control_host host = {
	.act = act, .state = state, .reason = reasons_find, .began = began
};

/* False: there is no more to come from it, or it breaks the rules. */
static bool
listen_to(struct asker *a)
{
	ssize_t n = recv(a->sock, a->question + a->question_n,
	    sizeof(a->question) - a->question_n, MSG_DONTWAIT);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	a->moved = now_ms();
	a->question_n += (size_t)n;
	const char *lf = memchr(a->question, '\n', a->question_n);
	if (lf == NULL)
		return a->question_n < sizeof(a->question);
	a->asked = true;
	control_begin(&a->walk, &host,
	    (struct view){ a->question, (size_t)(lf - a->question) }, a->uid,
	    a->uid == 0 || a->uid == own_uid);
	watch_change(a->watch, EPOLLOUT);
	return true;
}

/* Makes a piece of the answer when the last one has left. */
static bool
answer(struct asker *a)
{
	if (a->out.n == a->sent) {
		if (a->ended)
			return false;
		buf_clear(&a->out);
		a->sent = 0;
		a->ended = !control_more(&a->walk, &a->out);
		if (a->out.bad)
			return false;
	}
	ssize_t n = a->out.n == a->sent
			? 0
			: send(a->sock, a->out.p + a->sent, a->out.n - a->sent,
			      MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR;
	a->sent += (size_t)n;
	a->moved = now_ms();
	return true;
}

static void
asker_ready(void *arg, uint32_t events)
{
	struct asker *a = arg;
	bool acts = a->asked && a->walk.query.verb >= CONTROL_RETRY;

	(void)events;
	if (!(a->asked ? answer(a) : listen_to(a)))
		drop(a);
	if (acts)
		handout_run();
}

static struct asker *
free_asker(uid_t uid)
{
	struct asker *found = NULL;
	unsigned same = 0;

	for (int i = 0; i < ASKERS; i++)
		if (askers[i].sock == -1)
			found = &askers[i];
		else
			same += askers[i].uid == uid;
	return uid != 0 && same >= ASKERS_EACH ? NULL : found;
}

static bool
make_askers(void)
{
	if (askers != NULL)
		return true;
	askers = calloc(ASKERS, sizeof(*askers));
	for (int i = 0; askers != NULL && i < ASKERS; i++)
		askers[i].sock = -1;
	return askers != NULL;
}

static void
somebody_came(void *arg, uint32_t events)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);
	struct asker *a = NULL;

	(void)arg;
	(void)events;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd == -1)
		return;
	if (make_askers() &&
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0)
		a = free_asker(cred.uid);
	if (a == NULL) {
		close_fd(&fd); /* the client says that it is busy here */
		return;
	}
	memset(a, 0, offsetof(struct asker, question));
	a->sent = 0;
	a->sock = fd;
	a->uid = cred.uid;
	a->moved = now_ms();
	a->walk = (struct control_walk){ .ended = true };
	buf_init(&a->out, ENVELOPE_MAX + 2 * CONTROL_PIECE);
	a->watch = watch_add(fd, EPOLLIN, asker_ready, a);
	if (a->watch == NULL)
		drop(a);
}

/* ---- the socket ---- */

void
control_init(struct queue *q, struct sched **s)
{
	queue = host.queue = q;
	own_uid = geteuid();
	schedule = s;
}

/* Two queues may share a socket for a moment; only one knows what is due. */
static void
listen_if_runner(void)
{
	if (listener != -1 && queue->runner && listening == NULL)
		listening = watch_add(listener, EPOLLIN, somebody_came, NULL);
}

void
control_listen(int fd)
{
	watch_del(listening);
	listening = NULL;
	close_fd(&listener);
	listener = fd;
	listen_if_runner();
}

void
control_tick(void)
{
	listen_if_runner();
	for (int i = 0; askers != NULL && i < ASKERS; i++)
		if (now_ms() - askers[i].moved > PATIENCE)
			drop(&askers[i]);
}

void
control_close(void)
{
	control_listen(-1);
	for (int i = 0; askers != NULL && i < ASKERS; i++)
		drop(&askers[i]);
	free(askers);
	askers = NULL;
}
