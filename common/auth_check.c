/*
 * Questions to auth, and the work they cost.  Runs in: auth.
 *
 * What a stranger must not learn is whether a user exists.  Every password
 * makes exactly one call of crypt(3), or a second one if SASLprep changes it
 * and it is wrong so: for nobody, for who is locked out, and for uid 0, with
 * the salt and cost of somebody else and a result that is thrown away.  A
 * refusal is answered auth_failure_delay after the question, not after the
 * decision, which hides what differs in the work.  Whose address has failed too
 * often is refused likewise, without any work (auth_limit.h).
 */
#define _GNU_SOURCE
#include "common/auth_check.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/crypt_pool.h"
#include "common/crypt_proc.h"
#include "common/log.h"
#include "common/saslprep.h"

enum {
	WAITING_MAX = 1024,
	WAIT_MS = 30000 /* then the answer is "later" */
};

static struct role *role;
static struct passdb *users;
static char default_setting[USER_HASH_MAX];
static struct list {
	struct check *first, *last;
	unsigned n;
} lists[DECIDED];     /* by state */
static struct msg rp; /* 64 KiB: not on the stack */
static const char too_many[] = "too many failures from that address";

/* ---- one question ---- */

static void
list_add(struct check *c, enum check_state state)
{
	struct list *l = &lists[state];

	c->state = state;
	c->prev = l->last;
	*(l->last == NULL ? &l->first : &l->last->next) = c;
	l->last = c;
	l->n++;
}

static void
list_remove(struct check *c)
{
	if (c->state == DECIDED)
		return;
	struct list *l = &lists[c->state];
	*(c->prev == NULL ? &l->first : &c->prev->next) = c->next;
	*(c->next == NULL ? &l->last : &c->next->prev) = c->prev;
	c->prev = c->next = NULL;
	l->n--;
}

static void
exchange_free(struct check *c)
{
	if (c->exchange != NULL)
		explicit_bzero(c->exchange, sizeof(*c->exchange));
	free(c->exchange);
	c->exchange = NULL;
}

struct check *
check_new(void)
{
	struct check *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->why = "";
	list_add(c, TALKING);
	return c;
}

void
check_free(struct check *c)
{
	list_remove(c);
	timer_del(c->timer);
	exchange_free(c);
	explicit_bzero(c, sizeof(*c));
	free(c);
}

void
check_gone(struct peer *p)
{
	struct check *c = p->state;

	p->state = NULL;
	if (c == NULL)
		return;
	if (c->state == RUNNING)
		c->peer = 0; /* freed when the crypt process answers */
	else
		check_free(c);
}

void
check_begin(struct check *c, struct peer *p, int fd)
{
	check_gone(p); /* an exchange that the client has cancelled */
	origin_of(fd, c->client, role->settings, &c->origin);
	c->peer = p->id;
	c->asked = now_ms();
	p->state = c;
}

/* ---- the answer ---- */

