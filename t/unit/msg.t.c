/* Messages on channels: fields, descriptors, refusals. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/msg.h"
#include "t/unit/tap.h"

static struct msg m, x;

static int
open_fds(void)
{
	int n = 0;
	DIR *d = opendir("/proc/self/fd");

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
fields(void)
{
	char s[8];

	msg_start(&m, 7);
	msg_put_u32(&m, 0xdeadbeef);
	msg_put_u64(&m, UINT64_MAX - 1);
	msg_put_str(&m, "hello");
	msg_put_view(&m, (struct view){ "a\0b", 3 });
	ok(!m.bad, "fields fit");
	ok(msg_get_u32(&m) == 0xdeadbeef, "u32");
	ok(msg_get_u64(&m) == UINT64_MAX - 1, "u64");
	ok(msg_get_str(&m, s, sizeof(s)) && strcmp(s, "hello") == 0, "str");
	ok(!msg_done(&m), "not done before the last field");
	ok(view_eq(msg_get_view(&m, 3), (struct view){ "a\0b", 3 }),
	    "a view holds NUL");
	ok(msg_done(&m), "done");
	msg_get_u32(&m);
	ok(m.bad && !msg_done(&m), "reading past the end is bad");
}

static void
refusals(void)
{
	char s[4];

	msg_start(&m, 1);
	msg_put_str(&m, "four");
	ok(!msg_get_str(&m, s, sizeof(s)) && m.bad, "a string too long is bad");
	msg_start(&m, 1);
	msg_put_view(&m, (struct view){ "a\0b", 3 });
	ok(!msg_get_str(&m, s, sizeof(s)), "a string with NUL is bad");
	msg_start(&m, 1);
	msg_put_u32(&m, UINT32_MAX);
	ok(msg_get_view(&m, UINT32_MAX).n == 0 && m.bad,
	    "a length beyond the message is bad");
	msg_start(&m, 1);
	for (int i = 0; i < 20000; i++)
		msg_put_u32(&m, 1);
	ok(m.bad && m.len == MSG_DATA_MAX, "too many fields are bad");
	ok(msg_send(0, &m) == -1 && errno == EMSGSIZE, "and are not sent");
}

static void
send_fds(int sock, unsigned n, size_t octets)
{
	static char control[CMSG_SPACE(253 * sizeof(int))]
	    __attribute__((aligned(16)));
	char data[16] = { 5 };
	struct iovec iov = { data, octets };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (n > 0) {
		mh.msg_control = control;
		mh.msg_controllen = CMSG_LEN(n * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		for (unsigned i = 0; i < n; i++)
			memcpy(
			    CMSG_DATA(c) + i * sizeof(int), &null, sizeof(int));
	}
	sendmsg(sock, &mh, 0);
	close(null);
}

static void
descriptors(void)
{
	static const struct {
		unsigned n;
		size_t octets;
		int want;
		bool fd;
	} cases[] = { { 0, 8, 1, false }, { 1, 8, 1, true },
		{ 2, 8, -1, false }, { 3, 8, -1, false }, { 253, 8, -1, false },
		{ 0, 3, -1, false }, { 1, 3, -1, false }, { 2, 0, -1, false },
		{ 1, 0, -1, false } };
	int end[2];

	for (unsigned i = 0; i < NELEM(cases); i++) {
		ok(channel_pair(end) == 0, "a channel");
		int before = open_fds();
		send_fds(end[0], cases[i].n, cases[i].octets);
		int rc = msg_recv(end[1], &m);
		ok(rc == cases[i].want && (rc != -1 || errno == EBADMSG) &&
			(m.fd != -1) == cases[i].fd,
		    "%u descriptors and %zu octets", cases[i].n,
		    cases[i].octets);
		if (m.fd != -1)
			ok(fcntl(m.fd, F_GETFD) == FD_CLOEXEC, "close-on-exec");
		close_fd(&m.fd);
		ok(open_fds() == before, "none leaks");
		ok(msg_recv(end[1], &m) == -1 && errno == EAGAIN,
		    "nothing more is there");
		close(end[0]);
		ok(msg_recv(end[1], &m) == 0, "then the end");
		close(end[1]);
	}
}

static void
calls(void)
{
	int end[2];

	channel_pair(end);
	msg_start(&x, 3);
	msg_put_str(&x, "question");
	ok(!msg_call(end[0], &x, 10), "no answer in time");
	channel_pair(end);
	pid_t pid = fork();
	if (pid == 0) {
		close(end[0]);
		while (msg_recv(end[1], &m) != 1)
			usleep(1000);
		msg_start(&m, 4);
		msg_send(end[1], &m);
		_exit(0);
	}
	close(end[1]);
	msg_start(&x, 3);
	ok(!msg_call(end[0], &x, 5000) && x.fd == -1,
	    "the answer to another question is none");
	waitpid(pid, NULL, 0);
	msg_start(&x, 3);
	ok(!msg_call(end[0], &x, 5000), "nobody is there any more");
	close(end[0]);
}

int
main(void)
{
	fields();
	refusals();
	descriptors();
	calls();
	return done_testing();
}
