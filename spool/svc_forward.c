/*
 * Forwarding: who is meant, and an order for a process that is this user.
 *
 * Runs in: deliver (root); sees no octet of a message or of a user's file but
 * what such a process answers, which is checked.
 */
#define _GNU_SOURCE
#include "spool/svc_forward.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "common/log.h"
#include "common/msg.h"
#include "spool/forward_file.h"
#include "spool/order.h"
#include "spool/runner.h"

enum {
	FORWARD_MS = 20000, /* for reading a file; home may be far away */
	OPEN_MS = 60000,    /* for the locks of a file, and its disk */
	SPARE_MS = 15000    /* behind a command's own time, for its process */
};

/* An order that is being carried out. */
struct task {
	uint64_t peer;
	uint32_t what;
	struct user user;
	char delivered_to[ADDR_MAX + 1];
	int end;
	struct watch *watch;
	struct timer *timer;
};

static terminal_resolve *resolve_user;
static const struct settings *(*settings_now)(void);
static int (*find_user)(const char *name, struct user *);
static unsigned tasks;
static void (*when_done)(void);

void
forward_init(terminal_resolve *resolve,
    const struct settings *(*settings)(void),
    int (*find)(const char *name, struct user *))
{
	resolve_user = resolve;
	settings_now = settings;
	find_user = find;
}

enum status
forward_first(const struct user *u, char *why, size_t size)
{
	if (!settings_now()->forward)
		return OK;
	enum status st = forward_there(u);
	if (st == OK) {
		snprintf(why, size, "%s has a " FORWARD_NAME, u->name);
		return ERR_FORWARD;
	}
	if (st == ERR_GONE)
		return OK;
	snprintf(why, size, "home of %s: %s", u->name, status_text(st));
	return ERR_IO;
}

/* ---- answers ---- */

static void
put_forward(struct msg *rp, enum status st, const struct user *u,
    const char *delivered_to, const char *text)
{
	msg_put_u32(rp, status_pack(st));
	msg_put_str(rp, u->name);
	msg_put_view(
	    rp, (struct view){ text, strnlen(text, DELIVER_TEXT_MAX - 1) });
	msg_put_str(rp, delivered_to);
}

static enum answer
no_forward(struct msg *rp, enum status st, const char *text)
{
	put_forward(rp, st, &(struct user){ .name = "" }, "", text);
	msg_put_u32(rp, 0);
	return ANSWER;
}

static enum answer
no_run(struct msg *rp, enum run_outcome o, const char *code, const char *text)
{
	run_put_answer(rp, o, code, text);
	return ANSWER;
}

/* A target as it goes to the queue: an address that is the user himself is his
 * mailbox, or he would be asked again and again; a \user of another host is an
 * address like others. */
static void
put_target(struct msg *rp, const struct task *t, struct alias_target *a)
{
	char delivered_to[ADDR_MAX + 1];
	enum rcpt_resolved r;
	struct user u;

	if (a->kind == TARGET_ADDRESS || a->kind == TARGET_USER) {
		r = resolve_user(a->text, &u, delivered_to);
		if (r == RESOLVED_FOREIGN)
			a->kind = TARGET_ADDRESS;
		else if (r == RESOLVED_LOCAL &&
			 strcmp(u.name, t->user.name) == 0)
			a->kind = TARGET_USER;
	}
	msg_put_u32(rp, a->kind);
	msg_put_str(rp, a->text);
}

/* What the child says of the file, checked. */
static bool
relay_forward(const struct task *t, struct msg *m, struct msg *rp)
{
	enum status st = status_unpack(msg_get_u32(m));
	uint32_t n = msg_get_u32(m);
	struct alias_target a;

	if (m->bad || n > FORWARD_TARGETS_MAX || (n > 0) != (st == OK))
		return false;
	put_forward(
	    rp, st, &t->user, t->delivered_to, st == OK ? "" : status_text(st));
	msg_put_u32(rp, n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t kind = msg_get_u32(m);
		msg_get_str(m, a.text, sizeof(a.text));
		if (m->bad || kind >= TARGET__N ||
		    !(TARGETS_FORWARD & 1u << kind))
			return false;
		a.kind = (enum target_kind)kind;
		put_target(rp, t, &a);
	}
	return msg_done(m) && m->fd == -1 && !rp->bad;
}

