/* The connection: waits, stop, clients that stall or go (common/conn.c). */
#define _GNU_SOURCE
#include "common/conn.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/service.h"
#include "common/spare.h"
#include "t/unit/tap.h"

static struct conn conn; /* 32 KiB: not on the stack */

static int peer; /* the client's end */

static struct conn *
socket_open(int timeout_ms)
{
	int end[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, end) == -1)
		abort();
	peer = end[1];
	conn_open(&conn, end[0]);
	conn.timeout_ms = timeout_ms;
	return &conn;
}

static void
put(const char *s)
{
	if (write(peer, s, strlen(s)) != (ssize_t)strlen(s))
		abort();
}

static void
test_timeout(void)
{
	struct view v;
	struct conn *c = socket_open(60);
	int64_t t0 = now_ms();

	put("NOOP");
	ok(conn_line(c, 512, &v) == LINE_TIMEOUT && now_ms() - t0 >= 60 &&
		now_ms() - t0 < 10000,
	    "half a line: timeout");
	c->timeout_ms = 60000;
	c->deadline = now_ms() + 50;
	t0 = now_ms();
	ok(conn_line(c, 512, &v) == LINE_TIMEOUT && now_ms() - t0 < 10000,
	    "the deadline cuts a wait short");
	put("\r\n");
	ok(conn_line(c, 512, &v) == LINE_TIMEOUT,
	    "after the deadline nothing is read");
	c->deadline = 0;
	c->timeout_ms = 0;
	ok(conn_line(c, 512, &v) == LINE_OK && view_eqs(v, "NOOP"),
	    "timeout 0 takes what is there");
	ok(conn_line(c, 512, &v) == LINE_TIMEOUT, "and waits for nothing");
	conn_writes(c, "421 4.4.2 Timeout\r\n");
	c->deadline = now_ms() - 10;
	char buf[64];
	ok(conn_flush(c) && read(peer, buf, sizeof(buf)) == 19,
	    "a farewell gets out after the deadline");
	conn_close(c);
	close(peer);
}

/* A child that writes one octet every 10 ms until it is killed. */
static pid_t
dribbler(void)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	for (;;) {
		if (send(peer, "a", 1, MSG_NOSIGNAL) != 1)
			_exit(0);
		poll(NULL, 0, 10);
	}
}

static void
test_dribble(void)
{
	struct view v;
	struct conn *c = socket_open(150);
	pid_t pid = dribbler();
	int64_t t0 = now_ms();

	ok(conn_line(c, 512, &v) == LINE_TIMEOUT && now_ms() - t0 >= 150 &&
		now_ms() - t0 < 10000,
	    "dribbled octets do not stretch the timeout");
	t0 = now_ms();
	ok(conn_line(c, 4, &v) == LINE_TIMEOUT && now_ms() - t0 < 10000,
	    "nor those of an overlong line");
	c->deadline = now_ms() + 100;
	enum line_status st = LINE_OK;
	t0 = now_ms();
	while (st == LINE_OK)
		st = conn_some(c, 512, &v);
	ok(st == LINE_TIMEOUT && now_ms() - t0 < 10000,
	    "nor the deadline of content");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	conn_close(c);
	close(peer);
}

/* A client that never stops sending and is never waited for. */
static void
test_firehose(void)
{
	struct view v;
	struct conn *c = socket_open(1000);
	pid_t pid = fork();

	if (pid == 0) {
		char noops[600];
		for (size_t i = 0; i < sizeof(noops); i += 6)
			memcpy(noops + i, "NOOP\r\n", 6);
		while (send(peer, noops, sizeof(noops), MSG_NOSIGNAL) > 0)
			;
		_exit(0);
	}
	enum line_status st = LINE_OK;
	int64_t t0 = now_ms();
	c->deadline = t0 + 100;
	while (st == LINE_OK)
		st = conn_line(c, 512, &v);
	ok(st == LINE_TIMEOUT && now_ms() - t0 < 10000,
	    "the deadline ends a client that never pauses");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	conn_close(c);
	close(peer);
}

