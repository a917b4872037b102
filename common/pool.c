/*
 * Forks workers and keeps enough of them idle.  Runs in: pool.
 */
#define _GNU_SOURCE
#include "common/pool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/ctl.h"
#include "common/fds.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/pool_channels.h"
#include "common/pool_control.h"
#include "common/pool_count.h"
#include "common/pool_slot.h"
#include "common/pool_tls.h"
#include "common/sandbox.h"
#include "common/service.h"
#include "common/spare.h"

enum {
	SPAWN_BURST = 4,
	SURPLUS_MS = POOL_CONTROL_TICK,
	RETRY_MS = 200,
	END_MS = 3000,
	STORM_MAX = 5000
};

static struct role *role;
static session_serve *serve_client;
static struct tls_server *tls;
static struct slot *slots;
static unsigned slot_n, total, idle;
static unsigned busy_on[ROLE_LISTEN_MAX];
static uint32_t last_number;
static bool stopping;
static struct timer *spawn_timer;
static int64_t storm_delay; /* ms until the next worker after idle ones died */
static int64_t last_client;

static void top_up(void);
static void spawn_later(void *arg);

static void
tell_master(uint32_t what, uint32_t n)
{
	msg_start(&scratch, what);
	msg_put_u32(&scratch, n);
	/* Its end is noticed by role_watch_master. */
	(void)!msg_send(role->ctl, &scratch);
}

static void
tell_worker(struct slot *s, uint32_t what)
{
	msg_start(&scratch, what);
	if (msg_send(s->ctl, &scratch) == -1)
		kill(s->pid, SIGKILL); /* does not read what is rare */
}

/* ---- the end of a worker ---- */

static void
not_busy(struct slot *s)
{
	if (!s->busy)
		return;
	s->busy = false;
	busy_on[s->listener]--;
	pool_count_no_more(&s->client);
}

static void
maybe_done(void)
{
	static bool retired;

	if (stopping && idle == 0 && !retired) {
		retired = true;
		tell_master(CTL_RETIRED, 0);
	}
	if (stopping && total == 0)
		service_stop();
}

/* A worker that dies without a client would be replaced at once, and its
 * successor would die as well: slowly, then. */
static void
died_idle(int st)
{
	if (WIFEXITED(st) && WEXITSTATUS(st) == 0)
		return;
	storm_delay = storm_delay == 0 ? RETRY_MS : 2 * storm_delay;
	if (storm_delay > STORM_MAX)
		storm_delay = STORM_MAX;
	if (spawn_timer == NULL)
		spawn_timer = timer_add(storm_delay, spawn_later, NULL);
}

/* Its channel has ended, or it said nonsense on it. */
static void
worker_gone(struct slot *s)
{
	int status = 0;

	/* It is on its way out, or has no business any more.  The status of
	 * one that exits already does not change. */
	kill(s->pid, SIGKILL);
	while (waitpid(s->pid, &status, 0) == -1 && errno == EINTR)
		;
	if (WIFSIGNALED(status) ? WTERMSIG(status) != SIGKILL
				: WEXITSTATUS(status) != 0)
		pool_control_count(POOL_F_DIED);
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
		log_warn("warning: worker process %ld died by signal %d (%s)",
		    (long)s->pid, WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
		tell_master(CTL_BREACH, (uint32_t)WTERMSIG(status));
	} else if (WIFSIGNALED(status)) {
		log_warn("warning: worker process %ld was killed (signal 9)",
		    (long)s->pid);
	} else if (WEXITSTATUS(status) != 0) {
		log_warn("warning: worker process %ld exited with status %d",
		    (long)s->pid, WEXITSTATUS(status));
	}
	if (!s->busy) {
		idle--;
		died_idle(status);
	}
	not_busy(s);
	total--;
	watch_del(s->watch);
	close_fd(&s->ctl);
	s->pid = 0;
	if (role->inetd)
		tell_master(CTL_IDLE, 0);
	top_up();
	maybe_done();
}

/* ---- what a worker says ---- */

/* The answer to a question. */
static bool
answer(struct slot *s, bool good, bool fast, unsigned n)
{
	msg_start(&scratch, good ? POOL_SERVE : POOL_DROP);
	msg_put_u32(&scratch, fast);
	msg_put_u32(&scratch, n);
	return msg_send(s->ctl, &scratch) == 0;
}

