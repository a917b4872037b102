/*
 * The master's policy: what is started when, what happens when something dies.
 * Runs in: master.
 */
#define _GNU_SOURCE
#include "common/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "common/cert_watch.h"
#include "common/ctl.h"
#include "common/listen.h"
#include "common/log.h"
#include "common/master_start.h"
#include "common/msg.h"
#include "common/notify.h"
#include "common/reload.h"
#include "common/running.h"
#include "common/service.h"

/* A role that dies again and again is restarted after 0, 1, 2, 4 ... 60
 * seconds; one minute of peace begins anew. */
enum {
	BACKOFF_FIRST = 1000,
	BACKOFF_MAX = 60000,
	PEACE = 60000,
	ORPHANS_MS = 60000,
	DRAIN_MS = 600000,
	RETIRE_MS = 10000
};

struct master master;
static int status;
static int ready_fd = -1;
/* By what died: roles that die one after the other wait for nobody. */
static int64_t backoff[ROLE__N], last_failure[ROLE__N];
static struct timer *restart_timer;
static struct group_host host;
static bool draining; /* the queue was asked to say when it is done */

static void start_next(enum group_kind);

/* ---- saying how it went ---- */

static void
tell_starter(const char *text)
{
	if (ready_fd != -1)
		(void)!write(ready_fd, text, strlen(text));
	close_fd(&ready_fd);
}

/* Nothing serves yet: say it where the starter looks, and end. */
static void
start_failed(const char *why)
{
	fprintf(stderr, "%s: %s\n", master.daemon->name, why);
	log_open(-1, master.daemon->name); /* the log role goes, too */
	notify_systemd("STATUS=%s", why);
	tell_starter(why);
	status = 1;
	master.stopping = true;
	group_kill_all();
}

static void
now_serving(void)
{
	char text[32];

	master.serving = true;
	write_pid(master.config->settings->pid_file);
	listen_unused(master.config->settings, master.opt->successor);
	if (!master.opt->inetd)
		running_open(master.config->settings, master.daemon->name,
		    master.opt->state_fd);
	snprintf(text, sizeof(text), "%s: ready\n", master.daemon->name);
	log_info("%s is ready", master.daemon->name);
	if (!master.opt->inetd && !master.opt->background &&
	    strcmp(master.config->settings->log_to, "stderr") == 0)
		(void)!write(2, text, strlen(text));
	/* A successor is not yet the one that systemd listens to; its
	 * predecessor says it. */
	if (!master.opt->successor)
		notify_systemd("READY=1\nSTATUS=serving");
	notify_watchdog();
	tell_starter("\n");
	if (master.opt->background)
		leave_terminal();
	reload_if_asked();
}

/* ---- starting ---- */

static struct group *
of(enum group_kind k)
{
	return master.coming[k] != NULL ? master.coming[k] : master.current[k];
}

static bool
exists(enum group_kind k)
{
	return k != GROUP_BACK || !master.daemon->pop3;
}

static void
retry(void *arg)
{
	(void)arg;
	restart_timer = NULL;
	for (enum group_kind k = GROUP_LOG; k < GROUP__N; k++) {
		if (master.coming[k] != NULL)
			return; /* when it is ready the others follow */
		if (exists(k) &&
		    (master.current[k] == NULL || master.current[k]->failed)) {
			start_next(k);
			return;
		}
	}
}

static void
start_next(enum group_kind k)
{
	char err[512];

	if (k == GROUP__N || master.stopping)
		return;
	if (!exists(k)) {
		start_next(k + 1);
		return;
	}
	master.coming[k] =
	    group_start(k, master.config, k == GROUP_LOG ? NULL : of(GROUP_LOG),
		k == GROUP_FRONT ? of(GROUP_BACK) : NULL, err, sizeof(err));
	if (master.coming[k] != NULL)
		return;
	if (!master.serving) {
		start_failed(err);
		return;
	}
	log_error("%s", err);
	if (restart_timer == NULL)
		restart_timer = timer_add(BACKOFF_MAX, retry, NULL);
}

static void
orphans_over(void *arg)
{
	struct group *g = arg;

	g->timer = NULL;
	group_stop(g, 0);
}

bool
master_has_pool(const struct group *g)
{
	for (unsigned i = 0; g != NULL && i < g->n; i++)
		if (g->proc[i].id == ROLE_POOL && g->proc[i].pid != 0)
			return true;
	return false;
}

