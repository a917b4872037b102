/*
 * The loop of a role that answers on channels.  Runs in: every role but the
 * worker.
 *
 * epoll, level triggered, one request per peer and turn: the kernel hands out
 * ready descriptors in the order in which they became ready and puts a served
 * one to the end, so nobody waits behind a peer that floods.
 */
#define _GNU_SOURCE
#include "common/service.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"

enum { TURN = 64, PEER_BUCKETS = 4096 };

struct watch {
	int fd;
	void (*ready)(void *, uint32_t);
	void *arg;
	bool dead;
	struct watch *prev, *next; /* among those alive, or the dead */
};

struct timer {
	int64_t due;
	void (*call)(void *);
	void *arg;
	struct timer *prev, *next; /* ascending */
};

static int ep = -1;
static struct peer *peers;
static struct peer *buckets[PEER_BUCKETS];   /* by id; chained by hash_next */
static struct watch *watches, *dead_watches; /* the kernel knows the first,
					      * too; a leak checker cannot */
static struct timer *timers, *timers_last;
static bool stopping;
static unsigned owed;
static struct msg rq, rp; /* 128 KiB, so not on the stack */

/* A peer with what only this file needs. */
struct peer_full {
	struct peer peer; /* first */
	struct watch watch;
	struct peer_full *hash_next;
	bool dead;
};

int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void
service_init(void)
{
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep == -1)
		fatal("epoll: %s", strerror(errno));
	peers = NULL;
	memset(buckets, 0, sizeof(buckets));
	timers = timers_last = NULL;
	watches = dead_watches = NULL;
	stopping = false;
	owed = 0;
}

/* ---- watches ---- */

static int
watch_ctl(int op, struct watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	return epoll_ctl(ep, op, w->fd, &ev);
}

struct watch *
watch_add(int fd, uint32_t events, void (*ready)(void *, uint32_t), void *arg)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	*w = (struct watch){ .fd = fd, .ready = ready, .arg = arg };
	if (watch_ctl(EPOLL_CTL_ADD, w, events) == -1) {
		free(w);
		return NULL;
	}
	w->next = watches;
	if (watches != NULL)
		watches->prev = w;
	watches = w;
	return w;
}

void
watch_change(struct watch *w, uint32_t events)
{
	watch_ctl(EPOLL_CTL_MOD, w, events);
}

/* Freed after the turn: events for it may have been fetched already. */
void
watch_del(struct watch *w)
{
	if (w == NULL || w->dead)
		return;
	epoll_ctl(ep, EPOLL_CTL_DEL, w->fd, NULL);
	w->dead = true;
	*(w->prev == NULL ? &watches : &w->prev->next) = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	w->next = dead_watches;
	dead_watches = w;
}

/* ---- timers: a sorted list, searched from its end, as most are alike ---- */

struct timer *
timer_add(int64_t ms, void (*due)(void *), void *arg)
{
	struct timer *t = calloc(1, sizeof(*t));
	struct timer *before = timers_last;

	if (t == NULL)
		fatal("out of memory");
	*t = (struct timer){ .due = now_ms() + ms, .call = due, .arg = arg };
	while (before != NULL && before->due > t->due)
		before = before->prev;
	t->prev = before;
	t->next = before == NULL ? timers : before->next;
	*(t->prev == NULL ? &timers : &t->prev->next) = t;
	*(t->next == NULL ? &timers_last : &t->next->prev) = t;
	return t;
}

static void
timer_unlink(struct timer *t)
{
	*(t->prev == NULL ? &timers : &t->prev->next) = t->next;
	*(t->next == NULL ? &timers_last : &t->next->prev) = t->prev;
}

void
timer_del(struct timer *t)
{
	if (t == NULL)
		return;
	timer_unlink(t);
	free(t);
}

static void
timers_run(void)
{
	int64_t now = now_ms();

	while (timers != NULL && timers->due <= now) {
		struct timer *t = timers;
		timer_unlink(t);
		t->call(t->arg);
		free(t);
	}
}

/* ---- peers ---- */

static struct peer_full *
full(struct peer *p)
{
	return (struct peer_full *)(void *)p;
}

static void peer_ready(void *arg, uint32_t events);

struct peer *
service_add(int sock, const struct service *service, void *state)
{
	static uint64_t last_id;
	struct peer_full *f = calloc(1, sizeof(*f));

	if (f == NULL)
		goto bad;
	f->peer = (struct peer){ .sock = sock,
		.service = service,
		.permitted = service->first,
		.state = state,
		.id = ++last_id };
	f->watch = (struct watch){ .fd = sock, .ready = peer_ready, .arg = f };
	if (watch_ctl(EPOLL_CTL_ADD, &f->watch, EPOLLIN) == -1)
		goto bad;
	f->peer.next = peers;
	if (peers != NULL)
		peers->prev = &f->peer;
	peers = &f->peer;
	struct peer **b = &buckets[f->peer.id % PEER_BUCKETS];
	f->hash_next = *b == NULL ? NULL : full(*b);
	*b = &f->peer;
	return &f->peer;
bad:
	close(sock);
	free(f);
	return NULL;
}

struct peer *
service_find(uint64_t id)
{
	struct peer *p = buckets[id % PEER_BUCKETS];

	while (p != NULL && p->id != id)
		p = full(p)->hash_next == NULL ? NULL
					       : &full(p)->hash_next->peer;
	return p;
}

