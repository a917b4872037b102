/*
 * Groups of roles: starting, wiring, ending.  Runs in: the master.
 */
#define _GNU_SOURCE
#include "common/group.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/ctl.h"
#include "common/group_order.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/service.h"

static const struct group_host *host;
static struct group *groups;
static struct msg m;

/* Who is in a group.  The pool last: it needs the others to be there. */
static const enum role_id members[2][GROUP__N][GROUP_ROLES_MAX] = {
	{ { ROLE_LOG }, { ROLE_DELIVER, ROLE_EXPAND, ROLE_QUEUE },
	    { ROLE_KEY, ROLE_AUTH, ROLE_LOOKUP, ROLE_RELAY, ROLE_POOL } },
	{ { ROLE_LOG }, { ROLE_MASTER },
	    { ROLE_KEY, ROLE_AUTH, ROLE_MAILDROP, ROLE_POOL } },
};

/* Who introduces others to whom. */
static const struct link {
	enum role_id from, to;
} links[] = {
	{ ROLE_POOL, ROLE_KEY },
	{ ROLE_POOL, ROLE_AUTH },
	{ ROLE_POOL, ROLE_LOOKUP },
	{ ROLE_POOL, ROLE_DELIVER },
	{ ROLE_POOL, ROLE_QUEUE },
	{ ROLE_AUTH, ROLE_QUEUE },
	{ ROLE_AUTH, ROLE_MAILDROP },
	{ ROLE_QUEUE, ROLE_DELIVER },
	{ ROLE_QUEUE, ROLE_EXPAND },
};

/* Of which the first lives longer: made when the generation has proved that it
 * works, so that one that fails takes nothing away. */
static const struct link late_links[] = {
	{ ROLE_QUEUE, ROLE_RELAY },
};

void
group_init(const struct group_host *h)
{
	host = h;
}

static struct proc *
find_role(struct group *g, enum role_id id)
{
	for (unsigned i = 0; g != NULL && i < g->n; i++)
		if (g->proc[i].id == id && g->proc[i].pid != 0)
			return &g->proc[i];
	return NULL;
}

/* ---- talking to a role ---- */

static bool
send_settings(struct proc *p, const struct settings *s)
{
	uint32_t flags = (host->pop3 ? CTL_F_POP3 : 0u) |
			 (host->root ? CTL_F_ROOT : 0u) |
			 (host->inetd ? CTL_F_INETD : 0u) |
			 (host->idle_exit ? CTL_F_IDLE_EXIT : 0u);
	int fd = settings_memfd(s, host->pop3);
	bool good = fd != -1 && group_order(p, CTL_SETTINGS, fd, flags, 0, 1);

	close_fd(&fd);
	return good;
}

/* A new channel to the log for the role `as`; *intro is where that role can
 * introduce others to the log (NULL: it never does). */
static int
log_channel(struct proc *log, enum role_id as, int *intro)
{
	struct intro in = { .kind = INTRO_LOG };
	int end[2];

	if (log == NULL || channel_pair(end) == -1)
		return -1;
	int chan = introduce(end[0], &in);
	if (chan != -1 && !group_order(log, CTL_PEER, end[1], as, 0, 2))
		close_fd(&chan);
	close(end[1]);
	if (intro != NULL)
		*intro = end[0];
	else
		close(end[0]);
	return chan;
}

int
group_log_channel(struct group *g)
{
	return log_channel(find_role(g, ROLE_LOG), ROLE_MASTER, NULL);
}

static bool
give_log(struct proc *p, struct group *log_group)
{
	int intro = -1;

	if (p->id == ROLE_LOG)
		return true;
	int chan = log_channel(find_role(log_group, ROLE_LOG), p->id, &intro);
	bool good = chan != -1 &&
		    group_order(p, CTL_PEER, chan, ROLE_LOG, 0, 2) &&
		    (p->id != ROLE_POOL ||
			group_order(p, CTL_PEER, intro, ROLE_LOG, 2, 2));
	close_fd(&chan);
	close_fd(&intro);
	return good;
}

static bool
make_link(struct proc *from, struct proc *to)
{
	struct intro in = { .kind = INTRO_WORKER };
	int end[2], ask = -1;

	if (channel_pair(end) == -1)
		return false;
	bool good = group_order(to, CTL_PEER, end[1], from->id, 0, 2) &&
		    group_order(from, CTL_PEER, end[0], to->id, 0, 2);
	/* The pool proves its certificates by a handshake with itself. */
	if (good && to->id == ROLE_KEY) {
		ask = introduce(end[0], &in);
		good = ask != -1 &&
		       group_order(from, CTL_PEER, ask, ROLE_KEY, 1, 2);
	}
	close_fd(&ask);
	close(end[0]);
	close(end[1]);
	return good;
}

