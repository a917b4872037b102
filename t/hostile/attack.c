/* The attacks of a captured worker; see attack.h. */
#define _GNU_SOURCE
#include "t/hostile/attack.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/ask_auth.h"
#include "common/network.h"
#include "common/pool.h"
#include "common/service.h"
#include "spool/ask_deliver.h"

enum { ANSWER_MS = 30000, FDS_MAX = 253, RANDOM_N = 200 };

session_serve *hostile_real_session;

struct attack {
	struct worker *w;
	const struct target *t;
	int sock;
	unsigned start;
	char user[64], pass[64];
};

static struct msg m;

static void
tell(struct attack *a, const char *word, unsigned n)
{
	char line[64];

	snprintf(line, sizeof(line), "%s %u\r\n", word, n);
	conn_writes(&a->w->conn, line);
	conn_flush(&a->w->conn);
}

/* ---- getting at the channel ---- */

/* A channel to an append process: the right to write one mailbox once. */
static int
open_append(struct attack *a)
{
	msg_start(&m, DELIVER_OPEN);
	msg_put_str(&m, "alice@example.org");
	if (!msg_call(worker_channel(a->w, ROLE_DELIVER), &m, ANSWER_MS))
		return -1;
	int fd = m.fd;
	m.fd = -1;
	return fd;
}

static int
open_right(struct attack *a)
{
	char user[64];
	int right = -1;

	struct auth_client c = worker_auth_client(a->w);

	ask_auth_password(&c, view_of(a->user), view_of(a->pass), "PLAIN", user,
	    sizeof(user), &right);
	return right;
}

static int
channel_of(struct attack *a)
{
	switch (a->t->role) {
	case ROLE_POOL:
		return a->w->ctl;
	case ROLE_APPEND:
		return open_append(a);
	case ROLE_MASTER: /* "right" */
	case ROLE_MAILDROP:
		return open_right(a);
	default:
		return worker_channel(a->w, a->t->role);
	}
}

/* ---- sending ---- */

enum outcome { ANSWERED, CLOSED, SILENT };

static enum outcome
hear(const struct attack *a)
{
	struct pollfd p = { .fd = a->sock, .events = POLLIN };
	int wait = a->t->silent ? 5 : ANSWER_MS;

	if (poll(&p, 1, wait) != 1)
		return a->t->silent ? ANSWERED : SILENT;
	int rc = msg_recv(a->sock, &m);
	if (rc == 1)
		msg_wipe(&m);
	return rc == 1 ? ANSWERED : CLOSED;
}

static enum outcome
send_and_hear(const struct attack *a)
{
	int64_t until = now_ms() + ANSWER_MS;

	/* One that never answers may still be at what it got before. */
	while (msg_send(a->sock, &m) == -1) {
		if (errno != EAGAIN)
			return CLOSED;
		if (now_ms() > until)
			return SILENT;
		poll(NULL, 0, 5);
	}
	return hear(a);
}

/* A datagram of any octets with n copies of one descriptor. */
static bool
send_raw(int sock, const void *p, size_t len, unsigned n, int fd)
{
	static char control[CMSG_SPACE(FDS_MAX * sizeof(int))]
	    __attribute__((aligned(16)));
	struct iovec iov = { (void *)(uintptr_t)p, len };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_LEN(n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	for (unsigned i = 0; i < n; i++)
		memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(int));
	return sendmsg(sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) != -1;
}

/* ---- mutate ---- */

/* How many mutations a message of len octets has; mutate() makes number k. */
static unsigned
mutations(unsigned len)
{
	return 4 * len + 4;
}

static void
mutate(struct msg *x, unsigned k)
{
	static const unsigned more[] = { 1, 4, 4096 };
	unsigned len = x->len;

	if (k < 3 * len) {
		unsigned char *c = &x->data[k / 3];
		*c = k % 3 == 0 ? 0 : k % 3 == 1 ? 0xff : *c ^ 0x80;
		return;
	}
	k -= 3 * len;
	if (k < len) { /* cut */
		x->len = k;
		return;
	}
	k -= len;
	unsigned to = k == 3 ? MSG_DATA_MAX : len + more[k];
	memset(x->data + len, 'A', to - len);
	x->len = to;
}

