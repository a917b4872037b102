/* The queue's channels to the relay's children.  Runs in: queue. */
#include "spool/lane.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "common/log.h"
#include "common/role.h"
#include "common/service.h"
#include "spool/slot.h"

enum { IDLE_MS = 60000 }; /* then its child may go */

static struct lane *lanes;
static unsigned lanes_n, busy_n;
static int intro_sock = -1;
static const struct lane_owner *owner;
static struct msg m; /* 64 KiB: not on the stack; so is the answer */
static struct relay_answer answer;

void
lanes_init(unsigned n, int intro, const struct lane_owner *o)
{
	lanes = calloc(n, sizeof(*lanes));
	if (lanes == NULL)
		fatal("out of memory for %u relays at once", n);
	for (unsigned i = 0; i < n; i++)
		lanes[i].sock = -1;
	lanes_n = n;
	busy_n = 0;
	intro_sock = intro;
	owner = o;
}

static void
lane_close(struct lane *l)
{
	watch_del(l->watch);
	l->watch = NULL;
	close_fd(&l->sock);
}

void
lanes_free(void)
{
	for (unsigned i = 0; i < lanes_n; i++)
		lane_close(&lanes[i]);
	free(lanes);
	lanes = NULL;
	lanes_n = 0;
	close_fd(&intro_sock);
}

void
lanes_intro(int intro)
{
	close_fd(&intro_sock);
	intro_sock = intro;
}

static void
ended(struct lane *l, const struct relay_answer *a, const char *why)
{
	l->busy = false;
	l->used = now_ms();
	busy_n--;
	owner->done(l, a, why);
	l->turn = NULL;
	owner->freed();
}

static void
failed(struct lane *l, const char *why)
{
	/* A late answer must not be taken for the next one's. */
	lane_close(l);
	ended(l, NULL, why);
}

static void
lane_ready(void *arg, uint32_t events)
{
	struct lane *l = arg;

	(void)events;
	int rc = msg_recv(l->sock, &m);
	if (rc == -1 && errno == EAGAIN)
		return;
	if (rc == 1 && l->busy && relay_got(&m, l->n, &answer)) {
		if (answer.bits & RELAY_B_LAST)
			lane_close(l);
		ended(l, &answer, NULL);
		return;
	}
	if (rc == 1)
		close_fd(&m.fd);
	if (!l->busy)
		lane_close(l);
	else
		failed(l, rc == 1 ? "the relay's answer made no sense"
				  : "the relay has gone");
}

static bool
lane_open(struct lane *l)
{
	const struct intro who = { .kind = INTRO_QUEUE };

	if (intro_sock == -1)
		return false;
	l->sock = introduce(intro_sock, &who);
	if (l->sock == -1 &&
	    (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN))
		close_fd(&intro_sock);
	if (l->sock == -1)
		return false;
	l->watch = watch_add(l->sock, EPOLLIN, lane_ready, l);
	if (l->watch == NULL)
		close_fd(&l->sock);
	return l->sock != -1;
}

bool
lanes_room(void)
{
	if (busy_n == lanes_n)
		return false;
	if (intro_sock != -1)
		return true;
	for (unsigned i = 0; i < lanes_n; i++)
		if (!lanes[i].busy && lanes[i].sock != -1)
			return true;
	return false;
}

/* The less the better: the same place; a child without a connection; none yet;
 * one whose connection somebody may still want. */
static int
rank(const struct lane *l, struct view nexthop, int64_t now)
{
	bool warm = l->sock != -1 && now - l->used < RELAY_KEEP_MS;

	if (warm && view_eqs(nexthop, l->nexthop))
		return 0;
	if (l->sock != -1 && !warm)
		return 1;
	if (l->sock == -1)
		return intro_sock == -1 ? 4 : 2;
	return 3;
}

struct lane *
lane_for(struct view nexthop)
{
	struct lane *best = NULL;
	int64_t now = now_ms();
	int least = 5;

	for (unsigned i = 0; i < lanes_n; i++) {
		struct lane *l = &lanes[i];
		int r = l->busy ? 5 : rank(l, nexthop, now);
		if (r < least || (r == least && best != NULL && r == 3 &&
				     l->used < best->used)) {
			least = r;
			best = l;
		}
	}
	assert(best != NULL);
	view_copy(nexthop, best->nexthop, sizeof(best->nexthop));
	return best;
}

void
lane_start(struct lane *l)
{
	l->busy = true;
	busy_n++;
	l->began_us = time_us();
	l->deadline = now_ms() + RELAY_WAIT_MAX;
	if (l->sock == -1 && !lane_open(l)) {
		failed(l, "the relay is not there");
		return;
	}
	if (!owner->request(l, &m)) {
		m.fd = -1;
		failed(l, "the record cannot be read");
		return;
	}
	int rc = msg_send(l->sock, &m); /* m.fd is borrowed */
	if (rc == -1 && (errno == EPIPE || errno == ECONNRESET)) {
		/* Its child has ended after its last message. */
		lane_close(l);
		rc = lane_open(l) ? msg_send(l->sock, &m) : -1;
	}
	m.fd = -1;
	if (rc == -1)
		failed(l, "the relay has gone");
}

void
lanes_tick(void)
{
	int64_t now = now_ms();

	for (unsigned i = 0; i < lanes_n; i++) {
		struct lane *l = &lanes[i];
		if (l->busy && l->deadline <= now)
			failed(l, "no answer in time");
		else if (!l->busy && l->sock != -1 && now - l->used > IDLE_MS)
			lane_close(l);
	}
}

void
lanes_drain(int64_t ms)
{
	int64_t until = now_ms() + ms;

	for (unsigned i = 0; i < lanes_n; i++) {
		struct lane *l = &lanes[i];
		while (l->busy && now_ms() < until) {
			struct pollfd p = { .fd = l->sock, .events = POLLIN };
			if (poll(&p, 1, (int)(until - now_ms())) == 1)
				lane_ready(l, 0);
		}
	}
}
