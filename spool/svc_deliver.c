/*
 * The opener: from a recipient address to a channel on which one message can be
 * put into that user's mailbox.  It believes nobody who the user is, opens the
 * mailbox as its owner, and sees no octet of any message.
 *
 * Runs in: deliver (root).
 */
#define _GNU_SOURCE
#include "spool/svc_deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/passdb.h"
#include "common/service.h"
#include "spool/append_grant.h"
#include "spool/appenders.h"
#include "spool/ask_deliver.h"
#include "spool/ask_forward.h"
#include "spool/grant_give.h"
#include "spool/intent.h"
#include "spool/mailbox.h"
#include "spool/recipient.h"
#include "spool/runner.h"
#include "spool/state.h"
#include "spool/svc_forward.h"
#include "spool/svc_terminal.h"
#include "spool/terminal_text.h"

enum {
	/* Deliveries that one asker may have open.  An honest one has one; the
	 * one before may still be closing when it asks for the next.  Who has
	 * more waits until one of them is over: append ends those that are not
	 * used. */
	OPEN_MAX_EACH = 2,
	REFRESH = 1000,	     /* ms between two looks at the users file */
	HEADER_ROOM = 65536, /* octets of content over message_size_max:
			      * trace headers */
	STOP_MAX = 20000,    /* ms for deliveries under way to end */
	WHY_MAX = 256
};

static struct role *role;
static struct passdb *users;
static int64_t refreshed;

/* Whoever asks.  Of each channel that it was given the opener keeps a copy of
 * the asker's end, for nothing but to see when append has closed its own. */
struct asker {
	bool queue;
	bool here;		  /* whatever the user forwards */
	int given[OPEN_MAX_EACH]; /* -1: none */
	uint64_t peer;
	/* while it waits for one of those to end */
	struct watch *watch[OPEN_MAX_EACH];
	char address[ADDR_MAX + 1];
};

/* ---- who ---- */

static enum rcpt_resolved
resolve(const char *address, struct user *u, char *delivered_to)
{
	enum rcpt_resolved r = RESOLVED_UNKNOWN;

	for (int i = 0; r == RESOLVED_UNKNOWN && i < 2; i++) {
		/* A user made just now is not unknown. */
		if (i > 0 || now_ms() - refreshed > REFRESH) {
			passdb_refresh(users);
			refreshed = now_ms();
		}
		r = recipient_resolve(
		    role->settings, users, address, u, delivered_to);
	}
	return r;
}

static enum status
resolve_status(const char *address, struct user *u, char *delivered_to,
    char *why, size_t size)
{
	switch (resolve(address, u, delivered_to)) {
	case RESOLVED_LOCAL:
		return OK;
	case RESOLVED_UNKNOWN:
		snprintf(why, size, "no such user");
		return ERR_GONE;
	case RESOLVED_FOREIGN:
		snprintf(why, size, "not a local address");
		return ERR_PERM;
	case RESOLVED_LATER:
		break;
	}
	snprintf(why, size, "the user database cannot be asked now");
	return ERR_IO;
}

/* For the dotlocks of the append processes. */
static enum status
find_user(const char *name, struct user *u, struct mailbox_path *path)
{
	int rc = passdb_find(users, view_of(name), false, u);

	if (rc != 1)
		return rc == 0 ? ERR_GONE : ERR_IO;
	return mailbox_path(role->settings, u, path);
}

static int
find_by_name(const char *name, struct user *u)
{
	return passdb_find(users, view_of(name), false, u);
}

static const struct settings *
settings_now(void)
{
	return role->settings;
}

/* ---- opening ---- */

static enum status
open_mailbox(const struct user *u, struct mailbox_path *path, int *fd, int *dir,
    char *why, size_t size)
{
	enum status st = mailbox_path(role->settings, u, path);

	if (st != OK) {
		snprintf(why, size, "there is no path for this mailbox");
		return st;
	}
	st = mailbox_open(path, u, O_RDWR, true, fd, dir, why, size);
	if (st != OK)
		return st;
	if (state_update_pending(*dir, u)) {
		/* maildrop finishes it; until then the file is no mbox. */
		snprintf(why, size,
		    "mailbox of %s: deletions that were cut short are not "
		    "finished yet",
		    u->name);
		close_fd(fd);
		close_fd(dir);
		return ERR_BUSY;
	}
	return OK;
}

/* ---- what an asker has open ---- */