static bool
wire(struct group *g, struct group *back)
{
	for (unsigned i = 0; i < NELEM(links); i++) {
		struct proc *from = find_role(g, links[i].from);
		struct proc *to = find_role(g, links[i].to);
		if (to == NULL)
			to = find_role(back, links[i].to);
		if (from != NULL && to != NULL && !make_link(from, to))
			return false;
	}
	return true;
}

void
group_wire_late(struct group *g, struct group *back)
{
	for (unsigned i = 0; i < NELEM(late_links); i++) {
		struct proc *from = find_role(back, late_links[i].from);
		struct proc *to = find_role(g, late_links[i].to);
		if (from != NULL && to != NULL && !make_link(from, to))
			log_error("error: no channel from %s to %s",
			    role_name(from->id), role_name(to->id));
	}
}

/* ---- processes ---- */

static void role_ready_to_speak(void *arg, uint32_t events);

static bool
start_proc(struct group *g, enum role_id id)
{
	struct proc *p = &g->proc[g->n];
	int ctl[2];

	if (channel_pair(ctl) == -1)
		return false;
	*p = (struct proc){ .id = id, .ctl = ctl[0], .group = g };
	p->pid = fork();
	if (p->pid == 0)
		role_exec(host, p->id, ctl[1]);
	close(ctl[1]);
	if (p->pid == -1) {
		p->pid = 0;
		close_fd(&p->ctl);
		return false;
	}
	g->n++;
	p->watch = watch_add(p->ctl, EPOLLIN, role_ready_to_speak, p);
	return p->watch != NULL;
}

/* Hears one message.  False: there was none. */
static bool
role_says(struct proc *p)
{
	char why[LOG_LINE_MAX];

	int rc = msg_recv(p->ctl, &m);
	if (rc == -1 && errno == EAGAIN)
		return false;
	close_fd(&m.fd);
	if (rc != 1) { /* it ends; SIGCHLD says how */
		watch_del(p->watch);
		p->watch = NULL;
		close_fd(&p->ctl);
		return false;
	}
	switch (m.type) {
	case CTL_READY:
		p->ready = true;
		if (group_is_ready(p->group))
			host->ready(p->group);
		break;
	case CTL_FAILED:
		if (!msg_get_str(&m, why, sizeof(why)))
			snprintf(why, sizeof(why), "failed");
		p->group->failed = true;
		host->failed(p->group, p, why);
		break;
	case CTL_BREACH:
	case CTL_IDLE:
	case CTL_RETIRED:
	case CTL_DRAINED:
		host->told(p->group, m.type);
		break;
	}
	return true;
}

static void
role_ready_to_speak(void *arg, uint32_t events)
{
	(void)events;
	role_says(arg);
}

bool
group_is_ready(const struct group *g)
{
	if (g == NULL || g->failed)
		return false;
	for (unsigned i = 0; i < g->n; i++)
		if (!g->proc[i].ready || g->proc[i].pid == 0)
			return false;
	return true;
}

static bool
wanted(enum role_id id, const struct settings *s)
{
	return id != ROLE_MASTER && (id != ROLE_KEY || s->tls_n > 0);
}

/* The queue has a socket of its own, where no worker comes between. */
static bool
give_sockets(struct proc *p, const struct config *c)
{
	for (unsigned i = 0; i < c->settings->listener_n; i++) {
		bool control = c->settings->listeners[i].type == LISTEN_QUEUE;
		if (p->id != (control ? ROLE_QUEUE : ROLE_POOL))
			continue;
		if (!group_order(p, CTL_LISTEN, c->listen_fd[i], 0, 0, 0))
			return false;
	}
	return true;
}

static bool
brief(struct group *g, struct group *log, char *err, size_t size)
{
	const struct settings *s = g->config->settings;

	for (unsigned i = 0; i < g->n; i++) {
		struct proc *p = &g->proc[i];
		if (!send_settings(p, s) || !give_log(p, log))
			return false;
		if (!give_sockets(p, g->config))
			return false;
		if ((p->id == ROLE_POOL || p->id == ROLE_KEY) &&
		    !group_give_tls(p, s, err, size))
			return false;
	}
	return true;
}