/* From now on s serves that client. */
static bool
count(struct slot *s, struct view key)
{
	unsigned fast = 0;

	if (key.n != ADDRESS_OCTETS)
		return false;
	unsigned same = pool_count(&s->client, key);
	if (role->inetd)
		return answer(s, true, false, 0);
	bool many = pool_too_many(
	    role->settings, role->listen_n, busy_on[s->listener], same);
	if (!many)
		fast =
		    pool_too_fast(&s->client, RATE_CONNECTION, role->settings);
	if (many || fast > 0)
		pool_control_count(
		    many ? POOL_F_REFUSED_MANY : POOL_F_REFUSED_RATE);
	return answer(s, !many && fast == 0, fast > 0, many ? same : fast);
}

static bool
now_busy(struct slot *s, int client)
{
	uint32_t listener = msg_get_u32(&scratch);
	unsigned char key[ADDRESS_OCTETS];

	if (!msg_done(&scratch) || client == -1 || s->busy ||
	    listener >= role->listen_n)
		return false;
	pool_who(client, &role->settings->listeners[listener], key, s->peer);
	s->listener = listener;
	s->busy = true;
	busy_on[listener]++;
	idle--;
	last_client = s->since = now_ms();
	pool_control_count(POOL_F_ACCEPTED);
	storm_delay = 0;
	bool good = count(s, (struct view){ (const char *)key, sizeof(key) });
	maybe_done();
	return good;
}

/* A captured worker could have others refused by claiming to serve them. */
static bool
speaks_for(struct slot *s)
{
	struct view key = msg_get_view(&scratch, ADDRESS_OCTETS);

	return msg_done(&scratch) && s->busy &&
	       pool_may_announce(role->settings,
		   &role->settings->listeners[s->listener], s->peer) &&
	       count(s, key);
}

static bool
begins_message(struct slot *s)
{
	unsigned fast = 0;

	if (scratch.len != 0)
		return false;
	if (!role->inetd)
		fast = pool_too_fast(&s->client, RATE_MESSAGE, role->settings);
	if (fast > 0)
		pool_control_count(POOL_F_DEFERRED);
	return answer(s, fast == 0, true, fast);
}

static bool
event(void)
{
	uint32_t e = msg_get_u32(&scratch);

	if (!msg_done(&scratch) || e >= WORKER_EVENT__N)
		return false;
	pool_control_count((enum pool_figure)e);
	return true;
}

static void
worker_ready(void *arg, uint32_t events)
{
	struct slot *s = &slots[(uintptr_t)arg];
	bool good = false;

	(void)events;
	int rc = msg_recv(s->ctl, &scratch);
	if (rc == -1 && errno == EAGAIN)
		return;
	int fd = scratch.fd;
	scratch.fd = -1;
	if (rc == 1 && scratch.type == POOL_BUSY)
		good = now_busy(s, fd);
	else if (rc == 1 && scratch.type == POOL_CLIENT)
		good = speaks_for(s);
	else if (rc == 1 && scratch.type == POOL_MESSAGE && s->busy)
		good = begins_message(s);
	else if (rc == 1 && scratch.type == POOL_CHANNEL)
		good = pool_channel_give(role, s);
	else if (rc == 1 && scratch.type == POOL_EVENT && s->busy)
		good = event();
	else if (rc == 1 && scratch.type == POOL_IDLE && s->busy &&
		 scratch.len == 0) {
		not_busy(s);
		idle++;
		good = true;
		if (stopping)
			tell_worker(s, POOL_STOP);
	}
	close_fd(&fd);
	if (!good) {
		worker_gone(s);
		return;
	}
	top_up();
}

/* ---- the beginning of a worker ---- */

static noreturn void
become_worker(struct worker *w, int ctl)
{
	int keep[ROLE__N + ROLE_LISTEN_MAX + 2];
	unsigned n = 0;
	int fixed = role->inetd ? role->listen_fd[0] : -1;

	for (unsigned i = 0; i < ROLE__N; i++)
		if (w->chan[i] != -1)
			keep[n++] = w->chan[i];
	for (unsigned i = 0; i < role->listen_n; i++)
		keep[n++] = role->listen_fd[i];
	keep[n++] = ctl;
	fds_keep_only(keep, n);
	w->ctl = ctl;
	w->tls = tls;
	w->slot = last_number;
	w->inetd = role->inetd;
	worker_main(role, w, fixed, serve_client);
}

static struct slot *
free_slot(void)
{
	for (unsigned i = 0; i < slot_n; i++)
		if (slots[i].pid == 0)
			return &slots[i];
	return NULL;
}