static bool
finished(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

static int *
free_place(struct asker *a)
{
	int *place = NULL;

	for (unsigned i = 0; i < OPEN_MAX_EACH; i++) {
		if (a->given[i] != -1 && finished(a->given[i]))
			close_fd(&a->given[i]);
		if (a->given[i] == -1)
			place = &a->given[i];
	}
	return place;
}

/* *end is the asker's. */
static enum status
make_channel(struct asker *a, const struct user *u, const char *delivered_to,
    const char *name, int fd, int dir, int intent, int *end)
{
	const struct settings *s = role->settings;
	struct grant g = { .mboxrd = s->quoting_mboxrd,
		.dotlock = s->lock_dotlock,
		.intent = intent != -1,
		.quota = (uint64_t)s->quota,
		.lock_wait = s->mailbox_lock_wait,
		.length_max =
		    a->queue ? INT64_MAX
			     : (uint64_t)s->message_size_max + HEADER_ROOM };
	int *place = free_place(a);

	if (place == NULL)
		return ERR_LIMIT;
	snprintf(g.user, sizeof(g.user), "%s", u->name);
	snprintf(g.delivered_to, sizeof(g.delivered_to), "%s", delivered_to);
	snprintf(g.name, sizeof(g.name), "%s", name);
	return grant_give(&g, fd, dir, intent, end, place);
}

static enum status
open_for(struct asker *a, struct user *u, int *end, char *why, size_t size)
{
	char delivered_to[ADDR_MAX + 1];
	struct mailbox_path path;
	int fd = -1, dir = -1, intent = -1;
	enum status st = resolve_status(a->address, u, delivered_to, why, size);

	if (st == OK)
		st = a->here ? OK : forward_first(u, why, size);
	if (st != OK)
		return st;
	st = open_mailbox(u, &path, &fd, &dir, why, size);
	if (st == OK) {
		if (intent_possible())
			intent = state_intent_open(dir, &path, u);
		st = make_channel(
		    a, u, delivered_to, path.name, fd, dir, intent, end);
		if (st != OK)
			snprintf(why, size, "mailbox of %s: %s", u->name,
			    status_text(st));
	}
	close_fd(&fd);
	close_fd(&dir);
	close_fd(&intent);
	if (st != OK && st != ERR_FORWARD)
		log_warn("warning: %s", why);
	return st;
}

static void
open_and_say(struct asker *a, struct msg *rp)
{
	char why[WHY_MAX] = "";
	struct user u = { .name = "" };
	int end = -1;
	enum status st = open_for(a, &u, &end, why, sizeof(why));

	/* Paths and owners are nothing for a process that faces the network;
	 * the queue tells them to the sender's postmaster and ours. */
	const char *text = a->queue ? why : status_text(st);
	msg_put_u32(rp, status_pack(st));
	msg_put_str(rp, u.name);
	msg_put_view(
	    rp, (struct view){ text, strnlen(text, DELIVER_TEXT_MAX - 1) });
	rp->fd = end;
}

static void
wait_no_more(struct asker *a)
{
	for (unsigned i = 0; i < OPEN_MAX_EACH; i++) {
		watch_del(a->watch[i]);
		a->watch[i] = NULL;
	}
}

/* One of those it has open is over. */
static void
one_ended(void *arg, uint32_t events)
{
	static struct msg rp;
	struct asker *a = arg;

	(void)events;
	wait_no_more(a);
	msg_start(&rp, a->here ? DELIVER_OPEN_HERE : DELIVER_OPEN);
	open_and_say(a, &rp);
	peer_answer(service_find(a->peer), &rp);
}

static bool
wait_for_one(struct asker *a)
{
	bool good = true;

	for (unsigned i = 0; i < OPEN_MAX_EACH; i++) {
		/* Nothing but its end, which is told without being asked. */
		a->watch[i] = watch_add(a->given[i], 0, one_ended, a);
		good = good && a->watch[i] != NULL;
	}
	if (!good)
		wait_no_more(a);
	return good;
}

static enum answer
answer_open(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct asker *a = p->state;

	a->here = rq->type == DELIVER_OPEN_HERE;
	msg_get_str(rq, a->address, sizeof(a->address));
	if (!msg_done(rq))
		return ANSWER_DROP;
	a->peer = p->id;
	if (free_place(a) == NULL && wait_for_one(a))
		return ANSWER_LATER;
	open_and_say(a, rp);
	return ANSWER;
}

/* ---- askers ---- */

enum {
	QUEUE_MAY = BIT(DELIVER_OPEN) | BIT(DELIVER_TERMINAL) |
		    BIT(DELIVER_OPEN_HERE) | BIT(DELIVER_FORWARD) |
		    BIT(DELIVER_RUN)
};

/* clang-format off */
static const struct request requests[] = {
	{ DELIVER_OPEN, 5, 4 + ADDR_MAX, false, QUEUE_MAY,
	    answer_open, "DELIVER_OPEN" },
	/* The queue may ask that, a worker may not. */
	{ DELIVER_TERMINAL, 16, TERMINAL_CONTENT + 1024, false, QUEUE_MAY,
	    answer_terminal, "DELIVER_TERMINAL" },
	{ DELIVER_OPEN_HERE, 5, 4 + ADDR_MAX, false, QUEUE_MAY,
	    answer_open, "DELIVER_OPEN_HERE" },
	{ DELIVER_FORWARD, 5, 4 + ADDR_MAX, false, QUEUE_MAY,
	    answer_forward, "DELIVER_FORWARD" },
	{ DELIVER_RUN, 44, 2560, true, QUEUE_MAY,
	    answer_run, "DELIVER_RUN" },
};
/* clang-format on */

/* What it has open ends with it, unless it has passed the channel on. */
static void
asker_gone(struct peer *p)
{
	struct asker *a = p->state;

	wait_no_more(a);
	for (unsigned i = 0; i < OPEN_MAX_EACH; i++)
		close_fd(&a->given[i]);
	free(a);
	p->state = NULL;
}

static const struct service worker_service = {
	.name = "worker",
	.requests = requests,
	.n = 1,
	.first = BIT(DELIVER_OPEN),
	.gone = asker_gone,
};
static const struct service queue_service = {
	.name = "queue",
	.requests = requests,
	.n = NELEM(requests),
	.first = QUEUE_MAY,
	.gone = asker_gone,
};

static void
add_asker(int sock, bool queue)
{
	struct asker *a = calloc(1, sizeof(*a));

	if (a == NULL) {
		close(sock);
		return;
	}
	a->queue = queue;
	for (unsigned i = 0; i < OPEN_MAX_EACH; i++)
		a->given[i] = -1;
	if (service_add(sock, queue ? &queue_service : &worker_service, a) ==
	    NULL)
		free(a);
}

/* Each may introduce its own kind only. */
static void
add_worker(int sock, const struct intro *in)
{
	if (in->kind == INTRO_WORKER)
		add_asker(sock, false);
	else
		close(sock);
}

static void
add_queue(int sock, const struct intro *in)
{
	if (in->kind == INTRO_QUEUE)
		add_asker(sock, true);
	else
		close(sock);
}

static void
add_intro(enum role_id from, int fd)
{
	if (from == ROLE_POOL)
		service_introductions(fd, add_worker);
	else if (from == ROLE_QUEUE)
		service_introductions(fd, add_queue);
	else
		close(fd);
}

/* ---- the role ---- */

static void
new_settings(struct settings *s)
{
	char *err = NULL;
	struct passdb *db = passdb_open(s, false, &err);

	if (db == NULL) {
		log_error("error: %s; the old settings stay in force",
		    err == NULL ? "users" : err);
		free(err);
		settings_free(s);
		return;
	}
	passdb_free(users);
	settings_free(role->settings);
	users = db;
	role->settings = s;
	refreshed = now_ms();
	log_level_set(s->log_verbose ? LOG_LVL_DEBUG : LOG_LVL_INFO);
	appenders_resize((unsigned)s->append_processes);
}

static void
stop_late(void *arg)
{
	(void)arg;
	service_stop();
}

/* append, and processes that act as users. */
static int stopping;

static void
one_stopped(void)
{
	if (--stopping == 0)
		service_stop();
}

/* The master says so.  What append has begun it finishes: the end of this
 * process would kill it. */
static void
stop(uint32_t grace)
{
	(void)grace;
	timer_add(STOP_MAX, stop_late, NULL);
	stopping = 2;
	appenders_stop(one_stopped);
	forward_stop(one_stopped);
}

void
svc_deliver_main(struct role *r)
{
	char *err = NULL;

	role = r;
	service_init();
	intent_init();
	priv_drop(r, ROLE_DELIVER, NULL);
	if (runner_fork(r) != OK)
		role_failed(r, "fork: %s", strerror(errno));
	users = passdb_open(r->settings, false, &err);
	if (users == NULL)
		role_failed(r, "%s", err == NULL ? "users" : err);
	refreshed = now_ms();
	sandbox_enter(r, ROLE_DELIVER);
	runner_watch();
	terminal_init(resolve, r->peer[ROLE_LOG]);
	forward_init(resolve, settings_now, find_by_name);
	appenders_start(r, (unsigned)r->settings->append_processes, find_user);
	if (r->peer[ROLE_POOL] != -1)
		add_intro(ROLE_POOL, r->peer[ROLE_POOL]);
	if (r->peer[ROLE_QUEUE] != -1)
		add_intro(ROLE_QUEUE, r->peer[ROLE_QUEUE]);
	role_watch_master(r, add_intro, new_settings);
	role_on_stop(stop);
	role_ready(r);
	service_run();
	log_flush();
	_exit(0);
}
