/*
 * Is this password this user's?  Runs in: auth.
 *
 * This process is root, because it reads the shadow file, and the only one that
 * can say "this is user X": it introduces a new channel to queue or maildrop.
 * It reads four short fields from a worker and looks the user up; it never
 * hashes what a client sent.  That is done by crypt processes (crypt_proc.c),
 * which are forked before any hash is read, have no right to anything, and are
 * told the salt and not the hash.  A child that was still root for each check,
 * as other servers have it, would put the hostile octets, the hash and the
 * right to be anybody into one process, and a fork into every login.
 *
 * A check: WAITING in a queue for a free crypt process; RUNNING in one;
 * DECIDED, until its answer is due.  A peer has at most one, so first come,
 * first served is round robin.
 *
 * What a stranger must not learn is whether a user exists.  Every check makes
 * exactly one call of crypt(3): for nobody, for who is locked out, and for uid
 * 0, with the salt and cost of somebody else and a result that is thrown away.
 * A refusal is answered auth_failure_delay after the question, not after the
 * decision, which hides what differs in the work.  Whose address has failed too
 * often is refused likewise, without any work (auth_limit.h).
 */
#define _GNU_SOURCE
#include "common/svc_auth.h"

#include <crypt.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "common/ask_auth.h"
#include "common/auth_limit.h"
#include "common/crypt_pool.h"
#include "common/crypt_proc.h"
#include "common/log.h"
#include "common/passdb.h"
#include "common/service.h"

enum {
	WAITING_MAX = 1024,
	WAIT_MS = 30000, /* then the answer is "later" */
	MECHANISM_MAX = 31,
	CLIENT_MAX = 63
};

enum check_state { WAITING, RUNNING, DECIDED };

struct check {
	uint64_t peer; /* id; 0: it has gone */
	enum check_state state;
	enum auth_result result;   /* when DECIDED */
	struct check *prev, *next; /* while WAITING or RUNNING */
	struct timer *timer; /* WAITING: gives up; DECIDED: the answer is due */
	int64_t asked;	     /* now_ms() */
	bool dummy;	     /* whatever comes out, the answer is no */
	const char *why;     /* for the log: static */
	struct origin origin;
	struct user found;
	char user[AUTH_USER_MAX + 1], pass[AUTH_PASS_MAX + 1];
	char mechanism[MECHANISM_MAX + 1], client[CLIENT_MAX + 1];
};

static struct role *role;
static struct passdb *users;
static char default_setting[USER_HASH_MAX];
static struct list {
	struct check *first, *last;
	unsigned n;
} waiting, running;
static struct msg rp; /* 64 KiB: not on the stack */
static const char too_many[] = "too many failures from that address";

static void
list_add(struct list *l, struct check *c)
{
	c->prev = l->last;
	*(l->last == NULL ? &l->first : &l->last->next) = c;
	l->last = c;
	l->n++;
}

static void
list_remove(struct list *l, struct check *c)
{
	*(c->prev == NULL ? &l->first : &c->prev->next) = c->next;
	*(c->next == NULL ? &l->last : &c->next->prev) = c->prev;
	c->prev = c->next = NULL;
	l->n--;
}

static void
check_free(struct check *c)
{
	timer_del(c->timer);
	explicit_bzero(c, sizeof(*c));
	free(c);
}

/* ---- the answer ---- */

static void
log_result(const struct check *c)
{
	char name[80], mechanism[32], client[64];

	log_clean(view_of(c->user), name, sizeof(name));
	log_clean(view_of(c->mechanism), mechanism, sizeof(mechanism));
	log_clean(view_of(c->client), client, sizeof(client));
	/* fail2ban counts the worker's line about a refusal, not this one. */
	if (c->result == AUTH_YES)
		log_info("login of user %s, method %s, client %s says the "
			 "worker",
		    c->found.name, mechanism, client);
	else
		log_debug("refused user %s, method %s, client %s says the "
			  "worker: %s",
		    name, mechanism, client, c->why);
}

/* The right to be that user, for the asker; -1 if it cannot be had now. */
static int
right_new(const struct check *c)
{
	enum role_id to = role->pop3 ? ROLE_MAILDROP : ROLE_QUEUE;
	struct intro in = {
		.kind = INTRO_USER, .uid = c->found.uid, .gid = c->found.gid
	};
	int fd = -1;

	if (view_copy(view_of(c->found.name), in.user, sizeof(in.user)) &&
	    view_copy(view_of(c->found.home), in.home, sizeof(in.home)))
		fd = introduce(role->peer[to], &in);
	if (fd == -1)
		log_error("error: introducing %s to %s: %s", c->found.name,
		    role_name(to), strerror(errno));
	return fd;
}