static void
test_never_reads(void)
{
	static char big[1 << 20];
	struct conn *c = socket_open(60);
	struct view v;
	int64_t t0 = now_ms();

	conn_write(c, big, sizeof(big));
	ok(c->failed && now_ms() - t0 >= 60 && now_ms() - t0 < 10000,
	    "a client that does not read is given up");
	c->timeout_ms = 20000;
	t0 = now_ms();
	conn_write(c, big, sizeof(big));
	ok(!conn_flush(c) && now_ms() - t0 < 10000 && c->out_n == 0,
	    "later output is void and costs no wait");
	put("QUIT\r\n");
	ok(conn_line(c, 512, &v) == LINE_ERROR, "and no command is taken");
	conn_close(c);
	close(peer);

	c = socket_open(150);
	pid_t pid = fork();
	if (pid == 0) {
		char b[1];
		while (read(peer, b, 1) == 1)
			poll(NULL, 0, 5);
		_exit(0);
	}
	t0 = now_ms();
	conn_write(c, big, sizeof(big));
	conn_flush(c);
	ok(c->failed && now_ms() - t0 < 10000,
	    "so is one that reads an octet now and then");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	conn_close(c);
	close(peer);
}

static void
test_gone(void)
{
	struct view v;
	struct conn *c = socket_open(1000);

	put("QUIT\r\n");
	close(peer);
	ok(conn_line(c, 512, &v) == LINE_OK, "sent before the end: read");
	conn_writes(c, "221 Bye\r\n");
	ok(conn_line(c, 512, &v) == LINE_ERROR && c->failed,
	    "writing to a client that is gone fails without SIGPIPE");
	conn_close(c);

	c = socket_open(1000);
	put("QUIT\r\n");
	shutdown(peer, SHUT_WR);
	ok(conn_line(c, 512, &v) == LINE_OK && !conn_pending(c) &&
		conn_line(c, 512, &v) == LINE_EOF,
	    "a half-closed connection ends in LINE_EOF");
	conn_writes(c, "221 Bye\r\n");
	conn_close(c);
	char buf[64];
	ok(read(peer, buf, sizeof(buf)) == 9, "and still gets its reply");
	close(peer);

	c = socket_open(1000);
	put("1\r\n2\r\n3\r\n");
	conn_line(c, 512, &v);
	put("4\r\n");
	conn_writes(c, "421 Bye\r\n");
	conn_close(c);
	ok(read(peer, buf, sizeof(buf)) == 9 &&
		read(peer, buf, sizeof(buf)) == 0,
	    "unread input does not cost the client its last reply");
	close(peer);
}

/* ---- stop ---- */

static int stop_pipe[2];
static bool stop_answer;
static unsigned stops;

static bool
stop_look(void *arg)
{
	char b[8];

	ok(arg == &conn, "stop() gets its argument");
	stops++;
	if (read(stop_pipe[0], b, sizeof(b)) < 0)
		return true;
	return stop_answer;
}

static void
test_stop(void)
{
	struct view v;
	struct conn *c = socket_open(80);

	if (pipe2(stop_pipe, O_CLOEXEC) == -1)
		abort();
	c->stop_fd = stop_pipe[0];
	c->stop = stop_look;
	c->stop_arg = c;
	put("1\r\n");
	ok(conn_line(c, 512, &v) == LINE_OK && stops == 0, "no word: no stop");
	ok(write(stop_pipe[1], "x", 1) == 1 &&
		conn_line(c, 512, &v) == LINE_TIMEOUT && stops == 1,
	    "a word that does not mean stop");
	stop_answer = true;
	put("2\r\n");
	ok(write(stop_pipe[1], "x", 1) == 1 &&
		conn_line(c, 512, &v) == LINE_STOP,
	    "stop comes before input that waits in the socket");
	ok(conn_line(c, 512, &v) == LINE_OK && view_eqs(v, "2"),
	    "which is not lost");
	stop_answer = false;
	stops = 0;
	close(stop_pipe[1]);
	ok(conn_line(c, 512, &v) == LINE_TIMEOUT && stops == 1,
	    "the end of stop_fd is told once and is no busy loop");
	close(stop_pipe[0]);
	conn_close(c);
	close(peer);
}

/* ---- kinds of descriptor ---- */

