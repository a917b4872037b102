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
#include "common/service.h"
#include "common/spare.h"
#include "common/worker_client.h"

enum { VERDICT_MS = 2000 };

static const struct role *role;
static bool counted;   /* somebody may ask the pool for what happens */
static bool listening; /* this process still holds the listening sockets */

static void
stop_listening(void)
{
	for (unsigned i = 0; listening && i < role->listen_n; i++)
		close(role->listen_fd[i]);
	listening = false;
}

static void
take_channel(struct worker *w)
{
	uint32_t to = msg_get_u32(&scratch);

	if (to >= ROLE__N || w->chan[to] != -1)
		return;
	w->chan[to] = scratch.fd;
	scratch.fd = -1;
}

/* Answers come in the order of the questions: one that is late is none to what
 * was asked since. */
static void
take_answer(struct worker *w)
{
	bool late = w->late > 0;

	if (scratch.type == POOL_CHANNEL)
		take_channel(w);
	if (late) {
		w->late--;
		return;
	}
	w->asked = false;
	if (scratch.type == POOL_CHANNEL)
		return;
	w->refused = scratch.type == POOL_DROP;
	w->too_fast = msg_get_u32(&scratch) != 0;
	w->came = msg_get_u32(&scratch);
}

/* Reads all that the pool has said.  True: the session must end. */
static bool
hear_pool(struct worker *w)
{
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
		if (scratch.type == POOL_DROP || scratch.type == POOL_SERVE ||
		    scratch.type == POOL_CHANNEL)
			take_answer(w);
		close_fd(&scratch.fd);
		if (scratch.type == POOL_END)
			end = true;
		if (scratch.type == POOL_FINISH)
			w->finishing = true;
		if (scratch.type == POOL_STOP || scratch.type == POOL_FINISH ||
		    scratch.type == POOL_END)
			w->stopping = true;
	}
	if (w->stopping)
		stop_listening();
	return end;
}

bool
worker_stop(void *arg)
{
	struct worker *w = arg;
	bool end = hear_pool(w) || w->end_soon;

	w->end_soon = false;
	return end;
}

void
worker_title(struct worker *w, const char *what)
{
	proc_title("worker %s %s%s%s", w->client, what,
	    w->user[0] == '\0' ? "" : " ", w->user);
}

/* ---- what the pool hears ---- */

/* Sends what was put into scratch. */
static bool
tell_pool(struct worker *w)
{
	bool sent = w->ctl != -1 && msg_send(w->ctl, &scratch) == 0;

	if (w->ctl != -1 && !sent)
		w->stopping = true; /* the pool does not read: let it see our
				     * end instead */
	scratch.fd = -1;	    /* borrowed, if there was one */
	return sent;
}

/* Tells it, and waits for what it says.  A pool that is slow or gone is no
 * reason to refuse. */
static bool
ask_pool(struct worker *w)
{
	struct pollfd p = { .events = POLLIN };

	w->refused = false;
	w->asked = tell_pool(w);
	while (w->asked && w->ctl != -1) {
		p.fd = w->ctl;
		if (poll(&p, 1, VERDICT_MS) != 1) {
			w->late++;
			break;
		}
		/* An order to end is kept for the next command. */
		w->end_soon |= hear_pool(w);
	}
	w->asked = false;
	return !w->refused;
}

int
worker_channel(struct worker *w, enum role_id to)
{
	if (w->chan[to] == -1 && w->ctl != -1 && (w->given & BIT(to)) == 0) {
		w->given |= BIT(to);
		msg_start(&scratch, POOL_CHANNEL);
		msg_put_u32(&scratch, to);
		ask_pool(w);
	}
	return w->chan[to];
}

static bool
ask_client(struct worker *w, const unsigned char key[16])
{
	msg_start(&scratch, POOL_CLIENT);
	msg_put_view(&scratch, (struct view){ (const char *)key, 16 });
	return ask_pool(w);
}

void
worker_announce(struct worker *w, const char *client, const char *port,
    const unsigned char key[16])
{
	snprintf(w->client, sizeof(w->client), "%s", client);
	snprintf(w->client_port, sizeof(w->client_port), "%s", port);
	w->over_limit = !ask_client(w, key);
}

bool
worker_message(struct worker *w)
{
	if (w->settings->message_rate.n == 0)
		return true;
	msg_start(&scratch, POOL_MESSAGE);
	return ask_pool(w);
}

void
worker_event(struct worker *w, enum worker_event e)
{
	if (!counted)
		return;
	msg_start(&scratch, POOL_EVENT);
	msg_put_u32(&scratch, e);
	tell_pool(w);
}

void
worker_login(struct worker *w, const char *user)
{
	snprintf(w->user, sizeof(w->user), "%s", user);
	worker_event(w, WORKER_LOGIN);
}

/* ---- serving ---- */

static bool
serve_one(struct worker *w, int fd, unsigned listener, session_serve *serve)
{
	unsigned char key[16];
	bool known = false, good = true, again = false;

	w->listener = &w->settings->listeners[listener];
	client_meet(w, fd);
	w->end_soon = false;
	w->user[0] = '\0';
	msg_start(&scratch, POOL_BUSY);
	msg_put_u32(&scratch, listener);
	scratch.fd = fd;
	w->over_limit = !ask_pool(w);
	conn_open(&w->conn, fd);
	w->conn.timeout_ms = (int)w->settings->command_timeout;
	w->conn.stop_fd = w->ctl;
	w->conn.stop = worker_stop;
	w->conn.stop_arg = w;
	log_gather(true);
	if (w->listener->proxy)
		good = client_proxied(w, key, &known);
	if (known)
		w->over_limit = !ask_client(w, key);
	if (good)
		again = serve(w);
	else
		conn_close(&w->conn);
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
		if (epoll_ctl(ep, EPOLL_CTL_ADD, role->listen_fd[i], &ev) == -1)
			fatal(
			    "epoll on a listening socket: %s", strerror(errno));
	}
	return ep;
}

noreturn void
worker_main(
    const struct role *r, struct worker *w, int fixed_fd, session_serve *serve)
{
	role = r;
	for (unsigned i = 0; i < r->settings->listener_n; i++)
		counted |= r->settings->listeners[i].type == LISTEN_CONTROL;
	w->settings = r->settings;
	log_open(w->chan[ROLE_LOG], r->pop3 ? "pop3-login" : "smtpd");
	spare_heap_from();
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
		msg_start(&scratch, POOL_IDLE);
		tell_pool(w);
		if (w->ctl == -1)
			break;
	}
	_exit(0);
}
