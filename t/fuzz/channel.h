#ifndef T_FUZZ_CHANNEL_H
#define T_FUZZ_CHANNEL_H
/*
 * One asker that a role does not trust, for targets that hold a role's service:
 * any requests, with or without a descriptor, each after the answer to the
 * last, or some turns of the loop.  What is not in the service's table must
 * end the channel; what is gets one answer, of its own type, or the end.
 * The input: any number of { u8 type, u8 flags, u16 length, fields }; flags: 1:
 * a descriptor comes along, 2: the fields are one, which is made well formed.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/msg.h"
#include "common/service.h"
#include "t/fuzz/must.h"

static struct {
	struct view left;
	int sock;
	struct watch *turn;
	int idle;	/* turns since the last request or answer */
	uint32_t never; /* a request that is left out; 0: none */
	/* The target's, if not NULL: how the asker becomes a peer (takes sock);
	 * what an answer may say, which was read up to nowhere.  NULL: there is
	 * never a descriptor in one. */
	void (*add)(int sock);
	void (*check)(const struct msg *rq, struct msg *rp);
	int lend; /* the descriptor that comes along */
	const struct service *svc;
	bool owed, breach; /* by the last request */
} channel;
static struct msg channel_msg, channel_asked;

/* What the last request must lead to. */
static void
channel_expect(const struct msg *m)
{
	const struct request *r = NULL;

	for (unsigned i = 0; i < channel.svc->n; i++)
		if (channel.svc->requests[i].type == m->type)
			r = &channel.svc->requests[i];
	channel.breach = r == NULL || m->len < r->min || m->len > r->max ||
			 (m->fd != -1) != r->fd;
	channel.owed = true;
	msg_start(&channel_asked, m->type);
	memcpy(channel_asked.data, m->data, m->len);
	channel_asked.len = m->len;
	channel_asked.fd = m->fd;
}

static bool
channel_next(void)
{
	const unsigned char *p = (const unsigned char *)channel.left.p;
	struct msg *m = &channel_msg;

	if (channel.left.n < 4)
		return false;
	size_t n = p[2] | (size_t)p[3] << 8;
	unsigned flags = p[1];
	msg_start(m, p[0]);
	channel.left = (struct view){ channel.left.p + 4, channel.left.n - 4 };
	if (n > channel.left.n)
		n = channel.left.n;
	if (flags & 2) /* one field that is well formed */
		msg_put_view(m, (struct view){ channel.left.p, n });
	else if (n > 0)
		memcpy(m->data, channel.left.p, n);
	if ((flags & 2) == 0)
		m->len = (uint32_t)n;
	channel.left = (struct view){ channel.left.p + n, channel.left.n - n };
	m->fd = flags & 1 ? channel.lend : -1;
	bool good = p[0] == channel.never;
	if (!good) {
		good = msg_send(channel.sock, m) == 0;
		must(!good || !channel.breach); /* it was closed for that */
		if (good)
			channel_expect(m);
	}
	m->fd = -1; /* borrowed */
	return good;
}

static void
channel_feed(void *arg, uint32_t events)
{
	struct msg *m = &channel_msg;

	(void)arg;
	(void)events;
	bool answered = channel.sock != -1 && msg_recv(channel.sock, m) == 1;
	if (answered) {
		must(channel.owed && !channel.breach);
		must(m->type == channel_asked.type);
		channel.owed = false;
		if (channel.check != NULL)
			channel.check(&channel_asked, m);
		else
			must(m->fd == -1);
		msg_wipe(m);
	}
	bool turn = answered || ++channel.idle > 3;
	if (turn)
		channel.idle = 0;
	if (channel.sock != -1 && turn && !channel_next()) {
		close_fd(&channel.sock);
	} else if (channel.sock == -1 && turn) {
		watch_del(channel.turn);
		service_stop();
	}
}

static unsigned
channel_files(void)
{
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 3);
	close(fd);
	return (unsigned)fd;
}

/* Runs one input.  Nobody may be owed an answer, nor a descriptor be left. */
static void
channel_run(const struct service *svc, const uint8_t *data, size_t size)
{
	static int every[2] = { -1, -1 }; /* a pipe that nobody reads */
	int end[2];

	if (every[0] == -1)
		must(pipe(every) == 0);
	unsigned before = channel_files();
	service_init();
	must(channel_pair(end) == 0);
	if (channel.add != NULL)
		channel.add(end[1]);
	else
		must(service_add(end[1], svc, NULL) != NULL);
	must(service_count(svc) == 1);
	channel.svc = svc;
	channel.owed = channel.breach = false;
	channel.left = (struct view){ (const char *)data, size };
	channel.sock = end[0];
	channel.idle = 3;
	/* Room in a pipe: true with every turn of the loop. */
	channel.turn = watch_add(every[1], EPOLLOUT, channel_feed, NULL);
	service_run();
	must(service_count(svc) == 0);
	close((int)before); /* the loop's own */
	must(channel_files() == before);
}
#endif
