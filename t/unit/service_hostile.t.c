/*
 * The loop of a role: what may be asked is a table, and a breach of it closes
 * one channel and harms nobody else.
 */
#define _GNU_SOURCE
#include "common/service.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "t/unit/tap.h"

enum {
	ECHO = 1,
	BEGIN = 2,
	END = 3,
	WITH_FD = 4,
	SLOW = 5,
	GIVE = 6,
	BAD = 7,
	LAX = 8
};

/* Time enough to do something before a slow answer comes. */
enum { SLOW_MS = 950 };

static struct msg m;
static unsigned gone_count;

/* ---- the service under test; runs in a child ---- */

static uint64_t slow_id;

static void
slow_due(void *arg)
{
	static struct msg answer;
	struct peer *p = service_find(slow_id);

	(void)arg;
	if (p == NULL)
		return;
	msg_start(&answer, 0);
	msg_put_u32(&answer, 99);
	peer_answer(p, &answer);
}

static enum answer
answer_echo(struct peer *p, struct msg *rq, struct msg *rp)
{
	(void)p;
	uint32_t u = msg_get_u32(rq);

	if (!msg_done(rq))
		return ANSWER_DROP;
	msg_put_u32(rp, u + 1);
	msg_put_u32(rp, service_count(p->service));
	msg_put_u32(rp, gone_count);
	return ANSWER;
}

static enum answer
answer_none(struct peer *p, struct msg *rq, struct msg *rp)
{
	(void)p;
	(void)rp;
	return msg_done(rq) ? ANSWER_NONE : ANSWER_DROP;
}

static enum answer
answer_fd(struct peer *p, struct msg *rq, struct msg *rp)
{
	(void)p;
	(void)rq;
	msg_put_u32(rp, 1);
	return ANSWER;
}

/* Looks at nothing: the table alone stands before it. */
static enum answer
answer_lax(struct peer *p, struct msg *rq, struct msg *rp)
{
	(void)p;
	(void)rq;
	msg_put_u32(rp, 1);
	return ANSWER;
}

static enum answer
answer_give(struct peer *p, struct msg *rq, struct msg *rp)
{
	(void)p;
	(void)rq;
	rp->fd = dup(0);
	return ANSWER;
}

static enum answer
answer_slow(struct peer *p, struct msg *rq, struct msg *rp)
{
	(void)rq;
	(void)rp;
	slow_id = p->id;
	timer_add(SLOW_MS, slow_due, NULL);
	return ANSWER_LATER;
}

static enum answer
answer_bad(struct peer *p, struct msg *rq, struct msg *rp)
{
	(void)p;
	(void)rq;
	(void)rp;
	return ANSWER_DROP;
}

static void
gone(struct peer *p)
{
	(void)p;
	gone_count++;
}

#define ANY                                                                    \
	(BIT(ECHO) | BIT(BEGIN) | BIT(WITH_FD) | BIT(SLOW) | BIT(GIVE) |       \
	    BIT(BAD) | BIT(LAX))
static const struct request requests[] = {
	{ ECHO, 4, 8, false, ANY, answer_echo, "echo" },
	{ BEGIN, 0, 0, false, BIT(END), answer_none, "begin" },
	{ END, 0, 0, false, ANY, answer_none, "end" },
	{ WITH_FD, 0, 0, true, ANY, answer_fd, "with fd" },
	{ SLOW, 0, 0, false, ANY, answer_slow, "slow" },
	{ GIVE, 0, 0, false, ANY, answer_give, "give" },
	{ BAD, 0, 0, false, ANY, answer_bad, "bad" },
	{ LAX, 4, 8, false, ANY, answer_lax, "lax" },
};
static const struct service service = { "tester", requests, NELEM(requests),
	ANY, gone };

static void
control_ready(void *arg, uint32_t events)
{
	static struct msg c;
	int fd = *(int *)arg;

	(void)events;
	if (msg_recv(fd, &c) != 1) {
		service_stop();
		return;
	}
	if (c.fd != -1)
		service_add(c.fd, &service, NULL);
}

static int control;
static pid_t role;

