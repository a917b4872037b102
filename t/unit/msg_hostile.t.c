/* A hostile or broken peer at the other end of a channel. */
#define _GNU_SOURCE
#include "common/msg.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "t/unit/tap.h"

static struct msg m, r;
static int end[2];

static unsigned
open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	if (d == NULL)
		abort();
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
open_channel(void)
{
	if (channel_pair(end) == -1)
		abort();
}

static void
close_channel(void)
{
	close_fd(&end[0]);
	close_fd(&end[1]);
}

/* Sends data and that many descriptors, as a hostile peer might. */
static void
send_raw(const void *p, size_t n, unsigned fds)
{
	union {
		struct cmsghdr h;
		char b[CMSG_SPACE(253 * sizeof(int))];
	} cb;
	struct iovec iov = { (void *)(uintptr_t)p, n };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	memset(&cb, 0, sizeof(cb));
	if (fds > 0) {
		mh.msg_control = cb.b;
		mh.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		cb.h.cmsg_level = SOL_SOCKET;
		cb.h.cmsg_type = SCM_RIGHTS;
		cb.h.cmsg_len = CMSG_LEN(fds * sizeof(int));
		for (unsigned i = 0; i < fds; i++)
			memcpy(CMSG_DATA(&cb.h) + i * sizeof(int), &(int){ 0 },
			    sizeof(int));
	}
	if (sendmsg(end[0], &mh, MSG_NOSIGNAL) == -1)
		abort();
}

/* A peer that sends what no message is.  No descriptor may leak. */
static void
not_messages(void)
{
	static char big[MSG_DATA_MAX + 100];
	static const unsigned counts[] = { 0, 1, 2, 3, 253 };
	unsigned before;

	open_channel();
	before = open_fds();
	for (unsigned i = 0; i < NELEM(counts); i++) {
		unsigned n = counts[i];
		uint32_t type = 3;
		send_raw(&type, sizeof(type), n);
		int rc = msg_recv(end[1], &r);
		if (n <= 1)
			ok(rc == 1 && (r.fd != -1) == (n == 1),
			    "%u descriptors: taken", n);
		else
			ok(rc == -1 && errno == EBADMSG && r.fd == -1,
			    "%u descriptors: not a message", n);
		msg_wipe(&r);
		ok(open_fds() == before, "%u descriptors: none leaks", n);
		send_raw("abc", 3, n);
		ok(msg_recv(end[1], &r) == -1 && errno == EBADMSG &&
			r.fd == -1 && open_fds() == before,
		    "too short, %u descriptors", n);
		send_raw(big, sizeof(big), n);
		ok(msg_recv(end[1], &r) == -1 && errno == EBADMSG &&
			r.fd == -1 && open_fds() == before,
		    "too long, %u descriptors", n);
	}
	send_raw(&(uint32_t){ 3 }, 4, 1);
	ok(msg_recv(end[1], &r) == 1 &&
		(fcntl(r.fd, F_GETFD) & FD_CLOEXEC) != 0,
	    "a descriptor comes with close-on-exec");
	msg_wipe(&r);
	send_raw(big, MSG_DATA_MAX + 4, 0);
	ok(msg_recv(end[1], &r) == 1 && r.len == MSG_DATA_MAX,
	    "the longest message");
	close_fd(&end[0]);
	ok(msg_recv(end[1], &r) == 0, "the other end has gone");
	close_channel();
}

static void
passing_descriptors(void)
{
	int p[2];

	open_channel();
	if (pipe(p) == -1)
		abort();
	msg_start(&m, 2);
	m.fd = p[1];
	ok(msg_send(end[0], &m) == 0 && fcntl(p[1], F_GETFD) != -1,
	    "a descriptor is sent and stays open");
	ok(msg_recv(end[1], &r) == 1 && r.fd != -1 && r.fd != p[1],
	    "its copy arrives");
	ok(write(r.fd, "x", 1) == 1, "and works");
	unsigned before = open_fds();
	msg_wipe(&r);
	ok(open_fds() == before - 1 && r.fd == -1, "msg_wipe closes it");
	close(p[0]);
	close(p[1]);
	close_channel();
}

static int64_t
ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Answers like: 0 right, 1 another type, 2 not at all, 3 goes away. */
static pid_t
answer_like(int how)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	struct pollfd pf = { .fd = end[1], .events = POLLIN };
	close_fd(&end[0]);
	if (poll(&pf, 1, 60000) == 1 && msg_recv(end[1], &r) == 1 && how < 2) {
		uint32_t u = msg_get_u32(&r);
		msg_start(&m, r.type + (uint32_t)how);
		msg_put_u32(&m, u + 1);
		msg_send(end[1], &m);
	}
	while (how != 3)
		pause(); /* until we are killed */
	_exit(0);
}

static void
calls(void)
{
	static const struct {
		const char *name;
		int how;
		bool want;
	} cases[] = {
		{ "an answer", 0, true },
		{ "an answer of another type", 1, false },
		{ "no answer", 2, false },
		{ "the role goes away", 3, false },
	};

	for (unsigned i = 0; i < NELEM(cases); i++) {
		open_channel();
		pid_t pid = answer_like(cases[i].how);
		close_fd(&end[1]);
		msg_start(&m, 5);
		msg_put_u32(&m, 41);
		m.fd = dup(0);
		int sent_fd = m.fd;
		int64_t t = ms();
		int most = cases[i].how == 2 ? 300 : 60000;
		bool good = msg_call(end[0], &m, most);
		ok(good == cases[i].want, "call: %s", cases[i].name);
		ok(ms() - t < 30000, "in time");
		ok(fcntl(sent_fd, F_GETFD) == -1, "the fd is closed here");
		if (good)
			ok(msg_get_u32(&m) == 42 && msg_done(&m),
			    "the answer is in m");
		else
			ok(m.fd == -1 && m.len == 0, "m is empty");
		msg_wipe(&m);
		close_channel();
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

/* A peer that does not read: sending fails and does not wait. */
static void
full_channel(void)
{
	unsigned n = 0;

	open_channel();
	msg_start(&m, 1);
	msg_put_u32(&m, 1);
	while (n < 1000000 && msg_send(end[0], &m) == 0)
		n++;
	ok(n > 0 && n < 1000000 && errno == EAGAIN,
	    "a full channel says EAGAIN");
	int64_t t = ms();
	ok(!msg_call(end[0], &m, 100) && ms() - t >= 90 && ms() - t < 1000,
	    "a call into it ends in time");
	close_channel();
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	not_messages();
	passing_descriptors();
	calls();
	full_channel();
	return done_testing();
}
