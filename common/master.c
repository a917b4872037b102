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
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "common/ctl.h"
#include "common/group.h"
#include "common/listen.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/notify.h"
#include "common/sandbox.h"
#include "common/service.h"

/* A role that dies again and again is restarted after 0, 1, 2, 4 ... 60
 * seconds; one minute of peace begins anew. */
enum {
	BACKOFF_FIRST = 1000,
	BACKOFF_MAX = 60000,
	PEACE = 60000,
	ORPHANS_MS = 60000
};

static const struct daemon *daemon_;
static const struct options *opt;
static struct group *current[GROUP__N]; /* in force */
static struct group *coming[GROUP__N];	/* started, not yet ready */
static struct config *config;		/* in force, or at first to be */
static struct config *config_before;	/* while reloading */
static bool serving, stopping, reloading;
static int status;
static int ready_fd = -1;
/* By what died: roles that die one after the other wait for nobody. */
static int64_t backoff[ROLE__N], last_failure[ROLE__N];
static struct timer *restart_timer;
static struct group_host host;

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
	fprintf(stderr, "%s: %s\n", daemon_->name, why);
	log_open(-1, daemon_->name); /* the log role goes, too */
	notify_systemd("STATUS=%s", why);
	tell_starter(why);
	status = 1;
	stopping = true;
	group_kill_all();
}

static void
write_pid(const char *path)
{
	char text[32];

	if (path[0] == '\0')
		return;
	int fd = open(
	    path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (fd == -1 || write(fd, text, (size_t)n) != n)
		log_error("pid_file %s: %s", path, strerror(errno));
	close_fd(&fd);
}

static void
leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null != -1 && fd < 3; fd++)
		dup2(null, fd);
	close_fd(&null);
}

static void
now_serving(void)
{
	char text[32];

	serving = true;
	write_pid(config->settings->pid_file);
	snprintf(text, sizeof(text), "%s: ready\n", daemon_->name);
	log_info("%s is ready", daemon_->name);
	if (!opt->inetd && !opt->background &&
	    strcmp(config->settings->log_to, "stderr") == 0)
		(void)!write(2, text, strlen(text));
	notify_systemd("READY=1\nSTATUS=serving");
	tell_starter("\n");
	if (opt->background)
		leave_terminal();
}

/* ---- starting ---- */

static struct group *
of(enum group_kind k)
{
	return coming[k] != NULL ? coming[k] : current[k];
}

static bool
exists(enum group_kind k)
{
	return k != GROUP_BACK || !daemon_->pop3;
}

static void
retry(void *arg)
{
	(void)arg;
	restart_timer = NULL;
	for (enum group_kind k = GROUP_LOG; k < GROUP__N; k++) {
		if (coming[k] != NULL)
			return; /* when it is ready the others follow */
		if (exists(k) && (current[k] == NULL || current[k]->failed)) {
			start_next(k);
			return;
		}
	}
}