static void
log_result(const struct check *c)
{
	char name[80], mechanism[32], client[64];

	log_clean(view_of(c->user), name, sizeof(name));
	log_clean(view_of(c->mechanism), mechanism, sizeof(mechanism));
	log_clean(view_of(c->client), client, sizeof(client));
	/* fail2ban counts the worker's line about a refusal, not this one, and
	 * logwatch the worker's about a login: both pass over those of what
	 * Dovecot calls auth-worker. */
	if (c->result == AUTH_YES)
		log_write(LOG_LVL_INFO, "auth-worker",
		    "login of user %s, method %s, client %s, %s says the "
		    "worker",
		    c->found.name, mechanism, c->origin.text, client);
	else
		log_debug("refused user %s, method %s, client %s, %s says the "
			  "worker: %s",
		    name, mechanism, c->origin.text, client, c->why);
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
	msg_start(&rp, 0); /* peer_answer sets the type */
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

void
check_decide(struct check *c, enum auth_result result, const char *why)
{
	int64_t delay = 0;

	/* At once, not when it is answered: meanwhile others may be asked
	 * about, and whoever leaves does not take the failure along. */
	if (result == AUTH_NO && why != too_many)
		auth_limit_count(&c->origin, role->settings, now_ms());
	explicit_bzero(c->pass, sizeof(c->pass));
	explicit_bzero(c->found.hash, sizeof(c->found.hash));
	exchange_free(c);
	timer_del(c->timer);
	c->timer = NULL;
	if (c->peer == 0) {
		check_free(c);
		return;
	}
	list_remove(c);
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
waited_enough(void *arg)
{
	struct check *c = arg;

	c->timer = NULL;
	check_decide(c, AUTH_LATER, "too busy");
}

static void
wait_again(struct check *c)
{
	c->again = true;
	c->other = false;
	list_remove(c);
	list_add(c, WAITING);
	c->timer = timer_add(WAIT_MS, waited_enough, c);
}

static void
calculated(void *arg, const char *hash)
{
	struct check *c = arg;

	log_debug("crypt calls %llu", crypt_pool_calls());
	bool right =
	    hash != NULL && !c->dummy && crypt_same(c->found.hash, hash);
	if (hash == NULL)
		check_decide(c, AUTH_LATER, "crypt process gone");
	else if (right)
		check_decide(c, AUTH_YES, "");
	else if (c->other && c->peer != 0)
		wait_again(c);
	else
		check_decide(c, AUTH_NO, c->dummy ? c->why : "wrong password");
}

/* Why this user cannot log in, whatever the password; NULL: can. */
static const char *
barred(const struct check *c, int found, bool prepared)
{
	if (found == 0)
		return "no such user";
	if (c->found.uid == 0)
		return "uid 0";
	if (c->pass[0] == '\0')
		return "empty password";
	if (!prepared) /* RFC 4616 2 */
		return "SASLprep refuses that password";
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

bool
check_refused(struct check *c)
{
	bool over = auth_limit_reached(&c->origin, role->settings, now_ms());

	if (over)
		check_decide(c, AUTH_NO, too_many);
	return over;
}

/* As the client spells it, or as SASLprep does.  The hashes of users whom
 * others made may be of what was typed, so a password is tried both ways, too.
 */
static int
find(struct check *c, const char *name)
{
	char prepared[AUTH_USER_MAX + 1];
	bool good = saslprep(view_of(name), SASLPREP_QUERY, prepared,
			sizeof(prepared)) > 0;
	int found = 0;

	passdb_refresh(users);
	if (good)
		found = passdb_find(users, view_of(name), true, &c->found);
	if (good && found == 0 && strcmp(prepared, name) != 0)
		found = passdb_find(users, view_of(prepared), true, &c->found);
	return found;
}

static void
check_start(struct check *c)
{
	char setting[USER_HASH_MAX], prepared[AUTH_PASS_MAX + 1];

	/* Those before it in the queue may have failed since. */
	if (check_refused(c))
		return;
	int found = find(c, c->user);
	if (found == -1) {
		check_decide(c, AUTH_LATER, "user database");
		return;
	}
	bool good = saslprep(view_of(c->pass), SASLPREP_QUERY, prepared,
			sizeof(prepared)) > 0;
	c->why = barred(c, found, good);
	if (c->why == NULL && !crypt_setting(c->found.hash, setting))
		c->why = "bad hash";
	c->dummy = c->why != NULL;
	if (c->dummy)
		model_setting(setting);
	c->other = !c->again && good && strcmp(prepared, c->pass) != 0;
	if (crypt_pool_ask(
		setting, c->other ? prepared : c->pass, calculated, c)) {
		if (!c->other)
			explicit_bzero(c->pass, sizeof(c->pass));
		timer_del(c->timer);
		c->timer = NULL;
		list_remove(c);
		list_add(c, RUNNING);
	} else {
		check_decide(c, AUTH_LATER, "no crypt process");
	}
	explicit_bzero(prepared, sizeof(prepared));
}

static void
pump(void)
{
	while (lists[WAITING].first != NULL && crypt_pool_idle())
		check_start(lists[WAITING].first);
}

void
check_password(struct check *c)
{
	if (check_refused(c))
		return;
	if (lists[WAITING].n >= WAITING_MAX) {
		check_decide(c, AUTH_LATER, "too busy");
		return;
	}
	c->timer = timer_add(WAIT_MS, waited_enough, c);
	list_remove(c);
	list_add(c, WAITING);
	pump(); /* decides, but never answers, before we return */
}

/* '!' locks an account out (passwd -l), and an expired one has no hash at all.
 * '*' says only that there is no password. */
enum auth_result
check_user(struct check *c, const char *name)
{
	int found = find(c, name);
	char first = c->found.hash[0];

	explicit_bzero(c->found.hash, sizeof(c->found.hash));
	if (found == -1) {
		c->why = "user database";
		return AUTH_LATER;
	}
	c->why = found == 0			 ? "no such user"
		 : c->found.uid == 0		 ? "uid 0"
		 : first == '!' || first == '\0' ? "locked"
						 : NULL;
	return c->why == NULL ? AUTH_YES : AUTH_NO;
}

/* ---- what all have in common ---- */

bool
checks_start(struct role *r, void (*forget)(void))
{
	role = r;
	return crypt_pool_start(
	    r, (unsigned)r->settings->auth_processes, forget, pump);
}

bool
checks_open(char **err)
{
	*err = NULL;
	if (crypt_gensalt_rn(NULL, 0, NULL, 0, default_setting,
		sizeof(default_setting)) == NULL) {
		*err = strdup("libcrypt makes no salt");
		return false;
	}
	users = passdb_open(role->settings, true, err);
	return users != NULL;
}

void
checks_settings(void)
{
	char *err = NULL;
	struct passdb *db = passdb_open(role->settings, true, &err);

	if (db == NULL) {
		log_error("error: %s; the users read before stay in force",
		    err == NULL ? "out of memory" : err);
		free(err);
	} else {
		passdb_free(users);
		users = db;
	}
	crypt_pool_resize((unsigned)role->settings->auth_processes);
}

void
checks_forget(void)
{
	passdb_free(users);
	users = NULL;
	for (int i = 0; i < DECIDED; i++)
		for (struct check *c = lists[i].first; c != NULL; c = c->next) {
			explicit_bzero(c->pass, sizeof(c->pass));
			explicit_bzero(c->found.hash, sizeof(c->found.hash));
			exchange_free(c);
		}
}