static bool
relay_run(struct msg *m, struct msg *rp)
{
	char code[RUN_CODE_MAX], text[DELIVER_TEXT_MAX];
	enum run_outcome o;

	if (!run_got(m, &o, code, text))
		return false;
	run_put_answer(rp, o, code, text);
	return true;
}

static void
finish(struct task *t, struct msg *m)
{
	static struct msg rp;
	struct peer *p = service_find(t->peer);
	bool good = false;

	watch_del(t->watch);
	timer_del(t->timer);
	close_fd(&t->end);
	msg_start(&rp, 0);
	rp.fd = -1;
	if (m != NULL && m->type == t->what)
		good = t->what == ORDER_FORWARD ? relay_forward(t, m, &rp)
						: relay_run(m, &rp);
	if (!good) {
		msg_start(&rp, 0);
		rp.fd = -1;
		log_warn("warning: the process that acted as %s gave no "
			 "answer",
		    t->user.name);
		if (t->what == ORDER_FORWARD)
			no_forward(&rp, ERR_BUSY, "no answer");
		else
			no_run(&rp, RUN_LATER, "4.3.0", "no answer");
	}
	if (p != NULL)
		peer_answer(p, &rp);
	free(t);
	tasks--;
	if (tasks == 0 && when_done != NULL)
		when_done();
}

static void
answered(void *arg, uint32_t events)
{
	static struct msg m;
	struct task *t = arg;
	int rc = msg_recv(t->end, &m);

	(void)events;
	if (rc == -1 && errno == EAGAIN)
		return;
	finish(t, rc == 1 ? &m : NULL);
	if (rc == 1)
		close_fd(&m.fd);
}

static void
overdue(void *arg)
{
	struct task *t = arg;

	t->timer = NULL;
	finish(t, NULL);
}

/* ---- orders ---- */

static enum status
give_order(struct peer *p, uint32_t what, struct order *o, int64_t ms)
{
	static struct msg m;
	struct task *t = calloc(1, sizeof(*t));
	int pair[2] = { -1, -1 };
	enum status st = ERR_NOMEM;

	if (t == NULL || channel_pair(pair) == -1)
		goto out;
	order_put(&m, what, o);
	m.fd = what == ORDER_RUN ? o->run.file : -1;
	if (msg_send(pair[0], &m) == -1)
		goto out;
	st = runner_job(&o->user, ms, pair[1]);
	if (st != OK)
		goto out;
	t->watch = watch_add(pair[0], EPOLLIN, answered, t);
	if (t->watch == NULL) {
		st = ERR_NOMEM;
		goto out;
	}
	t->peer = p->id;
	t->what = what;
	t->user = o->user;
	memcpy(t->delivered_to, o->delivered_to, sizeof(t->delivered_to));
	t->end = pair[0];
	t->timer = timer_add(ms + SPARE_MS, overdue, t);
	pair[0] = -1;
	tasks++;
	t = NULL;
out:
	free(t);
	close_fd(&pair[0]);
	close_fd(&pair[1]);
	return st;
}

static void
start_order(struct order *o, const struct user *u)
{
	const struct settings *s = settings_now();

	memset(o, 0, sizeof(*o));
	o->user = *u;
	o->mboxrd = s->quoting_mboxrd;
	o->dotlock = s->lock_dotlock;
	o->lock_wait = s->mailbox_lock_wait;
	o->time = s->command_time;
}

enum answer
answer_forward(struct peer *p, struct msg *rq, struct msg *rp)
{
	static struct order o;
	char address[ADDR_MAX + 1], delivered_to[ADDR_MAX + 1];
	struct user u;

	msg_get_str(rq, address, sizeof(address));
	if (!msg_done(rq))
		return ANSWER_DROP;
	switch (resolve_user(address, &u, delivered_to)) {
	case RESOLVED_LOCAL:
		break;
	case RESOLVED_LATER:
		return no_forward(rp, ERR_IO, "the users cannot be asked now");
	default:
		return no_forward(rp, ERR_GONE, "no such user");
	}
	enum status st = forward_there(&u);
	if (st == OK && !settings_now()->forward)
		st = ERR_GONE;
	if (st == OK) {
		start_order(&o, &u);
		view_copy(view_of(delivered_to), o.delivered_to,
		    sizeof(o.delivered_to));
		st = give_order(p, ORDER_FORWARD, &o, FORWARD_MS);
	}
	return st == OK ? ANSWER_LATER : no_forward(rp, st, status_text(st));
}