static void
test_tcp(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int on = 0;
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	bind(l, (struct sockaddr *)&sin, sizeof(sin));
	getsockname(l, (struct sockaddr *)&sin, &len);
	listen(l, 1);
	peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(peer, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		abort();
	conn_open(&conn, accept(l, NULL, NULL));
	len = sizeof(on);
	getsockopt(conn.fd, IPPROTO_TCP, TCP_NODELAY, &on, &len);
	ok(on == 1 && (fcntl(conn.fd, F_GETFL) & O_NONBLOCK),
	    "TCP: no delay, non-blocking");
	conn_close(&conn);
	ok(conn.fd == -1, "closed");
	close(peer);
	close(l);
}

static void
test_pipe(void)
{
	int end[2];
	struct view v;

	if (pipe2(end, O_CLOEXEC) == -1)
		abort();
	int keep = dup(end[0]);
	conn_open(&conn, end[0]);
	peer = end[1];
	put("NOOP\r\n");
	ok(conn_line(&conn, 512, &v) == LINE_OK && view_eqs(v, "NOOP"),
	    "a pipe is read");
	close(peer);
	ok(conn_line(&conn, 512, &v) == LINE_EOF, "up to its end");
	conn_close(&conn);
	ok((fcntl(keep, F_GETFL) & O_NONBLOCK) == 0,
	    "whoever shares it finds it as it was");
	close(keep);
}

/* Pages of the input buffer that are in memory. */
static unsigned
resident(const struct conn *c)
{
	unsigned char in[CONN_IN / 4096 + 1];
	uintptr_t from = ((uintptr_t)c->in + 4095) & ~(uintptr_t)4095;
	size_t n = (CONN_IN - 4096) / 4096;
	unsigned sum = 0;

	if (mincore((void *)from, n * 4096, in) == -1)
		abort();
	for (size_t i = 0; i < n; i++)
		sum += in[i] & 1;
	return sum;
}

/* A client that is silent for long costs no buffer, and loses nothing. */
static void
test_rest(void)
{
	static char line[12003];
	static char *piece[300];
	unsigned n;
	struct view v;
	struct conn *c = socket_open(60000);

	memset(line, 'x', sizeof(line) - 1);
	memcpy(line + 12000, "\r\n", 3);
	put(line);
	put("NO");
	ok(conn_line(c, 12288, &v) == LINE_OK && v.n == 12000,
	    "a long line fills the buffer");
	ok(resident(c) > 1, "which then is in memory");
	spare_heap_from();
	const char *before = sbrk(0);
	for (n = 0; n < 300 && sbrk(0) == before; n++)
		if ((piece[n] = malloc(1000)) == NULL)
			abort();
	while (n > 0)
		free(piece[--n]);
	const char *grown = sbrk(0);
	c->timeout_ms = 900;
	ok(conn_line(c, 12288, &v) == LINE_TIMEOUT, "silence");
	/* a sanitizer's heap is elsewhere */
	ok(grown == before || (const char *)sbrk(0) < grown,
	    "what the heap has grown by is given back");
	ok(resident(c) <= 1, "after it the buffer is not");
	c->timeout_ms = 60000;
	put("OP\r\nRSET\r\n");
	ok(conn_line(c, 12288, &v) == LINE_OK && view_eqs(v, "NOOP"),
	    "half a line was kept meanwhile");
	ok(conn_line(c, 12288, &v) == LINE_OK && view_eqs(v, "RSET"),
	    "and the buffer is of use again");
	conn_close(c);
	close(peer);
}

/* Nor does the log wait for a client that takes its time. */
static void
test_rest_log(void)
{
	char text[200];
	int end[2];
	struct view v;
	struct conn *c = socket_open(900);

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, end) == -1)
		abort();
	log_open(end[0], "t");
	log_gather(true);
	log_info("a line");
	ok(recv(end[1], text, sizeof(text), MSG_DONTWAIT) == -1,
	    "a log line is gathered");
	ok(conn_line(c, 512, &v) == LINE_TIMEOUT &&
		recv(end[1], text, sizeof(text), MSG_DONTWAIT) > 0,
	    "it goes out while the client is silent");
	log_gather(false);
	log_open(-1, "t");
	close(end[0]);
	close(end[1]);
	conn_close(c);
	close(peer);
}

int
main(void)
{
	alarm(120); /* a wait without an end is a failure */
	test_timeout();
	test_rest();
	test_rest_log();
	test_dribble();
	test_firehose();
	test_never_reads();
	test_gone();
	test_stop();
	test_tcp();
	test_pipe();
	return done_testing();
}