/* Takes an old group out of service: its sessions end in peace. */
static void
retire(struct group *g)
{
	if (g == NULL)
		return;
	g->draining = true;
	if (master_has_pool(g) || g->kind != GROUP_FRONT)
		group_stop(g, UINT32_MAX);
	else if (g->timer == NULL) /* its pool died; its workers may live */
		g->timer = timer_add(ORPHANS_MS, orphans_over, g);
}

static void
leave(void *arg)
{
	(void)arg;
	if (!master.stopping)
		master_stop((uint32_t)master.config->settings->grace_time);
}

/* Started by inetd, and the last client has gone: what it has brought is
 * delivered first, as nobody knows when the next one comes. */
static void
on_idle(void)
{
	if (!master.opt->inetd || draining || master.stopping)
		return;
	draining = group_drain(master.current[GROUP_BACK]);
	if (draining)
		timer_add(DRAIN_MS, leave, NULL);
	else
		leave(NULL);
}

static void
on_ready(struct group *g)
{
	enum group_kind k = g->kind;
	struct group *old = master.current[k];

	if (master.stopping)
		return;
	master.current[k] = g;
	master.coming[k] = NULL;
	retire(old);
	if (k == GROUP_LOG)
		log_open(group_log_channel(g), "master");
	if (k == GROUP_BACK)
		draining = false; /* another queue has to be asked */
	if (k != GROUP_FRONT) {
		start_next(k + 1);
		return;
	}
	group_wire_late(g, master.current[GROUP_BACK]);
	if (!master.serving) {
		now_serving();
		if (g->idle)
			on_idle();
	} else if (!reload_ready(old)) {
		log_info("roles restarted");
		reload_if_asked();
	}
}

/* ---- failing ---- */

static void
restart_soon(enum role_id died)
{
	int64_t now = now_ms(), wait = backoff[died];

	if (now - last_failure[died] > PEACE)
		wait = 0;
	last_failure[died] = now;
	if (restart_timer == NULL)
		restart_timer = timer_add(wait, retry, NULL);
	wait = wait == 0 ? BACKOFF_FIRST : wait * 2;
	backoff[died] = wait > BACKOFF_MAX ? BACKOFF_MAX : wait;
}

static void
on_failed(struct group *g, struct proc *p, const char *why)
{
	bool was_coming = master.coming[g->kind] == g;

	if (was_coming)
		master.coming[g->kind] = NULL;
	if (master.stopping || g->draining)
		return;
	if (!master.serving) {
		start_failed(why);
		return;
	}
	if (was_coming) {
		g->draining = true;
		group_kill(g);
		if (reload_failed(why))
			return;
	}
	log_error("%s", why);
	/* What hangs on it must be started anew as well. */
	if (g->kind != GROUP_FRONT && master.current[GROUP_FRONT] != NULL)
		master.current[GROUP_FRONT]->failed = true;
	if (g->kind == GROUP_LOG && master.current[GROUP_BACK] != NULL)
		master.current[GROUP_BACK]->failed = true;
	if (!was_coming && g->kind == GROUP_BACK) {
		/* The other of the two must not write beside its successor. */
		group_kill(g);
		master.current[GROUP_BACK] = NULL;
	}
	restart_soon(p->id);
}

static void
on_ended(struct group *g)
{
	for (enum group_kind k = GROUP_LOG; k < GROUP__N; k++) {
		if (master.current[k] == g)
			master.current[k] = NULL;
		if (master.coming[k] == g)
			master.coming[k] = NULL;
	}
	reload_retired(g);
}

static void
on_told(struct group *g, unsigned what)
{
	if (what == CTL_RETIRED) {
		reload_retired(g);
		return;
	}
	if (what == CTL_IDLE) {
		/* The one client of inetd may have gone before all roles were
		 * READY. */
		g->idle = true;
		if (g == master.current[GROUP_FRONT])
			on_idle();
		return;
	}
	if (what == CTL_DRAINED) {
		if (draining && g == master.current[GROUP_BACK])
			leave(NULL);
		return;
	}
	if (g != master.current[GROUP_FRONT] || master.stopping)
		return;
	/* A worker died by a signal: fresh address spaces for the next ones,
	 * and not more often than the back-off says. */
	g->failed = true;
	restart_soon(ROLE_WORKER);
}

/* ---- stopping: front, back, log, one behind the other ---- */