static void
start_next(enum group_kind k)
{
	char err[512];

	if (k == GROUP__N || stopping)
		return;
	if (!exists(k)) {
		start_next(k + 1);
		return;
	}
	coming[k] =
	    group_start(k, config, k == GROUP_LOG ? NULL : of(GROUP_LOG),
		k == GROUP_FRONT ? of(GROUP_BACK) : NULL, err, sizeof(err));
	if (coming[k] != NULL)
		return;
	if (!serving) {
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

/* Takes an old group out of service: its sessions end in peace. */
static void
retire(struct group *g)
{
	bool has_pool = false;

	if (g == NULL)
		return;
	for (unsigned i = 0; i < g->n; i++)
		has_pool |= g->proc[i].id == ROLE_POOL && g->proc[i].pid != 0;
	g->draining = true;
	if (has_pool || g->kind != GROUP_FRONT)
		group_stop(g, UINT32_MAX);
	else if (g->timer == NULL) /* its pool died; its workers may live */
		g->timer = timer_add(ORPHANS_MS, orphans_over, g);
}

static void
on_ready(struct group *g)
{
	enum group_kind k = g->kind;
	struct group *old = current[k];

	if (stopping)
		return;
	current[k] = g;
	coming[k] = NULL;
	retire(old);
	if (k == GROUP_LOG)
		log_open(group_log_channel(g), "master");
	if (k != GROUP_FRONT) {
		start_next(k + 1);
		return;
	}
	if (!serving) {
		now_serving();
	} else if (reloading) {
		reloading = false;
		config_release(config_before); /* its groups hold it, too */
		config_before = NULL;
		group_new_settings(current[GROUP_LOG], config->settings);
		group_new_settings(current[GROUP_BACK], config->settings);
		log_info("configuration reloaded");
		notify_systemd("READY=1\nSTATUS=serving");
	} else {
		log_info("roles restarted");
	}
}

/* ---- reloading ---- */

static void
reload_refused(const char *why)
{
	log_error(
	    "reload refused: %s; the old configuration stays in force", why);
	if (strcmp(config->settings->log_to, "stderr") != 0)
		fprintf(stderr, "%s: reload refused: %s\n", daemon_->name, why);
	notify_systemd("READY=1\nSTATUS=reload refused: %.150s", why);
}

/* The new configuration did not get into force. */
static void
reload_undo(const char *why)
{
	reloading = false;
	reload_refused(why);
	config_release(config);
	config = config_before;
	config_before = NULL;
}

static void
reload(void)
{
	char err[512], *text = NULL;
	struct timespec ts;

	if (reloading || coming[GROUP_FRONT] != NULL || stopping || !serving ||
	    opt->inetd)
		return;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	notify_systemd("RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
	struct settings *s = settings_read(opt->config, daemon_->pop3, &text);
	if (s == NULL) {
		reload_refused(text);
		free(text);
		return;
	}
	if (opt->to_stderr) {
		free(s->log_to);
		s->log_to = strdup("stderr");
	}
	struct config *c = calloc(1, sizeof(*c));
	if (c == NULL || s->log_to == NULL)
		fatal("out of memory");
	if (!listen_all(s, config->settings, config->listen_fd, c->listen_fd,
		err, sizeof(err))) {
		reload_refused(err);
		settings_free(s);
		free(c);
		return;
	}
	c->settings = s;
	c->refs = 1;
	config_before = config;
	config = c;
	reloading = true;
	coming[GROUP_FRONT] = group_start(GROUP_FRONT, c, current[GROUP_LOG],
	    current[GROUP_BACK], err, sizeof(err));
	if (coming[GROUP_FRONT] == NULL)
		reload_undo(err);
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
	bool was_coming = coming[g->kind] == g;

	if (was_coming)
		coming[g->kind] = NULL;
	if (stopping || g->draining)
		return;
	if (!serving) {
		start_failed(why);
		return;
	}
	if (was_coming) {
		g->draining = true;
		group_kill(g);
		if (reloading) {
			reload_undo(why);
			return;
		}
	}
	log_error("%s", why);
	/* What hangs on it must be started anew as well. */
	if (g->kind != GROUP_FRONT && current[GROUP_FRONT] != NULL)
		current[GROUP_FRONT]->failed = true;
	if (g->kind == GROUP_LOG && current[GROUP_BACK] != NULL)
		current[GROUP_BACK]->failed = true;
	if (!was_coming && g->kind == GROUP_BACK) {
		/* The other of the two must not write beside its successor. */
		group_kill(g);
		current[GROUP_BACK] = NULL;
	}
	restart_soon(p->id);
}

static void
on_ended(struct group *g)
{
	for (enum group_kind k = GROUP_LOG; k < GROUP__N; k++) {
		if (current[k] == g)
			current[k] = NULL;
		if (coming[k] == g)
			coming[k] = NULL;
	}
}

static void stop_all(uint32_t grace);

static void
on_told(struct group *g, unsigned what)
{
	if (what == CTL_IDLE && g == current[GROUP_FRONT]) {
		stop_all(0);
		return;
	}
	if (g != current[GROUP_FRONT] || stopping)
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
		log_open(-1, daemon_->name);
		for (struct group *g = group_first(); g != NULL; g = g->next)
			if (!g->draining)
				group_stop(g, 0);
		return;
	}
	service_stop();
}

static void
stop_all(uint32_t grace)
{
	stopping = true;
	notify_systemd("STOPPING=1");
	timer_del(restart_timer);
	restart_timer = NULL;
	config_close_ports(config);
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

	if (!stopping) {
		stop_all((uint32_t)config->settings->grace_time);
	} else if (!hurry) {
		hurry = true;
		stop_all(0);
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
			if (stopping)
				stop_step();
			break;
		case SIGHUP:
			reload();
			break;
		default:
			log_info("%s: stopping (signal %u)", daemon_->name,
			    si.ssi_signo);
			on_stop_signal();
			break;
		}
	}
}

/* ---- main ---- */

static void
say_missing_walls(void)
{
	bool root = geteuid() == 0;

	if (root && !sandbox_landlock_missing() && !sandbox_compiled_out())
		return;
	log_warn("warning: walls that are missing here:%s%s%s",
	    root ? "" : " uids of their own and chroot (not started as root);",
	    sandbox_landlock_missing() ? " Landlock (this kernel has none);"
				       : "",
	    sandbox_compiled_out() ? " seccomp (built with a sanitizer);" : "");
}

static int
open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool
make_config(struct settings *s, char *err, size_t size)
{
	config = calloc(1, sizeof(*config));
	if (config == NULL)
		fatal("out of memory");
	config->settings = s;
	config->refs = 1;
	if (!opt->inetd)
		return listen_all(s, NULL, NULL, config->listen_fd, err, size);
	listen_inetd(s, 0, daemon_->pop3);
	config->listen_fd[0] = fcntl(0, F_DUPFD_CLOEXEC, 3);
	if (config->listen_fd[0] == -1) {
		snprintf(err, size, "-i: descriptor 0: %s", strerror(errno));
		return false;
	}
	fcntl(config->listen_fd[0], F_SETFL,
	    fcntl(config->listen_fd[0], F_GETFL) | O_NONBLOCK);
	return true;
}

int
master_run(const struct daemon *d, const struct options *o, struct settings *s,
    int starter)
{
	struct rlimit l;
	char err[512];
	static int sig;

	daemon_ = d;
	opt = o;
	ready_fd = starter;
	log_open(-1, d->name);
	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max; /* a channel per worker */
		setrlimit(RLIMIT_NOFILE, &l);
	}
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
		if (!o->inetd)
			say_missing_walls();
		start_next(GROUP_LOG);
	} else {
		start_failed(err);
	}
	if (group_any())
		service_run();
	if (serving && config->settings->pid_file[0] != '\0')
		unlink(config->settings->pid_file);
	config_release(config);
	close_fd(&host.exe_fd);
	return status;
}