static void
answer_due(void *arg)
{
	struct check *c = arg;
	struct peer *p = service_find(c->peer);

	c->timer = NULL;
	if (p == NULL)
		goto out;
	msg_start(&rp, AUTH_PASSWORD);
	if (c->result == AUTH_YES) {
		rp.fd = right_new(c);
		if (rp.fd == -1) {
			c->result = AUTH_LATER;
			c->why = "no channel";
		}
	}
	msg_put_u32(&rp, c->result);
	msg_put_str(&rp, c->result == AUTH_YES ? c->found.name : c->user);
	msg_put_view(&rp, (struct view){ NULL, 0 });
	log_result(c);
	p->state = NULL;
	peer_answer(p, &rp);
out:
	check_free(c);
}

static void
decide(struct check *c, enum auth_result result, const char *why)
{
	int64_t delay = 0;

	/* At once, not when it is answered: meanwhile others may be asked
	 * about, and whoever leaves does not take the failure along. */
	if (result == AUTH_NO && why != too_many)
		auth_limit_count(&c->origin, role->settings, now_ms());
	explicit_bzero(c->pass, sizeof(c->pass));
	explicit_bzero(c->found.hash, sizeof(c->found.hash));
	timer_del(c->timer);
	c->timer = NULL;
	if (c->peer == 0) {
		check_free(c);
		return;
	}
	c->state = DECIDED;
	c->result = result;
	c->why = why;
	if (result == AUTH_NO)
		delay =
		    c->asked + role->settings->auth_failure_delay - now_ms();
	c->timer = timer_add(delay > 0 ? delay : 0, answer_due, c);
}

/* ---- the work ---- */

static void
calculated(void *arg, const char *hash)
{
	struct check *c = arg;

	list_remove(&running, c);
	log_debug("crypt calls %llu", crypt_pool_calls());
	if (hash == NULL)
		decide(c, AUTH_LATER, "crypt process gone");
	else if (c->dummy)
		decide(c, AUTH_NO, c->why);
	else if (crypt_same(c->found.hash, hash))
		decide(c, AUTH_YES, "");
	else
		decide(c, AUTH_NO, "wrong password");
}

/* Why this user cannot log in, whatever the password; NULL: can. */
static const char *
barred(const struct check *c, int found)
{
	if (found == 0)
		return "no such user";
	if (c->found.uid == 0)
		return "uid 0";
	if (c->pass[0] == '\0')
		return "empty password";
	return passdb_hash_usable(c->found.hash) ? NULL : "locked";
}

/* Somebody's salt and cost, so that the work is what a real check costs. */
static void
model_setting(char setting[USER_HASH_MAX])
{
	char hash[USER_HASH_MAX];

	if (!passdb_model_hash(users, hash) || !crypt_setting(hash, setting))
		view_copy(view_of(default_setting), setting, USER_HASH_MAX);
	explicit_bzero(hash, sizeof(hash));
}

static void
check_start(struct check *c)
{
	char setting[USER_HASH_MAX];

	if (auth_limit_reached(&c->origin, role->settings, now_ms())) {
		decide(c, AUTH_NO, too_many);
		return;
	}
	passdb_refresh(users);
	int found = passdb_find(users, view_of(c->user), true, &c->found);
	if (found == -1) {
		decide(c, AUTH_LATER, "user database");
		return;
	}
	c->why = barred(c, found);
	if (c->why == NULL && !crypt_setting(c->found.hash, setting))
		c->why = "bad hash";
	c->dummy = c->why != NULL;
	if (c->dummy)
		model_setting(setting);
	if (crypt_pool_ask(setting, c->pass, calculated, c)) {
		explicit_bzero(c->pass, sizeof(c->pass));
		timer_del(c->timer);
		c->timer = NULL;
		c->state = RUNNING;
		list_add(&running, c);
	} else {
		decide(c, AUTH_LATER, "no crypt process");
	}
}

static void
pump(void)
{
	while (waiting.first != NULL && crypt_pool_idle()) {
		struct check *c = waiting.first;
		list_remove(&waiting, c);
		check_start(c);
	}
}

static void
waited_enough(void *arg)
{
	struct check *c = arg;

	c->timer = NULL;
	list_remove(&waiting, c);
	decide(c, AUTH_LATER, "too busy");
}

/* ---- the peers ---- */