static void
stop_step(void)
{
	bool any[GROUP__N] = { false };

	for (struct group *g = group_first(); g != NULL; g = g->next)
		any[g->kind] = true;
	if (any[GROUP_FRONT])
		return;
	if (any[GROUP_BACK]) {
		for (struct group *g = group_first(); g != NULL; g = g->next)
			if (g->kind == GROUP_BACK && !g->draining)
				group_stop(g, 0);
		return;
	}
	if (any[GROUP_LOG]) {
		log_open(-1, master.daemon->name);
		for (struct group *g = group_first(); g != NULL; g = g->next)
			if (!g->draining)
				group_stop(g, 0);
		return;
	}
	service_stop();
}

void
master_stop(uint32_t grace)
{
	master.stopping = true;
	if (master.successor == 0)
		notify_systemd("STOPPING=1");
	timer_del(restart_timer);
	restart_timer = NULL;
	config_close_ports(master.config);
	for (struct group *g = group_first(); g != NULL; g = g->next) {
		config_close_ports(g->config);
		if (g->kind == GROUP_FRONT)
			group_stop(g, grace);
	}
	stop_step();
}

/* Asked twice: no more grace.  The pool ends its workers; killed at once it
 * would leave them behind. */
static void
on_stop_signal(void)
{
	static bool hurry;

	if (!master.stopping) {
		master_stop((uint32_t)master.config->settings->grace_time);
	} else if (!hurry) {
		hurry = true;
		master_stop(0);
	} else {
		group_kill_all();
	}
}

static void
on_signal(void *arg, uint32_t events)
{
	struct signalfd_siginfo si;
	int fd = *(const int *)arg;

	(void)events;
	while (read(fd, &si, sizeof(si)) == sizeof(si)) {
		switch (si.ssi_signo) {
		case SIGCHLD:
			group_reap();
			if (master.stopping)
				stop_step();
			break;
		case SIGHUP:
			reload(NULL);
			break;
		case SIGUSR2:
			upgrade();
			break;
		default:
			log_info("%s: stopping (signal %u)",
			    master.daemon->name, si.ssi_signo);
			on_stop_signal();
			break;
		}
	}
}

/* ---- main ---- */

static bool
make_config(struct settings *s, char *err, size_t size)
{
	master.config = calloc(1, sizeof(*master.config));
	if (master.config == NULL)
		fatal("out of memory");
	master.config->settings = s;
	master.config->refs = 1;
	if (!master.opt->inetd)
		return listen_all(
		    s, NULL, NULL, master.config->listen_fd, err, size);
	listen_inetd(s, 0, master.daemon->pop3);
	master.config->listen_fd[0] = fcntl(0, F_DUPFD_CLOEXEC, 3);
	if (master.config->listen_fd[0] == -1) {
		snprintf(err, size, "-i: descriptor 0: %s", strerror(errno));
		return false;
	}
	fcntl(master.config->listen_fd[0], F_SETFL,
	    fcntl(master.config->listen_fd[0], F_GETFL) | O_NONBLOCK);
	return true;
}

int
master_run(const struct daemon *d, const struct options *o, struct settings *s,
    int starter)
{
	char err[512];
	static int sig;

	master.daemon = d;
	master.opt = o;
	ready_fd = starter;
	log_open(-1, d->name);
	raise_file_limit();
	service_init();
	sig = open_signals();
	bool waits = o->inetd && listen_is_listening(0);
	host = (struct group_host){ .pop3 = d->pop3,
		.root = geteuid() == 0,
		.inetd = o->inetd && !waits,
		.idle_exit = waits,
		.exe_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
		.program = d->name,
		.ready = on_ready,
		.failed = on_failed,
		.ended = on_ended,
		.told = on_told };
	group_init(&host);
	if (sig == -1 || host.exe_fd == -1 ||
	    watch_add(sig, EPOLLIN, on_signal, &sig) == NULL)
		fatal("starting: %s", strerror(errno));
	if (make_config(s, err, sizeof(err))) {
		cert_watch(s, reload_certificates, true);
		if (!o->inetd)
			say_missing_walls();
		start_next(GROUP_LOG);
	} else {
		start_failed(err);
	}
	if (group_any())
		service_run();
	if (master.serving && master.successor == 0 &&
	    master.config->settings->pid_file[0] != '\0')
		unlink(master.config->settings->pid_file);
	running_close(master.successor != 0);
	config_release(master.config);
	close_fd(&host.exe_fd);
	return status;
}