static void
start(void)
{
	int pair[2];

	if (channel_pair(pair) == -1)
		abort();
	role = fork();
	if (role == 0) {
		close(pair[0]);
		log_level_set(LOG_LVL_ERROR);
		service_init();
		watch_add(pair[1], EPOLLIN, control_ready, &pair[1]);
		service_run();
		_exit(7);
	}
	close(pair[1]);
	control = pair[0];
}

static int
new_peer(void)
{
	int pair[2];

	if (channel_pair(pair) == -1)
		abort();
	msg_start(&m, 1);
	m.fd = pair[1];
	if (msg_send(control, &m) == -1)
		abort();
	close(pair[1]);
	return pair[0];
}

/* ---- asking ---- */

static bool
echo(int sock, uint32_t *peers, uint32_t *ended)
{
	msg_start(&m, ECHO);
	msg_put_u32(&m, 41);
	if (!msg_call(sock, &m, 30000))
		return false;
	bool good = msg_get_u32(&m) == 42;
	*peers = msg_get_u32(&m);
	*ended = msg_get_u32(&m);
	return good && msg_done(&m);
}

/* Until the others have been seen to be gone, and that one is alone. */
static bool
alone(int sock, uint32_t *ended)
{
	uint32_t n = 0;

	for (int i = 0; i < 10000 && n != 1; i++) {
		usleep(2000);
		if (!echo(sock, &n, ended))
			return false;
	}
	return n == 1;
}

/* Sends one request of n octets of fields and with an fd or none; whether the
 * channel is closed for it, which is waited for if it shall be.  Else it is
 * enough that nothing comes for a moment, as to some there is no answer. */
static bool
breaks(int sock, uint32_t type, uint32_t n, bool with_fd, bool want)
{
	int tries = 0, rc;

	msg_start(&m, type);
	m.len = n;
	memset(m.data, 0, n);
	m.fd = with_fd ? 0 : -1;
	if (msg_send(sock, &m) == -1)
		return errno == EPIPE || errno == ECONNRESET;
	do {
		usleep(2000);
		rc = msg_recv(sock, &m);
		if (rc == 1)
			msg_wipe(&m);
	} while (rc == -1 && errno == EAGAIN && tries++ < (want ? 15000 : 50));
	return rc == 0 || (rc == -1 && errno != EAGAIN);
}

static void
breaches(void)
{
	static const struct {
		const char *name;
		uint32_t type, n;
		bool fd, want;
	} cases[] = {
		{ "a good request", ECHO, 4, false, false },
		{ "type 0", 0, 4, false, true },
		{ "an unknown type", 20, 4, false, true },
		{ "a type over 31", 33, 4, false, true },
		{ "a type of all ones", UINT32_MAX, 4, false, true },
		{ "too short", ECHO, 3, false, true },
		{ "empty", ECHO, 0, false, true },
		{ "too long", ECHO, 9, false, true },
		{ "fields that are left over", ECHO, 8, false, true },
		{ "64 KiB", ECHO, 65536, false, true },
		{ "as little as the table allows", LAX, 4, false, false },
		{ "as much as the table allows", LAX, 8, false, false },
		{ "less, to a handler that does not look", LAX, 3, false,
		    true },
		{ "more, to a handler that does not look", LAX, 9, false,
		    true },
		{ "a descriptor where none may be", ECHO, 4, true, true },
		{ "no descriptor where one must be", WITH_FD, 0, false, true },
		{ "a descriptor where one must be", WITH_FD, 0, true, false },
		{ "out of order", END, 0, false, true },
		{ "a handler that says no", BAD, 0, false, true },
	};
	int good = new_peer();
	uint32_t n, ended, before;

	ok(echo(good, &n, &before), "a peer that behaves");
	for (unsigned i = 0; i < NELEM(cases); i++) {
		int sock = new_peer();
		ok(breaks(sock, cases[i].type, cases[i].n, cases[i].fd,
		       cases[i].want) == cases[i].want,
		    "%s: %s", cases[i].name,
		    cases[i].want ? "the channel is closed" : "answered");
		close(sock);
		ok(echo(good, &n, &ended), "and the other is served");
	}
	ok(alone(good, &ended), "only the good one is left");
	ok(ended - before == NELEM(cases), "gone was called once for each");
	close(good);
}

