/*
 * Messages on channels.  Runs in: every role.
 */
#define _GNU_SOURCE
#include "common/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct msg scratch;

void
close_fd(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

int
channel_pair(int end[2])
{
	return socketpair(
	    AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, end);
}

void
msg_start(struct msg *m, uint32_t type)
{
	m->type = type;
	m->fd = -1;
	m->len = 0;
	m->at = 0;
	m->bad = false;
}

static void
put(struct msg *m, const void *p, size_t n)
{
	if (m->bad || n > MSG_DATA_MAX - m->len) {
		m->bad = true;
		return;
	}
	if (n > 0)
		memcpy(m->data + m->len, p, n);
	m->len += (uint32_t)n;
}

void
msg_put_u32(struct msg *m, uint32_t u)
{
	put(m, &u, sizeof(u));
}

void
msg_put_u64(struct msg *m, uint64_t u)
{
	put(m, &u, sizeof(u));
}

void
msg_put_view(struct msg *m, struct view v)
{
	if (v.n > MSG_DATA_MAX) {
		m->bad = true;
		return;
	}
	msg_put_u32(m, (uint32_t)v.n);
	put(m, v.p, v.n);
}

void
msg_put_str(struct msg *m, const char *cstr)
{
	msg_put_view(m, view_of(cstr));
}

static bool
get(struct msg *m, void *p, size_t n)
{
	if (m->bad || n > m->len - m->at) {
		m->bad = true;
		memset(p, 0, n);
		return false;
	}
	memcpy(p, m->data + m->at, n);
	m->at += (uint32_t)n;
	return true;
}

uint32_t
msg_get_u32(struct msg *m)
{
	uint32_t u;

	get(m, &u, sizeof(u));
	return u;
}

uint64_t
msg_get_u64(struct msg *m)
{
	uint64_t u;

	get(m, &u, sizeof(u));
	return u;
}

struct view
msg_get_view(struct msg *m, size_t max)
{
	uint32_t n = msg_get_u32(m);

	if (m->bad || n > max || n > m->len - m->at) {
		m->bad = true;
		return (struct view){ NULL, 0 };
	}
	struct view v = { (const char *)m->data + m->at, n };
	m->at += n;
	return v;
}

bool
msg_get_str(struct msg *m, char *dst, size_t size)
{
	struct view v = msg_get_view(m, size - 1);

	if (!view_copy(v, dst, size))
		m->bad = true;
	return !m->bad;
}

bool
msg_done(const struct msg *m)
{
	return !m->bad && m->at == m->len;
}

int
msg_send(int sock, const struct msg *m)
{
	union {
		struct cmsghdr h;
		char b[CMSG_SPACE(sizeof(int))];
	} cb = { .b = { 0 } };
	uint32_t type = m->type;
	struct iovec iov[2] = { { &type, sizeof(type) },
		{ (void *)(uintptr_t)m->data, m->len } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (m->bad) {
		errno = EMSGSIZE;
		return -1;
	}
	if (m->fd != -1) {
		mh.msg_control = cb.b;
		mh.msg_controllen = CMSG_LEN(sizeof(int));
		cb.h.cmsg_level = SOL_SOCKET;
		cb.h.cmsg_type = SCM_RIGHTS;
		cb.h.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&cb.h), &m->fd, sizeof(int));
	}
	do
		n = sendmsg(sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

/*
 * The control buffer has room for one descriptor and not one octet more:
 * CMSG_LEN, not CMSG_SPACE, because a second one would fit into the padding.
 * With more than one the kernel sets MSG_CTRUNC and drops those that do not
 * fit; the one that did is closed here.
 */
int
msg_recv(int sock, struct msg *m)
{
	union {
		struct cmsghdr h;
		char b[CMSG_SPACE(sizeof(int))];
	} cb = { .b = { 0 } };
	struct iovec iov[2] = { { &m->type, sizeof(m->type) },
		{ m->data, sizeof(m->data) } };
	struct msghdr mh = { .msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = cb.b,
		.msg_controllen = CMSG_LEN(sizeof(int)) };
	ssize_t n;

	msg_start(m, 0);
	do
		n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
	if (c != NULL && c->cmsg_level == SOL_SOCKET &&
	    c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&m->fd, CMSG_DATA(c), sizeof(int));
	if (n == 0 && m->fd == -1 && !(mh.msg_flags & MSG_CTRUNC))
		return 0; /* the end; an empty datagram is taken for it */
	if (n < (ssize_t)sizeof(m->type) ||
	    (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		close_fd(&m->fd);
		errno = EBADMSG;
		return -1;
	}
	m->len = (uint32_t)((size_t)n - sizeof(m->type));
	return 1;
}

static int64_t
clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* 1: ready for events, 0: not within the time, -1: failed. */
static int
wait_for(int sock, short events, int64_t until)
{
	for (;;) {
		struct pollfd p = { .fd = sock, .events = events };
		int64_t left = until - clock_ms();
		if (left < 0)
			left = 0;
		int n = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);
		if (n == 1)
			return 1;
		if (n == 0)
			return 0;
		if (errno != EINTR)
			return -1;
	}
}

/* Takes the answer to a request of that type, until then. */
static bool
take_answer(int sock, struct msg *m, uint32_t type, int64_t until)
{
	int rc;

	do {
		/* Wait first: an answer takes longer than a system call. */
		if (wait_for(sock, POLLIN, until) != 1)
			break;
		rc = msg_recv(sock, m);
		if (rc == 1 && m->type == type)
			return true;
	} while (rc == -1 && errno == EAGAIN);
	msg_wipe(m);
	return false;
}

static bool
send_waiting(int sock, const struct msg *m, int64_t until)
{
	while (msg_send(sock, m) == -1)
		if (errno != EAGAIN || wait_for(sock, POLLOUT, until) != 1)
			return false;
	return true;
}

static bool
call(int sock, struct msg *m, int timeout_ms, bool lent)
{
	uint32_t type = m->type;
	int64_t until = clock_ms() + timeout_ms;
	bool sent = send_waiting(sock, m, until);

	if (lent)
		m->fd = -1;
	close_fd(&m->fd);
	if (!sent)
		msg_wipe(m);
	return sent && take_answer(sock, m, type, until);
}

bool
msg_call(int sock, struct msg *m, int timeout_ms)
{
	return call(sock, m, timeout_ms, false);
}

bool
msg_call_lent(int sock, struct msg *m, int timeout_ms)
{
	return call(sock, m, timeout_ms, true);
}

void
msg_wipe(struct msg *m)
{
	close_fd(&m->fd);
	explicit_bzero(m->data, m->len);
	msg_start(m, 0);
}