/* The part behind the delimiter, of a recipient who is this user. */
static void
set_extension(struct order *o)
{
	const char *delimiters = settings_now()->recipient_delimiter;
	char delivered_to[ADDR_MAX + 1];
	size_t n = strlen(o->user.name);
	struct address a;
	struct user u;

	if (resolve_user(o->run.original, &u, delivered_to) != RESOLVED_LOCAL ||
	    strcmp(u.name, o->user.name) != 0)
		return;
	view_copy(
	    view_of(delivered_to), o->delivered_to, sizeof(o->delivered_to));
	if (address_parse_utf8(view_of(o->run.original), &a) == ADDR_OK &&
	    view_casestarts(view_of(a.local), u.name) && a.local[n] != '\0' &&
	    strchr(delimiters, a.local[n]) != NULL)
		view_copy(view_of(a.local + n + 1), o->extension,
		    sizeof(o->extension));
}

/* 1, 0: there is no such user, or one who must not be used; -1: later. */
static int
find_owner(const struct run *r, struct user *u)
{
	const char *name = settings_now()->alias_user;
	int rc = find_user(r->source == SOURCE_ALIASES ? name : r->user, u);

	if (rc == 0 && r->source == SOURCE_ALIASES) {
		/* "nobody" is there even where only a users file is asked. */
		const struct passwd *pw = getpwnam(name);
		if (pw != NULL) {
			view_copy(view_of(name), u->name, sizeof(u->name));
			u->uid = pw->pw_uid;
			u->gid = pw->pw_gid;
			rc = 1;
		}
	}
	return rc == 1 && (u->uid == 0 || u->gid == 0) ? 0 : rc;
}

static void
for_aliases(struct order *o)
{
	const struct settings *s = settings_now();
	size_t n = 0;

	snprintf(o->user.home, sizeof(o->user.home), "/");
	o->user.shell[0] = '\0';
	o->shell_ok = true;
	snprintf(
	    o->delivered_to, sizeof(o->delivered_to), "%s", o->run.original);
	for (unsigned i = 0; i < s->alias_file_n; i++) {
		int k = snprintf(o->aliases + n, sizeof(o->aliases) - n, "%s%s",
		    i == 0 ? "" : "\n", s->alias_files[i]);
		if (k < 0 || (size_t)k >= sizeof(o->aliases) - n) {
			o->aliases[n] = '\0'; /* not allowed, then */
			break;
		}
		n += (size_t)k;
	}
}

static bool
content_there(const struct run *r)
{
	struct stat st;

	return fstat(r->file, &st) == 0 && S_ISREG(st.st_mode) &&
	       r->offset + r->length <= (uint64_t)st.st_size;
}

enum answer
answer_run(struct peer *p, struct msg *rq, struct msg *rp)
{
	static struct order o;
	struct run_space space;
	struct user u = { .name = "" };
	struct run r;

	if (!run_get(rq, &r, &space) || !content_there(&r))
		return ANSWER_DROP;
	int found = find_owner(&r, &u);
	if (found == -1)
		return no_run(rp, RUN_LATER, "4.3.0",
		    "the users cannot be "
		    "asked now");
	if (found == 0)
		return no_run(rp, RUN_FAILED, "5.1.1", "no such user");
	if (r.source == SOURCE_FORWARD && !settings_now()->forward)
		return no_run(rp, RUN_STALE, "4.3.5", "not forwarded now");
	start_order(&o, &u);
	o.run = r;
	if (r.source == SOURCE_ALIASES) {
		for_aliases(&o);
	} else {
		resolve_user(u.name, &u, o.delivered_to);
		set_extension(&o);
	}
	enum status st = give_order(p, ORDER_RUN, &o,
	    r.kind == TARGET_COMMAND ? o.time + SPARE_MS
				     : o.lock_wait + OPEN_MS);
	if (st == OK)
		return ANSWER_LATER;
	return no_run(rp, RUN_LATER, "4.3.0", status_text(st));
}

void
forward_stop(void (*done)(void))
{
	when_done = done;
	if (tasks == 0)
		done();
}
