/*
 * The role queue: its start, and the clocks that concern the whole of it.
 * Runs in: queue.
 *
 * Requests are in deposit.c, the way to the disk in publish.c and queue.c, the
 * way out in handout.c and slot.c.
 */
#include "spool/svc_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/service.h"
#include "spool/control_server.h"
#include "spool/deposit.h"
#include "spool/handout.h"
#include "spool/own_record.h"
#include "spool/publish.h"
#include "spool/slot.h"

enum {
	PUBLISHERS = 4, /* more gain nothing, fewer wait behind large content */
	TICK = 2000,	/* ms */
	END_WAIT = 20000,  /* ms for deliveries under way at an orderly end */
	DRAIN_LOOK = 50,   /* ms */
	DRAIN_SOON = 60000 /* ms: what is due later is left to who comes next */
};

static struct queue queue;
static struct sched *sched;
static struct role *role;

/* ---- who may ask ---- */

static void
add_worker(int sock, const struct intro *in)
{
	if (in->kind == INTRO_WORKER)
		deposit_peer(sock, "");
	else
		close(sock);
}

static void
add_user(int sock, const struct intro *in)
{
	if (in->kind == INTRO_USER && in->user[0] != '\0')
		deposit_peer(sock, in->user);
	else
		close(sock);
}

/* Who introduces decides what can be introduced: the pool makes no users. */
static void
add_intro(enum role_id from, int fd)
{
	if (from == ROLE_POOL)
		service_introductions(fd, add_worker);
	else if (from == ROLE_AUTH)
		service_introductions(fd, add_user);
	else if (from == ROLE_DELIVER)
		handout_deliver(fd);
	else if (from == ROLE_RELAY)
		handout_relay(fd);
	else if (from == ROLE_EXPAND)
		handout_expand(fd);
	else
		close(fd);
}

/* ---- change ---- */

static void
new_settings(struct settings *s)
{
	struct sched_limits l;

	handout_limits(s, &l);
	sched_set_limits(sched, &l);
	deposit_settings(s);
	handout_settings(s);
	control_listen(-1); /* if there is one now it comes behind this */
	settings_free(role->settings);
	role->settings = s;
}

/* Becomes the runner when the one before has ended, and looks for messages that
 * other processes deposited. */
static void
tick(void *arg)
{
	bool runner = queue.runner;

	(void)arg;
	if (!runner && queue_run(&queue) == OK)
		log_info("this process hands out the queue now");
	if (queue.runner && (queue_touched(&queue) || !runner))
		handout_scan();
	handout_tick();
	control_tick();
	timer_add(TICK, tick, NULL);
}

/* Whoever lets us end wants what can be delivered to be delivered. */
static void
look_drained(void *arg)
{
	(void)arg;
	if (!queue.runner || sched_quiet(sched, now_ms() + DRAIN_SOON))
		role_drained(role);
	else
		timer_add(DRAIN_LOOK, look_drained, NULL);
}

static void
drain(void)
{
	look_drained(NULL);
}

/* ---- start ---- */

static void
open_queue(struct role *r)
{
	const char *name = r->settings->queue_directory;
	char why[256];
	int dir = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir == -1)
		role_failed(r,
		    "queue_directory %s: %s; create it for the "
		    "user of the role queue (install -d -m 700)",
		    name, strerror(errno));
	priv_drop(r, ROLE_QUEUE, name);
	enum status st = queue_open(&queue, dir, why, sizeof(why));
	close(dir);
	if (st != OK)
		role_failed(r, "queue_directory %s: %s", name, why);
	unsigned n = queue_sweep(&queue);
	if (n > 0)
		log_info(
		    "queue: %u unfinished files removed from incoming/", n);
}

static void
enter_publisher(void *arg)
{
	struct role *r = arg;

	close_fd(&r->ctl);
	for (unsigned i = 0; i < ROLE__N; i++)
		if (i != ROLE_LOG)
			close_fd(&r->peer[i]);
	for (unsigned i = 0; i < r->listen_n; i++)
		close_fd(&r->listen_fd[i]);
	close_fd(&queue.lock); /* lives and ends with the queue itself */
	close_fd(&queue.hold);
	close_fd(&queue.damaged);
	proc_title("queue: publisher");
	sandbox_enter(r, ROLE_QUEUE);
}

noreturn void
svc_queue_main(struct role *r)
{
	struct sched_limits l;

	role = r;
	signal(SIGXFSZ, SIG_IGN); /* EFBIG instead */
	signal(SIGPIPE, SIG_IGN);
	open_queue(r);
	control_init(&queue, &sched);
	signal(SIGCHLD, SIG_IGN); /* a publisher's end shows on its channel */
	if (!publishers_fork(&queue, PUBLISHERS, enter_publisher, r))
		role_failed(r, "fork: %s", strerror(errno));
	service_init();
	sandbox_enter(r, ROLE_QUEUE);
	log_gather(true);
	handout_limits(r->settings, &l);
	sched = sched_new(&l);
	if (sched == NULL)
		role_failed(r, "out of memory");
	publishers_watch();
	own_record_init(&queue, sched);
	deposit_init(&queue, sched, r->settings);
	handout_init(&queue, sched, r->settings, r->peer[ROLE_DELIVER],
	    r->peer[ROLE_RELAY], r->peer[ROLE_EXPAND]);
	r->peer[ROLE_DELIVER] = r->peer[ROLE_RELAY] = -1;
	r->peer[ROLE_EXPAND] = -1;
	for (unsigned i = 0; i < ROLE__N; i++)
		if ((i == ROLE_POOL || i == ROLE_AUTH) && r->peer[i] != -1)
			add_intro((enum role_id)i, r->peer[i]);
	queue_touched(&queue);
	if (queue.runner)
		handout_scan();
	else
		log_info("another process hands out the queue");
	if (sched_count(sched) > 0)
		log_info("%zu messages in the queue", sched_count(sched));
	control_listen(r->listen_n > 0 ? r->listen_fd[0] : -1);
	role_watch_master(r, add_intro, new_settings);
	role_on_listen(control_listen);
	role_on_drain(drain);
	role_ready(r);
	tick(NULL);
	service_run();
	control_close();
	handout_end(END_WAIT);
	publishers_end(END_WAIT);
	log_flush();
	exit(0);
}
