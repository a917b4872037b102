/*
 * The life of a worker: wait for a client, serve it, wait again or exit.
 * Runs in: worker.
 *
 * All workers wait on the same listening sockets with EPOLLEXCLUSIVE, so that a
 * connection wakes one of them, and the last to have slept first: the others
 * stay cold.
 */
#define _GNU_SOURCE
#include "common/pool.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/network.h"

enum { VERDICT_MS = 2000 };

static const struct role *role;
static bool listening; /* this process still holds the listening sockets */

static void
stop_listening(void)
{
	for (unsigned i = 0; listening && i < role->listen_n; i++)
		close(role->listen_fd[i]);
	listening = false;
}

/* Reads all that the pool has said.  True: the session must end. */
bool
worker_stop(void *arg)
{
	struct worker *w = arg;
	bool end = false;

	while (w->ctl != -1) {
		int rc = msg_recv(w->ctl, &scratch);
		if (rc == -1 && errno == EAGAIN)
			break;
		if (rc != 1) {
			/* The pool has gone.  This session may end in peace,
			 * but the ports must be free for the next pool. */
			close_fd(&w->ctl);
			w->conn.stop_fd = -1;
			w->stopping = true;
			break;
		}
		close_fd(&scratch.fd);
		if (scratch.type == POOL_DROP)
			w->over_limit = end = true;
		if (scratch.type == POOL_END)
			end = true;
		if (scratch.type == POOL_FINISH)
			w->finishing = true;
		if (scratch.type != POOL_DROP && scratch.type != POOL_SERVE)
			w->stopping = true;
	}
	if (w->stopping)
		stop_listening();
	return end;
}

void
worker_title(struct worker *w, const char *what)
{
	proc_title("worker %s %s", w->client, what);
}

/* ---- who is the client ---- */

/* As 16 octets, IPv4 mapped, and as text. */
static void
describe(const struct sockaddr_storage *a, unsigned char raw[ADDRESS_OCTETS],
    char text[64], char port[8])
{
	const struct sockaddr_in *in = (const void *)a;
	const struct sockaddr_in6 *in6 = (const void *)a;
	bool internet = address_of(a, raw);

	snprintf(text, ADDRESS_TEXT, "unknown");
	if (internet)
		address_text(raw, text);
	snprintf(port, 8, "%u", !internet ? 0u :
	    ntohs(a->ss_family == AF_INET ? in->sin_port : in6->sin6_port));
}

static void
meet(struct worker *w, int fd, unsigned char raw[16])
{
	struct sockaddr_storage a = { 0 };
	socklen_t n = sizeof(a);
	unsigned char own[16];
	char port[8];
	int on = 1;

	if (getpeername(fd, (struct sockaddr *)&a, &n) == -1)
		a.ss_family = AF_UNSPEC;
	describe(&a, raw, w->client, w->client_port);
	a = (struct sockaddr_storage){ 0 };
	n = sizeof(a);
	if (getsockname(fd, (struct sockaddr *)&a, &n) == -1)
		a.ss_family = AF_UNSPEC;
	describe(&a, own, w->local, port);
	/* A client that vanished without a word is noticed in the end. */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/* The pool counts who serves whom; the client is greeted when it has said that
 * there is room.  A pool that is slow or gone is no reason to refuse. */
static void
wait_verdict(struct worker *w)
{
	struct pollfd p = { .fd = w->ctl, .events = POLLIN };

	while (w->ctl != -1 && poll(&p, 1, VERDICT_MS) == 1) {
		int rc = msg_recv(w->ctl, &scratch);
		if (rc != 1 || scratch.type == POOL_SERVE) {
			if (rc == 0)
				worker_stop(w); /* its end */
			return;
		}
		close_fd(&scratch.fd);
		w->over_limit |= scratch.type == POOL_DROP;
		w->stopping |= scratch.type != POOL_DROP;
		if (w->over_limit)
			return;
	}
}

static void
tell_pool(struct worker *w, uint32_t what, unsigned listener,
    const unsigned char raw[16])
{
	if (w->ctl == -1)
		return;
	msg_start(&scratch, what);
	if (what == POOL_BUSY) {
		msg_put_u32(&scratch, listener);
		msg_put_view(&scratch, (struct view){ (const char *)raw, 16 });
	}
	if (msg_send(w->ctl, &scratch) == -1)
		w->stopping = true; /* the pool does not read: let it see our
				     * end instead */
}

/* ---- serving ---- */

static bool
serve_one(struct worker *w, int fd, unsigned listener, session_serve *serve)
{
	unsigned char raw[16];

	meet(w, fd, raw);
	w->listener = &w->settings->listeners[listener];
	w->over_limit = false;
	tell_pool(w, POOL_BUSY, listener, raw);
	wait_verdict(w);
	conn_open(&w->conn, fd);
	w->conn.timeout_ms = (int)w->settings->command_timeout;
	w->conn.stop_fd = w->ctl;
	w->conn.stop = worker_stop;
	w->conn.stop_arg = w;
	log_gather(true);
	bool again = serve(w);
	log_gather(false);
	w->served++;
	return again;
}

/* Waits for a client; returns its descriptor and sets *listener, or -1: the
 * pool had something to say. */
static int
wait_client(int ep, struct worker *w, unsigned *listener)
{
	struct epoll_event ev;

	if (epoll_wait(ep, &ev, 1, -1) != 1)
		return -1;
	if (ev.data.u32 == UINT32_MAX) {
		worker_stop(w);
		return -1;
	}
	*listener = ev.data.u32;
	int fd = accept4(role->listen_fd[*listener], NULL, NULL,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd == -1 && (errno == EMFILE || errno == ENFILE)) {
		log_error("accept: %s", strerror(errno));
		w->stopping = true;
	}
	return fd;
}

static int
watch_all(const struct worker *w)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = UINT32_MAX };

	if (ep == -1 || epoll_ctl(ep, EPOLL_CTL_ADD, w->ctl, &ev) == -1)
		fatal("epoll: %s", strerror(errno));
	for (unsigned i = 0; i < role->listen_n; i++) {
		ev.events = EPOLLIN | EPOLLEXCLUSIVE;
		ev.data.u32 = i;
		if (epoll_ctl(ep, EPOLL_CTL_ADD, role->listen_fd[i], &ev) ==
		    -1)
			fatal("epoll on a listening socket: %s",
			    strerror(errno));
	}
	return ep;
}

noreturn void
worker_main(const struct role *r, struct worker *w, int fixed_fd,
    session_serve *serve)
{
	role = r;
	w->settings = r->settings;
	log_open(w->chan[ROLE_LOG], r->pop3 ? "pop3-login" : "smtpd");
	proc_title("worker idle");
	if (w->tls != NULL)
		tls_server_key_sock(w->tls, w->chan[ROLE_KEY]);
	sandbox_enter(r, ROLE_WORKER);
	if (fixed_fd != -1) {
		serve_one(w, fixed_fd, 0, serve);
		_exit(0);
	}
	listening = true;
	int ep = watch_all(w);
	while (!w->stopping) {
		unsigned listener = 0;
		int fd = wait_client(ep, w, &listener);
		if (fd == -1)
			continue;
		if (!serve_one(w, fd, listener, serve) ||
		    w->served >= (uint64_t)r->settings->sessions_per_worker)
			break;
		proc_title("worker idle");
		tell_pool(w, POOL_IDLE, 0, NULL);
		if (w->ctl == -1)
			break;
	}
	_exit(0);
}
