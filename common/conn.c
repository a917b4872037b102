/*
 * The connection to one client: bounded buffers, lines, waits.
 * Runs in: worker.
 *
 * Input:  client -> ops->read -> in[head..tail) -> conn_line, conn_some
 * Output: conn_write -> out[0..out_n) -> conn_flush -> ops->write -> client
 *
 * Before each read the socket is polled together with stop_fd: a session waits
 * for its next command nearly always, and so a busy client cannot keep the
 * word of the pool from being heard either.
 */
#include "common/conn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/service.h"
#include "common/spare.h"

enum {
	TIMEOUT_MS = 300000,
	DIRECT_MAX = 4 * CONN_OUT, /* sent without being copied */
	DRAINS_MAX = 8,
	REST_MS = 500 /* a client this silent may be silent for long */
};

/* ---- octets of a plain connection ---- */

static ssize_t
socket_read(struct conn *c, void *p, size_t n, short *events)
{
	*events = POLLIN;
	return recv(c->fd, p, n, MSG_DONTWAIT);
}

static ssize_t
socket_write(struct conn *c, const void *p, size_t n, short *events)
{
	*events = POLLOUT;
	return send(c->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static bool
plain_pending(struct conn *c)
{
	(void)c;
	return false;
}

static void
socket_close(struct conn *c)
{
	for (int i = 0; i < DRAINS_MAX && c->ended == LINE_OK; i++)
		if (recv(c->fd, c->in, CONN_IN, MSG_DONTWAIT) <= 0)
			break;
}

static const struct conn_ops socket_ops = { socket_read, socket_write,
	plain_pending, socket_close };

/* A tty or pipe. */
static ssize_t
file_read(struct conn *c, void *p, size_t n, short *events)
{
	*events = POLLIN;
	return read(c->fd, p, n);
}

static ssize_t
file_write(struct conn *c, const void *p, size_t n, short *events)
{
	*events = POLLOUT;
	return write(c->fd, p, n);
}

/* O_NONBLOCK belongs to the open file, which a tty shares with the shell. */
static void
file_close(struct conn *c)
{
	if (c->fd_flags != -1)
		fcntl(c->fd, F_SETFL, c->fd_flags);
}

static const struct conn_ops file_ops = { file_read, file_write, plain_pending,
	file_close };

void
conn_open(struct conn *c, int fd)
{
	int on = 1, type;
	socklen_t len = sizeof(type);

	/* Field by field: the buffers' pages are not to be touched yet. */
	c->ops = &file_ops;
	c->io = NULL;
	c->fd = fd;
	c->timeout_ms = TIMEOUT_MS;
	c->deadline = 0;
	c->stop_fd = -1;
	c->stop = NULL;
	c->stop_arg = NULL;
	c->head = c->tail = c->scanned = c->out_n = 0;
	c->swallowing = c->failed = false;
	c->ended = LINE_OK;
	c->octets_in = c->octets_out = 0;
	c->fd_flags = fd == -1 ? -1 : fcntl(fd, F_GETFL);
	if (c->fd_flags != -1 && (c->fd_flags & O_NONBLOCK) == 0)
		fcntl(fd, F_SETFL, c->fd_flags | O_NONBLOCK);
	if (fd != -1 && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0) {
		c->ops = &socket_ops;
		/* Fails where it is not TCP: that is fine. */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
}

/* ---- waiting ---- */

/* Milliseconds left of a wait that began with *until == 0; -1: over. */
static int
wait_left(const struct conn *c, int64_t *until)
{
	int64_t now = now_ms();

	if (*until == 0) {
		*until = now + c->timeout_ms;
		if (c->deadline != 0 && c->deadline < *until)
			*until = c->deadline;
		else if (c->timeout_ms == 0)
			return 0; /* what is there already may be taken */
	}
	return now >= *until ? -1 : (int)(*until - now);
}

/* stop_fd has become readable. */
static bool
must_stop(struct conn *c, short revents)
{
	if (c->stop == NULL || c->stop(c->stop_arg))
		return true;
	if (revents & (POLLHUP | POLLERR | POLLNVAL))
		c->stop_fd = -1; /* its end was seen, and never ceases */
	return false;
}

/* A thousand idle sessions are to cost little: what was read from them is done
 * with, and what was deep in the stack. */
static void
rest(struct conn *c)
{
	log_flush(); /* nor is the log to wait for the client */
	spare_pages(c->in + c->tail, sizeof(c->in) - c->tail + sizeof(c->out));
	spare_stack();
	spare_heap();
}

/* Waits like poll, for left ms. */
static int
wait_input(struct conn *c, struct pollfd p[2], int left)
{
	int n = poll(p, 2, left < REST_MS ? left : REST_MS);

	if (n != 0 || left <= REST_MS)
		return n;
	rest(c);
	return poll(p, 2, left - REST_MS);
}

enum line_status
conn_wait(struct conn *c, short events, int64_t *until)
{
	if (!conn_flush(c))
		return LINE_ERROR;
	struct pollfd p[] = { { .fd = c->fd, .events = events },
		{ .fd = c->stop_fd, .events = POLLIN } };
	int left = wait_left(c, until);
	if (left == -1)
		return LINE_TIMEOUT;
	int n = wait_input(c, p, left);
	if (n == 0)
		return LINE_TIMEOUT;
	if (n == -1)
		return errno == EINTR ? LINE_OK : LINE_ERROR;
	if (p[1].revents != 0 && must_stop(c, p[1].revents))
		return LINE_STOP;
	return LINE_OK;
}

static bool
wait_output(struct conn *c, short events, int64_t *until)
{
	struct pollfd p = { .fd = c->fd, .events = events };
	int left = wait_left(c, until);

	if (left == -1)
		return false;
	int n = poll(&p, 1, left);
	return n > 0 || (n == -1 && errno == EINTR);
}

/* ---- input ---- */

/* Makes room behind tail.  Octets move only when more than half of the buffer
 * is behind them or in them, and never twice unless what was before them has
 * been read meanwhile, so that dribbled input costs no more than other. */
static void
make_room(struct conn *c)
{
	if (c->head == c->tail) {
		c->head = c->tail = 0;
	} else if (c->head > 0 && c->tail > CONN_IN / 2) {
		memmove(c->in, c->in + c->head, c->tail - c->head);
		c->tail -= c->head;
		c->head = 0;
	}
	assert(c->tail < CONN_IN);
}

/* One read, without waiting.  LINE_OK: *got octets came; 0: wait for *events
 * and try again. */
static enum line_status
read_some(struct conn *c, short *events, size_t *got)
{
	ssize_t n = c->ops->read(c, c->in + c->tail, CONN_IN - c->tail, events);

	*got = 0;
	if (n > 0) {
		assert((size_t)n <= CONN_IN - c->tail);
		*got = (size_t)n;
		c->tail += *got;
		c->octets_in += *got;
	} else if (n == 0) {
		c->ended = LINE_EOF;
	} else if (errno != EAGAIN && errno != EINTR) {
		c->ended = LINE_ERROR;
	}
	return c->ended;
}

/* Adds at least one octet to the input, or says why not. */
static enum line_status
conn_fill(struct conn *c, int64_t *until)
{
	bool ready = c->fd == -1 || c->ops->pending(c);
	enum line_status st = c->ended;
	short events = POLLIN;
	size_t got = 0;

	if (st == LINE_OK)
		make_room(c);
	while (st == LINE_OK && got == 0) {
		if (!ready)
			st = conn_wait(c, events, until);
		if (st == LINE_OK)
			st = read_some(c, &events, &got);
		ready = false;
	}
	return st;
}

/* Drops n octets from the front of the input. */
static void
consume(struct conn *c, size_t n)
{
	c->head += n;
	c->scanned = n < c->scanned ? c->scanned - n : 0;
}

/* What is wrong with a line of n octets in front of its LF, if anything. */
static enum line_status
line_judge(const char *p, size_t n, struct view *out)
{
	const char *cr = n == 0 ? NULL : memchr(p, '\r', n);
	bool crlf = n > 0 && p[n - 1] == '\r';

	*out = (struct view){ p, crlf ? n - 1 : n };
	if (cr != NULL && cr != p + n - 1)
		return LINE_BARE_CR;
	return crlf ? LINE_OK : LINE_BARE_LF;
}

enum line_status
conn_line(struct conn *c, size_t max, struct view *out)
{
	enum line_status st = LINE_OK;
	int64_t until = 0;

	assert(max > 0 && max <= CONN_IN);
	*out = (struct view){ NULL, 0 };
	while (st == LINE_OK) {
		const char *start = c->in + c->head;
		size_t have = c->tail - c->head;
		const char *lf =
		    have == c->scanned
			? NULL
			: memchr(start + c->scanned, '\n', have - c->scanned);
		if (lf == NULL) {
			c->scanned = have;
			if (have >= max || c->swallowing) {
				c->swallowing = true;
				consume(c, have);
			}
			st = conn_fill(c, &until);
			continue;
		}
		size_t n = (size_t)(lf - start);
		bool overlong = c->swallowing || n + 1 > max;
		c->swallowing = false;
		consume(c, n + 1);
		return overlong ? LINE_TOO_LONG : line_judge(start, n, out);
	}
	return st;
}

enum line_status
conn_some(struct conn *c, size_t max, struct view *out)
{
	enum line_status st = LINE_OK;
	int64_t until = 0;

	assert(max > 0);
	*out = (struct view){ NULL, 0 };
	if (c->head == c->tail)
		st = conn_fill(c, &until);
	if (st != LINE_OK)
		return st;
	size_t n = c->tail - c->head;
	*out = (struct view){ c->in + c->head, n < max ? n : max };
	consume(c, out->n);
	return LINE_OK;
}

void
conn_unread(struct conn *c, size_t n)
{
	assert(n <= c->head);
	c->head -= n;
	c->scanned = 0;
}

/* Looks by reading: a readable socket may hold nothing but the client's end,
 * or a TLS record that carries no octet for us. */
bool
conn_pending(struct conn *c)
{
	short events;
	size_t got = 0;

	if (c->head == c->tail && c->ended == LINE_OK) {
		make_room(c);
		read_some(c, &events, &got);
	}
	return c->head < c->tail;
}

void
conn_discard(struct conn *c)
{
	c->head = c->tail = c->scanned = 0;
	c->swallowing = false;
}

/* ---- output ---- */

static bool
conn_send(struct conn *c, const char *p, size_t n)
{
	int64_t until = 0;

	while (n > 0 && !c->failed) {
		short events = POLLOUT;
		ssize_t w = c->ops->write(c, p, n, &events);
		if (w > 0) {
			assert((size_t)w <= n);
			p += w;
			n -= (size_t)w;
			c->octets_out += (size_t)w;
		} else if (w == -1 && (errno == EAGAIN || errno == EINTR)) {
			c->failed = !wait_output(c, events, &until);
		} else {
			c->failed = true;
		}
	}
	return !c->failed;
}

void
conn_write(struct conn *c, const void *p, size_t n)
{
	const char *s = p;

	while (n > 0 && !c->failed) {
		size_t room = CONN_OUT - c->out_n;
		size_t part = n < room ? n : room;
		if (c->out_n == 0 && n >= CONN_OUT) {
			part = n < DIRECT_MAX ? n : DIRECT_MAX;
			conn_send(c, s, part);
		} else {
			memcpy(c->out + c->out_n, s, part);
			c->out_n += part;
		}
		if (c->out_n == CONN_OUT)
			conn_flush(c);
		s += part;
		n -= part;
	}
}

void
conn_writes(struct conn *c, const char *cstr)
{
	conn_write(c, cstr, strlen(cstr));
}

bool
conn_flush(struct conn *c)
{
	size_t n = c->out_n;

	c->out_n = 0;
	return conn_send(c, c->out, n);
}

void
conn_close(struct conn *c)
{
	conn_flush(c);
	c->ops->close(c);
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
}