static void
attack_mutate(struct attack *a)
{
	unsigned number = 0;

	for (unsigned i = 0; i < a->t->requests; i++) {
		msg_start(&m, 0);
		a->t->valid(i, &m);
		unsigned n = mutations(m.len);
		for (unsigned k = 0; k < n; k++, number++) {
			if (number < a->start)
				continue;
			if (a->t->before != NULL)
				a->t->before(a->sock, i);
			msg_start(&m, 0);
			a->t->valid(i, &m);
			mutate(&m, k);
			enum outcome o = send_and_hear(a);
			if (o == SILENT) {
				tell(a, "SILENT", number);
				return;
			}
			/* An append channel is good for one message. */
			if (o == CLOSED || a->t->role == ROLE_APPEND) {
				tell(a, "NEXT", number + 1);
				return;
			}
		}
	}
	tell(a, "DONE", number);
}

/* ---- random ---- */

static uint32_t
next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static void
attack_random(struct attack *a)
{
	for (unsigned n = a->start; n < RANDOM_N; n++) {
		uint32_t x = n * 2654435761u + 1;
		msg_start(&m, next_random(&x) % 34);
		if (n % 10 == 0)
			m.type = next_random(&x);
		m.len = n % 7 == 0 ? MSG_DATA_MAX : next_random(&x) % 600;
		for (unsigned i = 0; i < m.len; i++)
			m.data[i] = n % 2 ? (unsigned char)next_random(&x)
					  : (unsigned char)(n >> 1);
		enum outcome o = send_and_hear(a);
		if (o == SILENT) {
			tell(a, "SILENT", n);
			return;
		}
		if (o == CLOSED) {
			tell(a, "NEXT", n + 1);
			return;
		}
	}
	tell(a, "DONE", RANDOM_N);
}

/* ---- descriptors ---- */

static void
attack_fds(struct attack *a)
{
	static char raw[sizeof(m.type) + MSG_DATA_MAX];
	static const unsigned counts[] = { 1, 2, FDS_MAX, 2 };
	const unsigned n = NELEM(counts);
	unsigned i = a->start / n, k = a->start % n;

	if (i >= a->t->requests) {
		tell(a, "DONE", a->start);
		return;
	}
	msg_start(&m, 0);
	a->t->valid(i, &m);
	/* The last of the four holds no octet at all, only descriptors. */
	size_t len = k == n - 1 ? 0 : sizeof(m.type) + m.len;
	memcpy(raw, &m.type, sizeof(m.type));
	memcpy(raw + sizeof(m.type), m.data, m.len);
	if (send_raw(a->sock, raw, len, counts[k], a->w->conn.fd) &&
	    hear(a) == SILENT)
		tell(a, "SILENT", a->start);
	else
		tell(a, "NEXT", a->start + 1);
}

/* ---- flood, shutdown, stall ---- */

static void
attack_flood(struct attack *a)
{
	int64_t end = now_ms() + 1000;
	unsigned n = 0;

	while (now_ms() < end) {
		msg_start(&m, 0);
		a->t->valid(n % a->t->requests, &m);
		m.fd = -1;
		if (msg_send(a->sock, &m) == -1 && errno != EAGAIN)
			break;
		n++;
	}
	tell(a, "DONE", n);
}

static void
attack_shutdown(struct attack *a)
{
	static const int how[] = { SHUT_RD, SHUT_WR, SHUT_RDWR };

	if (a->start >= NELEM(how)) {
		tell(a, "DONE", a->start);
		return;
	}
	msg_start(&m, 0);
	a->t->valid(0, &m);
	shutdown(a->sock, how[a->start]);
	(void)!msg_send(a->sock, &m);
	poll(NULL, 0, 100);
	tell(a, "NEXT", a->start + 1);
}