static enum answer
answer_auth_password(struct peer *p, struct msg *rq, struct msg *unused)
{
	struct check *c = calloc(1, sizeof(*c));
	enum answer a = ANSWER_DROP;

	(void)unused;
	if (c == NULL)
		goto out;
	msg_get_str(rq, c->user, sizeof(c->user));
	msg_get_str(rq, c->pass, sizeof(c->pass));
	msg_get_str(rq, c->mechanism, sizeof(c->mechanism));
	msg_get_str(rq, c->client, sizeof(c->client));
	if (!msg_done(rq))
		goto out;
	origin_of(rq->fd, role->settings, &c->origin);
	c->peer = p->id;
	c->asked = now_ms();
	p->state = c;
	a = ANSWER_LATER;
	if (waiting.n >= WAITING_MAX) {
		decide(c, AUTH_LATER, "too busy");
	} else {
		c->timer = timer_add(WAIT_MS, waited_enough, c);
		list_add(&waiting, c);
		pump(); /* decides, but never answers, before we return */
	}
	c = NULL;
out:
	if (c != NULL)
		check_free(c);
	return a;
}

static void
asker_gone(struct peer *p)
{
	struct check *c = p->state;

	p->state = NULL;
	if (c == NULL)
		return;
	if (c->state == WAITING)
		list_remove(&waiting, c);
	if (c->state == RUNNING)
		c->peer = 0; /* freed when the crypt process answers */
	else
		check_free(c);
}

static const struct request requests[] = {
	{ AUTH_PASSWORD, 4 * 4,
	    4 * 4 + AUTH_USER_MAX + AUTH_PASS_MAX + MECHANISM_MAX + CLIENT_MAX,
	    true, BIT(AUTH_PASSWORD), answer_auth_password, "password" },
};
static const struct service service = {
	.name = "worker",
	.requests = requests,
	.n = NELEM(requests),
	.first = BIT(AUTH_PASSWORD),
	.gone = asker_gone,
};

static void
add_asker(int sock, const struct intro *in)
{
	if (in->kind == INTRO_WORKER)
		service_add(sock, &service, NULL);
	else
		close_fd(&sock);
}

/* A channel from a new pool, or to a new queue or maildrop. */
static void
add_channel(enum role_id from, int fd)
{
	if (from == ROLE_POOL) {
		service_introductions(fd, add_asker);
	} else if (from == ROLE_QUEUE || from == ROLE_MAILDROP) {
		close_fd(&role->peer[from]);
		role->peer[from] = fd;
	} else {
		close_fd(&fd);
	}
}

/* ---- the role ---- */

/* In a crypt process, first thing: what it must not know. */
static void
forget(void)
{
	passdb_free(users);
	users = NULL;
	for (struct check *c = waiting.first; c != NULL; c = c->next)
		explicit_bzero(c->pass, sizeof(c->pass));
	for (struct check *c = running.first; c != NULL; c = c->next)
		explicit_bzero(c->found.hash, sizeof(c->found.hash));
}

static void
new_settings(struct settings *s)
{
	char *err = NULL;
	struct passdb *db = passdb_open(s, true, &err);

	if (db == NULL) {
		log_error("error: %s; the users read before stay in force",
		    err == NULL ? "out of memory" : err);
		free(err);
	} else {
		passdb_free(users);
		users = db;
	}
	settings_free(role->settings);
	role->settings = s;
	crypt_pool_resize((unsigned)s->auth_processes);
}

void
svc_auth_main(struct role *r)
{
	char *err = NULL;

	role = r;
	/* What NSS leaves of the shadow file in freed memory must not be
	 * inherited by a crypt process that is started later. */
	mallopt(M_PERTURB, 0x5a);
	if (crypt_gensalt_rn(NULL, 0, NULL, 0, default_setting,
		sizeof(default_setting)) == NULL)
		role_failed(r, "libcrypt makes no salt: %s", strerror(errno));
	priv_drop(r, ROLE_AUTH, NULL);
	service_init();
	sandbox_enter(r, ROLE_AUTH);
	/* Before there is a secret in this process. */
	if (!crypt_pool_start(
		r, (unsigned)r->settings->auth_processes, forget, pump))
		role_failed(
		    r, "cannot start a crypt process: %s", strerror(errno));
	users = passdb_open(r->settings, true, &err);
	if (users == NULL)
		role_failed(r, "%s", err == NULL ? "out of memory" : err);
	role_watch_master(r, add_channel, new_settings);
	add_channel(ROLE_POOL, r->peer[ROLE_POOL]);
	role_ready(r);
	service_run();
	log_flush();
	exit(0);
}