struct group *
group_start(enum group_kind kind, struct config *c, struct group *log,
    struct group *back, char *err, size_t size)
{
	const enum role_id *ids = members[host->pop3][kind];
	struct group *g = calloc(1, sizeof(*g));
	bool good = g != NULL;

	snprintf(err, size, "starting processes: out of memory or processes");
	if (g == NULL)
		return NULL;
	g->kind = kind;
	g->config = c;
	c->refs++;
	g->next = groups;
	groups = g;
	for (unsigned i = 0; i < GROUP_ROLES_MAX && ids[i] != ROLE_MASTER; i++)
		if (good && wanted(ids[i], c->settings))
			good = start_proc(g, ids[i]);
	good = good && brief(g, log, err, size) && wire(g, back);
	for (unsigned i = 0; good && i < g->n; i++)
		good = group_order(&g->proc[i], CTL_GO, -1, 0, 0, 0);
	if (good)
		return g;
	g->failed = g->draining = true;
	group_kill(g);
	return NULL;
}

/* ---- the end ---- */

static void
stop_proc(struct proc *p, uint32_t grace)
{
	if (p->pid == 0)
		return;
	p->stopping = true;
	if (!group_order(p, CTL_STOP, -1, grace, 0, 1))
		kill(p->pid, SIGKILL);
}

void
group_stop(struct group *g, uint32_t grace)
{
	struct proc *pool = find_role(g, ROLE_POOL);

	g->draining = true;
	if (pool != NULL) {
		stop_proc(pool, grace);
		return;
	}
	for (unsigned i = 0; i < g->n; i++)
		stop_proc(&g->proc[i], grace);
}

bool
group_drain(struct group *g)
{
	struct proc *queue = g == NULL ? NULL : find_role(g, ROLE_QUEUE);

	return queue != NULL && queue->pid != 0 &&
	       group_order(queue, CTL_DRAIN, -1, 0, 0, 0);
}

void
group_kill(struct group *g)
{
	for (unsigned i = 0; i < g->n; i++) {
		g->proc[i].stopping = true;
		if (g->proc[i].pid != 0)
			kill(g->proc[i].pid, SIGKILL);
	}
}

void
group_kill_all(void)
{
	for (struct group *g = groups; g != NULL; g = g->next)
		group_kill(g);
}

void
group_new_settings(struct group *g, const struct settings *s)
{
	for (unsigned i = 0; g != NULL && i < g->n; i++)
		if (g->proc[i].pid != 0)
			send_settings(&g->proc[i], s);
}

void
group_new_sockets(struct group *g, const struct config *c)
{
	for (unsigned i = 0; g != NULL && i < g->n; i++)
		if (g->proc[i].pid != 0 && g->proc[i].id == ROLE_QUEUE)
			give_sockets(&g->proc[i], c);
}

static void
proc_ended(struct proc *p, int status)
{
	struct group *g = p->group;
	bool expected = p->stopping;
	char how[128];

	watch_del(p->watch);
	p->watch = NULL;
	close_fd(&p->ctl);
	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how),
		    "the role %s (process %ld) died by signal %d (%s)",
		    role_name(p->id), (long)p->pid, WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else
		snprintf(how, sizeof(how),
		    "the role %s (process %ld) exited with status %d",
		    role_name(p->id), (long)p->pid, WEXITSTATUS(status));
	p->pid = 0;
	if (!expected && !g->failed) {
		g->failed = true;
		host->failed(g, p, how);
	} else if (expected && p->id == ROLE_POOL) {
		group_stop(g, 0); /* the sessions are over: now the others */
	}
	for (unsigned i = 0; i < g->n; i++)
		if (g->proc[i].pid != 0)
			return;
	host->ended(g);
	struct group **at = &groups;
	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	timer_del(g->timer);
	config_release(g->config);
	free(g);
}

static struct proc *
find_pid(pid_t pid)
{
	for (struct group *g = groups; g != NULL; g = g->next)
		for (unsigned i = 0; i < g->n; i++)
			if (g->proc[i].pid == pid)
				return &g->proc[i];
	return NULL;
}

void
group_reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct proc *p = find_pid(pid);
		if (p == NULL)
			continue;
		/* What it said before its end comes first. */
		while (p->ctl != -1 && role_says(p))
			;
		proc_ended(p, status);
	}
}

bool
group_any(void)
{
	return groups != NULL;
}

struct group *
group_first(void)
{
	return groups;
}