static void
order(void)
{
	int sock = new_peer();
	uint32_t n, ended;

	ok(!breaks(sock, BEGIN, 0, false, false), "BEGIN");
	ok(!breaks(sock, END, 0, false, false), "and then END");
	ok(!breaks(sock, BEGIN, 0, false, false), "BEGIN");
	ok(breaks(sock, ECHO, 4, false, true), "and not END: closed");
	close(sock);
	sock = new_peer();
	ok(!breaks(sock, BEGIN, 0, false, false) &&
		breaks(sock, BEGIN, 0, false, true),
	    "BEGIN twice: closed");
	close(sock);
	/* Each peer has an order of its own. */
	int a = new_peer(), b = new_peer();
	ok(!breaks(a, BEGIN, 0, false, false) && breaks(b, END, 0, false, true),
	    "another peer's BEGIN is none of ours");
	ok(!breaks(a, END, 0, false, false) && echo(a, &n, &ended),
	    "and ours still counts");
	close(a);
	close(b);
}

static void
answers_later(void)
{
	int sock = new_peer(), other = new_peer();
	uint32_t n, ended;

	msg_start(&m, SLOW);
	ok(msg_send(sock, &m) == 0, "a slow request");
	ok(echo(other, &n, &ended), "nobody else waits");
	close(sock);
	sock = new_peer();
	/* At once: the answer must not be the first. */
	msg_start(&m, SLOW);
	bool sent = msg_send(sock, &m) == 0;
	msg_start(&m, ECHO);
	msg_put_u32(&m, 41);
	ok(sent && msg_send(sock, &m) == 0,
	    "a second request before the answer");
	int rc, tries = 0;
	do {
		usleep(2000);
		rc = msg_recv(sock, &m);
	} while (rc == -1 && errno == EAGAIN && ++tries < 10000);
	ok(rc == 0 || (rc == -1 && errno == ECONNRESET),
	    "is a breach: the channel is closed");
	usleep((SLOW_MS + 50) * 1000);
	ok(alone(other, &ended), "and the answer comes to nothing");
	close(sock);
	sock = new_peer();
	msg_start(&m, SLOW);
	ok(msg_call(sock, &m, 30000) && msg_get_u32(&m) == 99,
	    "who waits gets the slow answer");
	/* Going away while an answer is owed. */
	msg_start(&m, SLOW);
	msg_send(sock, &m);
	usleep(20000);
	close(sock);
	usleep(20000);
	ok(alone(other, &ended), "a peer that left is forgotten");
	usleep((SLOW_MS + 50) * 1000);
	ok(echo(other, &n, &ended), "its answer comes to nothing");
	sock = new_peer();
	msg_start(&m, SLOW);
	msg_send(sock, &m);
	usleep(20000);
	shutdown(sock, SHUT_WR);
	usleep(20000);
	ok(alone(other, &ended), "half a close is an end, too");
	close(sock);
	close(other);
}

/* One that floods and never reads is closed, and costs the others only turns.
 */
static void
flood(void)
{
	int bad = new_peer(), good = new_peer();
	uint32_t n, ended;
	bool served = true;
	unsigned sent = 0;

	for (unsigned i = 0; i < 200; i++) {
		for (unsigned j = 0; j < 500; j++) {
			msg_start(&m, ECHO);
			msg_put_u32(&m, 1);
			if (msg_send(bad, &m) == 0)
				sent++;
		}
		served = served && echo(good, &n, &ended);
	}
	ok(sent > 100, "%u requests of a flood were sent", sent);
	ok(served, "the other was served all the time");
	ok(alone(good, &ended), "who does not read is closed");
	close(bad);
	/* Descriptors that nobody takes. */
	bad = new_peer();
	for (unsigned i = 0; i < 50; i++) {
		msg_start(&m, GIVE);
		msg_send(bad, &m);
	}
	ok(echo(good, &n, &ended), "served beside one that hoards");
	close(bad);
	close(good);
}

int
main(void)
{
	int status;

	signal(SIGPIPE, SIG_IGN);
	start();
	breaches();
	order();
	answers_later();
	flood();
	close(control);
	ok(waitpid(role, &status, 0) == role && WIFEXITED(status) &&
		WEXITSTATUS(status) == 7,
	    "the role lived to its orderly end");
	return done_testing();
}