static void
attack_stall(struct attack *a)
{
	msg_start(&m, 0);
	a->t->valid(0, &m);
	(void)!msg_send(a->sock, &m);
	poll(NULL, 0, 1000); /* the test looks meanwhile how others fare */
	tell(a, "DONE", 1);
}

static void
attack_claim(struct attack *a)
{
	unsigned char key[ADDRESS_OCTETS];

	address_read(view_of(a->user), key);
	for (unsigned i = 0; i < 20; i++) {
		msg_start(&m, POOL_CLIENT);
		msg_put_view(&m, (struct view){ (const char *)key, 16 });
		if (send_and_hear(a) == CLOSED)
			return;
	}
	tell(a, "DONE", 20);
}

/* Asks for a channel twice; for some roles once is too often. */
static void
attack_greed(struct attack *a)
{
	static const uint32_t roles[] = { ROLE_AUTH, ROLE_KEY, ROLE_LOG,
		ROLE_MASTER, ROLE_POOL, ROLE__N, UINT32_MAX };
	struct pollfd p = { .fd = a->sock, .events = POLLIN };

	for (unsigned i = 0; i < 2; i++) {
		msg_start(&m, POOL_CHANNEL);
		msg_put_u32(&m, roles[a->start % NELEM(roles)]);
		(void)!msg_send(a->sock, &m);
	}
	while (poll(&p, 1, ANSWER_MS) == 1 && msg_recv(a->sock, &m) == 1)
		msg_wipe(&m);
	tell(a, "SILENT", a->start); /* that this is sent at all is wrong */
}

/* ---- the session ---- */

static bool
peeked(struct worker *w)
{
	char c[8] = { 0 };
	struct pollfd p = { .fd = w->conn.fd, .events = POLLIN };

	return poll(&p, 1, 100) == 1 &&
	       recv(w->conn.fd, c, 7, MSG_PEEK | MSG_DONTWAIT) == 7 &&
	       strcmp(c, "HOSTILE") == 0;
}

static void
run(struct attack *a, const char *mode)
{
	static const struct {
		const char *name;
		void (*run)(struct attack *);
	} modes[] = { { "mutate", attack_mutate }, { "random", attack_random },
		{ "fds", attack_fds }, { "flood", attack_flood },
		{ "shutdown", attack_shutdown }, { "stall", attack_stall },
		{ "claim", attack_claim }, { "greed", attack_greed } };

	a->sock = channel_of(a);
	if (a->sock == -1) {
		tell(a, "NOCHANNEL", 0);
		return;
	}
	for (unsigned i = 0; i < NELEM(modes); i++)
		if (strcmp(modes[i].name, mode) == 0)
			modes[i].run(a);
}

static bool
attack(struct worker *w)
{
	struct attack a = { .w = w };
	char target[16], mode[16];
	struct view line;
	unsigned long long start;

	if (conn_line(&w->conn, 512, &line) != LINE_OK)
		return false;
	view_token(&line); /* HOSTILE */
	if (!view_copy(view_token(&line), target, sizeof(target)) ||
	    !view_copy(view_token(&line), mode, sizeof(mode)) ||
	    !view_number(view_token(&line), UINT32_MAX, &start))
		return false;
	a.start = (unsigned)start;
	view_copy(view_token(&line), a.user, sizeof(a.user));
	view_copy(view_token(&line), a.pass, sizeof(a.pass));
	for (unsigned i = 0; i < hostile_target_n; i++)
		if (strcmp(hostile_targets[i].name, target) == 0)
			a.t = &hostile_targets[i];
	if (a.t != NULL)
		run(&a, mode);
	conn_close(&w->conn);
	return false;
}

bool
hostile_session(struct worker *w)
{
	return peeked(w) ? attack(w) : hostile_real_session(w);
}
