/* The loop of a role: what may be asked when, who is dropped, who waits. */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/role.h"
#include "common/service.h"
#include "t/unit/tap.h"

enum { FIRST = 1, SECOND = 2, LATE = 3, WITH_FD = 4, NOTHING = 5 };

static struct msg m, out;
static int gone_count;

static enum answer
echo(struct peer *p, struct msg *rq, struct msg *rp)
{
	(void)p;
	uint32_t u = msg_get_u32(rq);
	if (!msg_done(rq))
		return ANSWER_DROP;
	msg_put_u32(rp, u + 1);
	return ANSWER;
}

static void
late_due(void *arg)
{
	uint64_t *id = arg;
	struct peer *p = service_find(*id);

	if (p != NULL) {
		msg_start(&out, 0);
		msg_put_u32(&out, 77);
		peer_answer(p, &out);
	}
	free(id);
}

static enum answer
late(struct peer *p, struct msg *rq, struct msg *rp)
{
	uint64_t *id = malloc(sizeof(*id));

	(void)rq;
	(void)rp;
	*id = p->id;
	timer_add(50, late_due, id);
	return ANSWER_LATER;
}

static enum answer
nothing(struct peer *p, struct msg *rq, struct msg *rp)
{
	(void)p;
	(void)rq;
	(void)rp;
	return ANSWER_NONE;
}

static void
gone(struct peer *p)
{
	(void)p;
	gone_count++;
}

static const uint32_t any =
    BIT(FIRST) | BIT(LATE) | BIT(WITH_FD) | BIT(NOTHING);
static const struct request requests[] = {
	{ FIRST, 4, 4, false, BIT(SECOND), echo, "first" },
	{ SECOND, 4, 8, false, BIT(FIRST), echo, "second" },
	{ LATE, 0, 0, false, BIT(FIRST) | BIT(LATE), late, "late" },
	{ WITH_FD, 4, 4, true, BIT(FIRST), echo, "fd" },
	{ NOTHING, 0, 4, false, BIT(FIRST) | BIT(NOTHING), nothing, "none" },
};
static struct service service = { "test", requests, NELEM(requests), 0, gone };

static void
add(int sock, const struct intro *in)
{
	(void)in;
	service_add(sock, &service, NULL);
}

static void
stop_now(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
	service_stop();
}

/* The role: in a process of its own, so that it can only be spoken to. */
static pid_t
start(int *intro, int *stop)
{
	int a[2], b[2];

	channel_pair(a);
	channel_pair(b);
	pid_t pid = fork();
	if (pid == 0) {
		close(a[0]);
		close(b[0]);
		log_level_set(LOG_LVL_ERROR);
		service_init();
		service.first = any;
		service_introductions(a[1], add);
		watch_add(b[1], POLLIN, stop_now, NULL);
		service_run();
		_exit(gone_count);
	}
	close(a[1]);
	close(b[1]);
	*intro = a[0];
	*stop = b[0];
	return pid;
}

static int intro_sock, stop_sock;

static int
new_peer(void)
{
	struct intro in = { .kind = INTRO_WORKER };

	return introduce(intro_sock, &in);
}

/* Asks; the number in the answer, -1 when the channel was closed instead. */
static long
ask(int s, uint32_t type, unsigned words, int fd)
{
	msg_start(&m, type);
	for (unsigned i = 0; i < words; i++)
		msg_put_u32(&m, 41);
	m.fd = fd == -1 ? -1 : dup(fd);
	if (!msg_call(s, &m, 3000))
		return -1;
	return (long)msg_get_u32(&m);
}

static void
table(void)
{
	static const struct {
		const char *name;
		uint32_t type;
		unsigned words;
		int fd;
		long want;
	} cases[] = {
		{ "a request", FIRST, 1, -1, 42 },
		{ "out of order", SECOND, 1, -1, -1 },
		{ "too short", FIRST, 0, -1, -1 },
		{ "too long", FIRST, 2, -1, -1 },
		{ "unknown", 9, 1, -1, -1 },
		{ "type 0", 0, 1, -1, -1 },
		{ "type 33, which is 1 modulo 32", 33, 1, -1, -1 },
		{ "the largest type", UINT32_MAX, 1, -1, -1 },
		{ "a descriptor where none belongs", FIRST, 1, 0, -1 },
		{ "no descriptor where one belongs", WITH_FD, 1, -1, -1 },
		{ "a descriptor where one belongs", WITH_FD, 1, 0, 42 },
	};
	for (unsigned i = 0; i < NELEM(cases); i++) {
		int s = new_peer();
		long got = ask(s, cases[i].type, cases[i].words, cases[i].fd);
		ok(got == cases[i].want, "%s", cases[i].name);
		close(s);
	}
	int s = new_peer();
	ok(ask(s, FIRST, 1, -1) == 42 && ask(s, SECOND, 1, -1) == 42 &&
		ask(s, FIRST, 1, -1) == 42,
	    "the table's order may go round");
	ok(ask(s, FIRST, 1, -1) == -1, "but not otherwise");
	close(s);
	s = new_peer();
	ok(ask(s, FIRST, 1, -1) == 42 && ask(s, SECOND, 2, -1) == -1,
	    "a field left unread is a breach");
	close(s);
}

/* Nobody waits for one who is owed an answer, floods, or does not read. */
static void
others(void)
{
	int slow = new_peer(), flood = new_peer(), s = new_peer();

	msg_start(&m, LATE);
	msg_send(slow, &m);
	msg_start(&m, NOTHING);
	for (int i = 0; i < 1000; i++)
		msg_send(flood, &m);
	ok(ask(s, FIRST, 1, -1) == 42, "served while others wait and flood");
	ok(ask(s, SECOND, 1, -1) == 42, "again");
	struct pollfd p = { .fd = slow, .events = POLLIN };
	ok(poll(&p, 1, 30000) == 1 && msg_recv(slow, &m) == 1 &&
		msg_get_u32(&m) == 77,
	    "the late answer comes");
	msg_start(&m, LATE);
	msg_send(slow, &m);
	msg_send(slow, &m);
	poll(&p, 1, 30000);
	ok(msg_recv(slow, &m) != 1, "who does not wait for it is dropped");
	close(slow);
	slow = new_peer();
	/* Gone while an answer is owed. */
	msg_start(&m, LATE);
	msg_send(slow, &m);
	close(slow);
	shutdown(flood, SHUT_RD);
	usleep(100000);
	ok(ask(s, FIRST, 1, -1) == 42, "an asker that went away harms nobody");
	close(flood);
	close(s);
}

int
main(void)
{
	int status;

	signal(SIGPIPE, SIG_IGN);
	pid_t pid = start(&intro_sock, &stop_sock);
	table();
	others();
	int s = new_peer();
	msg_start(&m, LATE);
	msg_send(s, &m);
	/* When others have their answers, this was asked. */
	ask(new_peer(), FIRST, 1, -1);
	ask(new_peer(), FIRST, 1, -1);
	(void)!write(stop_sock, "x", 1);
	struct pollfd p = { .fd = s, .events = POLLIN };
	ok(poll(&p, 1, 30000) == 1 && msg_recv(s, &m) == 1,
	    "an owed answer is given before the end");
	waitpid(pid, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) > 10,
	    "it ended in order; gone() was called for those who left");
	return done_testing();
}