unsigned
service_count(const struct service *s)
{
	unsigned n = 0;

	for (struct peer *p = peers; p != NULL; p = p->next)
		n += p->service == s;
	return n;
}

static void
bucket_remove(struct peer_full *f)
{
	struct peer **b = &buckets[f->peer.id % PEER_BUCKETS];

	if (*b == &f->peer) {
		*b = f->hash_next == NULL ? NULL : &f->hash_next->peer;
		return;
	}
	struct peer_full *x = full(*b);
	while (x->hash_next != f)
		x = x->hash_next;
	x->hash_next = f->hash_next;
}

static struct peer_full *dead_peers;

void
peer_drop(struct peer *p)
{
	struct peer_full *f = full(p);

	if (f->dead)
		return;
	f->dead = true;
	if (p->service->gone != NULL)
		p->service->gone(p);
	if (p->owes)
		owed--;
	if (p->prev != NULL)
		p->prev->next = p->next;
	else
		peers = p->next;
	if (p->next != NULL)
		p->next->prev = p->prev;
	bucket_remove(f);
	epoll_ctl(ep, EPOLL_CTL_DEL, p->sock, NULL);
	close_fd(&p->sock);
	f->hash_next = dead_peers;
	dead_peers = f;
}

static const struct request *
request_find(const struct service *s, uint32_t type)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->requests[i].type == type)
			return &s->requests[i];
	return NULL;
}

/* An answer that does not fit into the socket was not read in time by a peer
 * that asked for it: with one request in flight that is a breach. */
static void
send_answer(struct peer *p, struct msg *m)
{
	int rc = msg_send(p->sock, m);

	close_fd(&m->fd);
	explicit_bzero(m->data, m->len);
	if (rc == -1)
		peer_drop(p);
}

void
peer_answer(struct peer *p, struct msg *m)
{
	assert(p->owes);
	p->owes = false;
	owed--;
	m->type = p->asked;
	watch_ctl(EPOLL_CTL_MOD, &full(p)->watch, EPOLLIN);
	send_answer(p, m);
}

static void
breach(struct peer *p, const char *what, uint32_t type)
{
	log_warn("warning: %s broke the protocol (%s, request %u): dropped",
	    p->service->name, what, (unsigned)type);
	peer_drop(p);
}

static void
dispatch(struct peer *p)
{
	const struct request *r = request_find(p->service, rq.type);

	if (r == NULL || r->type > 31)
		return breach(p, "unknown", rq.type);
	if ((p->permitted & BIT(r->type)) == 0)
		return breach(p, "out of order", rq.type);
	if (rq.len < r->min || rq.len > r->max)
		return breach(p, "wrong size", rq.type);
	if ((rq.fd != -1) != r->fd)
		return breach(p, "descriptor", rq.type);
	p->permitted = r->then;
	p->asked = r->type;
	msg_start(&rp, r->type);
	uint64_t id = p->id;
	switch (r->answer(p, &rq, &rp)) {
	case ANSWER:
		if (service_find(id) != NULL)
			send_answer(p, &rp);
		break;
	case ANSWER_NONE:
		break;
	case ANSWER_LATER:
		p->owes = true;
		owed++;
		watch_ctl(EPOLL_CTL_MOD, &full(p)->watch, EPOLLIN | EPOLLRDHUP);
		break;
	case ANSWER_DROP:
		if (service_find(id) != NULL)
			breach(p, "malformed", r->type);
		break;
	}
	close_fd(&rp.fd);
}

static void
peer_ready(void *arg, uint32_t events)
{
	struct peer_full *f = arg;
	struct peer *p = &f->peer;

	if (f->dead)
		return;
	if (p->owes) {
		/* Its end, or a request before the answer.  That is not left
		 * in the socket: descriptors in it count against all processes
		 * of its user. */
		if (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP))
			peer_drop(p);
		else
			breach(p, "did not wait for the answer", p->asked);
		return;
	}
	switch (msg_recv(p->sock, &rq)) {
	case 1:
		dispatch(p);
		msg_wipe(&rq);
		break;
	case 0:
		peer_drop(p);
		break;
	default:
		if (errno == EBADMSG)
			breach(p, "not a message", 0);
		else if (errno != EAGAIN)
			peer_drop(p);
		break;
	}
}

/* ---- the loop ---- */

static void
bury(void)
{
	while (dead_watches != NULL) {
		struct watch *w = dead_watches;
		dead_watches = w->next;
		free(w);
	}
	while (dead_peers != NULL) {
		struct peer_full *f = dead_peers;
		dead_peers = f->hash_next;
		free(f);
	}
}

void
service_stop(void)
{
	stopping = true;
}

void
service_run(void)
{
	struct epoll_event ev[TURN];

	while (!stopping || owed > 0) {
		int64_t wait = -1;
		if (timers != NULL) {
			wait = timers->due - now_ms();
			if (wait < 0)
				wait = 0;
			if (wait > 3600000)
				wait = 3600000;
		}
		log_flush();
		int n = epoll_wait(ep, ev, TURN, (int)wait);
		if (n == -1 && errno != EINTR)
			fatal("epoll_wait: %s", strerror(errno));
		for (int i = 0; i < n; i++) {
			struct watch *w = ev[i].data.ptr;
			if (!w->dead)
				w->ready(w->arg, ev[i].events);
		}
		timers_run();
		bury();
	}
}