static bool
spawn(void)
{
	static struct worker w; /* filled anew in each child */
	struct slot *s = free_slot();
	int ctl[2];

	if (s == NULL || !pool_channels_open(role, &w)) {
		pool_channels_close(&w);
		return false;
	}
	if (channel_pair(ctl) == -1) {
		pool_channels_close(&w);
		return false;
	}
	last_number++;
	spare_heap_before_fork();
	pid_t pid = fork();
	if (pid == 0)
		become_worker(&w, ctl[1]);
	close(ctl[1]);
	pool_channels_close(&w);
	if (pid == -1) {
		close(ctl[0]);
		return false;
	}
	*s = (struct slot){ .pid = pid,
		.ctl = ctl[0],
		.number = last_number,
		.given = w.given };
	s->watch = watch_add(
	    s->ctl, EPOLLIN, worker_ready, (void *)(uintptr_t)(s - slots));
	if (s->watch == NULL)
		fatal("watching a worker: %s", strerror(errno));
	total++;
	idle++;
	return true;
}

static void
spawn_later(void *arg)
{
	(void)arg;
	spawn_timer = NULL;
	top_up();
}

/* Forks until enough are idle; a few at a time, so that between them the pool
 * hears what workers say. */
static void
top_up(void)
{
	const struct settings *s = role->settings;
	int64_t wait = 0;

	if (stopping || role->inetd || spawn_timer != NULL)
		return;
	for (unsigned n = 0; idle < s->workers_idle && total < s->workers_max;
	     n++) {
		if (n == SPAWN_BURST || !spawn()) {
			if (n < SPAWN_BURST) {
				log_warn("warning: no new worker: %s",
				    strerror(errno));
				wait = RETRY_MS;
			}
			spawn_timer = timer_add(wait, spawn_later, NULL);
			return;
		}
	}
}

/* ---- clocks ---- */

/* After a storm there are more idle ones than needed: half of the surplus goes
 * every few seconds. */
static void
trim(void *arg)
{
	unsigned keep = (unsigned)role->settings->workers_idle;
	unsigned surplus = idle > keep + keep / 2 ? (idle - keep + 1) / 2 : 0;

	(void)arg;
	pool_control_tick();
	timer_add(SURPLUS_MS, trim, NULL);
	if (stopping)
		return;
	for (unsigned i = 0; i < slot_n && surplus > 0; i++)
		if (slots[i].pid != 0 && !slots[i].busy) {
			tell_worker(&slots[i], POOL_STOP);
			surplus--;
		}
	if (role->idle_exit && idle == total &&
	    now_ms() - last_client > role->settings->idle_exit)
		tell_master(CTL_IDLE, 0);
}

static void
kill_all(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < slot_n; i++)
		if (slots[i].pid != 0)
			kill(slots[i].pid, SIGKILL);
}

static void
end_all(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < slot_n; i++)
		if (slots[i].pid != 0)
			tell_worker(&slots[i], POOL_END);
	timer_add(END_MS, kill_all, NULL);
}

static void
stop(uint32_t grace)
{
	if (!stopping) {
		stopping = true;
		pool_control_stop();
		for (unsigned i = 0; i < slot_n; i++)
			if (slots[i].pid != 0)
				tell_worker(&slots[i], POOL_STOP);
		for (unsigned i = 0; i < role->listen_n; i++)
			close_fd(&role->listen_fd[i]);
	}
	/* The whole server stops: what has begun may be finished. */
	for (unsigned i = 0; grace != UINT32_MAX && i < slot_n; i++)
		if (slots[i].pid != 0)
			tell_worker(&slots[i], POOL_FINISH);
	if (grace != UINT32_MAX)
		timer_add(grace, end_all, NULL);
	maybe_done();
}

/* For the control socket. */
static void
end_session(struct slot *s)
{
	tell_worker(s, POOL_END);
}

/* ---- main ---- */

noreturn void
pool_main(struct role *r, session_serve *serve)
{
	static struct pool_control_host host = {
		.total = &total, .idle = &idle, .end_session = end_session
	};
	struct rlimit l;

	role = r;
	serve_client = serve;
	slot_n = (unsigned)r->settings->workers_max;
	slots = alloc_unforked(slot_n * sizeof(*slots));
	if (slots == NULL || !pool_count_init(slot_n))
		role_failed(r, "no memory for %u workers", slot_n);
	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
	service_init();
	tls = pool_tls(r);
	host.slots = slots;
	host.slot_n = slot_n;
	pool_control_init(r, &host);
	priv_drop(r, ROLE_POOL, r->settings->empty_directory);
	sandbox_enter(r, ROLE_POOL);
	sandbox_prepare(ROLE_WORKER);
	role_on_stop(stop);
	role_watch_master(r, NULL, NULL);
	last_client = now_ms();
	if (r->inetd) {
		if (!spawn())
			role_failed(r, "no worker: %s", strerror(errno));
	} else {
		top_up();
		pool_control_start();
		timer_add(SURPLUS_MS, trim, NULL);
	}
	role_ready(r);
	service_run();
	exit(0);
}
