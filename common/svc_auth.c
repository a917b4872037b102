/*
 * Who is this client?  Runs in: auth.
 *
 * This process is root, because it reads the shadow file, and the only one that
 * can say "this is user X": it introduces a new channel to queue or maildrop.
 * It never hashes a password that a client sent.  That is done by crypt
 * processes (crypt_proc.c), which are forked before any hash is read, have no
 * right to anything, and are told the salt and not the hash.  A child that was
 * still root for each check, as other servers have it, would put the hostile
 * octets, the hash and the right to be anybody into one process, and a fork
 * into every login.
 *
 * Of what a client sent it reads a user's name and, because the secrets of
 * CRAM-MD5, APOP and SCRAM must not leave it, the short messages of these
 * mechanisms (auth_exchange.c, scram.c): bounded, copied into fixed places, and
 * fuzzed.
 */
#define _GNU_SOURCE
#include "common/svc_auth.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "common/auth_check.h"
#include "common/crypt_pool.h"
#include "common/log.h"
#include "common/sasl_digest.h"

static struct role *role;
static struct secrets *secrets;
static struct buf challenge;

/* ---- AUTH_PASSWORD ---- */

static enum answer
answer_auth_password(struct peer *p, struct msg *rq, struct msg *unused)
{
	struct check *c = check_new();

	(void)unused;
	if (c == NULL)
		return ANSWER_DROP;
	msg_get_str(rq, c->user, sizeof(c->user));
	msg_get_str(rq, c->pass, sizeof(c->pass));
	msg_get_str(rq, c->mechanism, sizeof(c->mechanism));
	msg_get_str(rq, c->client, sizeof(c->client));
	if (!msg_done(rq)) {
		check_free(c);
		return ANSWER_DROP;
	}
	check_begin(c, p, rq->fd);
	check_password(c);
	return ANSWER_LATER;
}

/* ---- AUTH_APOP ---- */

/* The lookup of the user costs the same whether the digest is right or not. */
static void
check_apop(struct check *c, struct view digest, const char *stamp)
{
	char name[USER_NAME_MAX];
	struct view secret;

	secrets_refresh(secrets);
	bool found = secrets_plain(secrets, view_of(c->user), &secret, name);
	bool right = apop_right(secret, stamp, digest);
	enum auth_result r = check_user(c, found ? name : c->user);
	if (r == AUTH_LATER)
		check_decide(c, r, c->why);
	else if (!found || !right)
		check_decide(c, AUTH_NO, found ? "wrong digest" : "no secret");
	else
		check_decide(c, r, c->why);
}

static enum answer
answer_auth_apop(struct peer *p, struct msg *rq, struct msg *unused)
{
	struct check *c = check_new();
	char stamp[AUTH_STAMP_MAX + 1];

	(void)unused;
	if (c == NULL)
		return ANSWER_DROP;
	(void)view_copy(view_of("APOP"), c->mechanism, sizeof(c->mechanism));
	msg_get_str(rq, c->user, sizeof(c->user));
	struct view digest = msg_get_view(rq, AUTH_DIGEST);
	msg_get_str(rq, stamp, sizeof(stamp));
	msg_get_str(rq, c->client, sizeof(c->client));
	if (!msg_done(rq) || !digest_valid(digest)) {
		check_free(c);
		return ANSWER_DROP;
	}
	check_begin(c, p, rq->fd);
	if (!role->settings->apop)
		check_decide(c, AUTH_LATER, "not configured");
	else if (!check_refused(c))
		check_apop(c, digest, stamp);
	return ANSWER_LATER;
}

/* ---- AUTH_START, AUTH_STEP ---- */

static enum answer
answer_continue(struct msg *rp)
{
	if (challenge.bad)
		return ANSWER_DROP;
	msg_put_u32(rp, AUTH_CONTINUE);
	msg_put_str(rp, "");
	msg_put_view(rp, buf_view(&challenge));
	buf_clear(&challenge);
	return ANSWER;
}

static size_t
get_binding(struct msg *rq, char out[AUTH_BINDING_MAX])
{
	struct view v = msg_get_view(rq, AUTH_BINDING_MAX);

	if (v.n > 0)
		memcpy(out, v.p, v.n);
	return v.n;
}

/* Why this mechanism is not offered now, which only a worker of before the last
 * reload does not know; NULL: it is. */
static const char *
unavailable(const struct sasl_mech *m)
{
	const struct settings *s = role->settings;

	if ((s->sasl_mechanisms & BIT(m->id)) == 0)
		return "not in sasl_mechanisms";
	if ((m->flags & SASL_SECRET) && s->secrets[0] == '\0')
		return "no secrets file";
	if ((m->flags & SASL_CERTIFICATE) && s->tls_client_ca[0] == '\0')
		return "no tls_client_ca";
	return NULL;
}

static bool
start_read(struct msg *rq, struct check *c)
{
	struct scram_bindings b = { .exporter_n = 0 };
	char certificate[AUTH_NAME_MAX + 1];

	msg_get_str(rq, c->mechanism, sizeof(c->mechanism));
	msg_get_str(rq, c->client, sizeof(c->client));
	b.exporter_n = get_binding(rq, b.exporter);
	b.end_point_n = get_binding(rq, b.end_point);
	msg_get_str(rq, certificate, sizeof(certificate));
	enum sasl_id id = sasl_id_of(view_of(c->mechanism));
	if (!msg_done(rq) || id == SASL__N ||
	    (sasl_mechs[id].flags & SASL_RELAYED) == 0)
		return false;
	c->exchange = calloc(1, sizeof(*c->exchange));
	if (c->exchange == NULL)
		return false;
	bool plus =
	    b.exporter_n + b.end_point_n > 0 &&
	    (role->settings->sasl_mechanisms &
		(BIT(SASL_SCRAM_SHA_256_PLUS) | BIT(SASL_SCRAM_SHA_1_PLUS))) !=
		0;
	exchange_start(c->exchange, &sasl_mechs[id], plus, &b, certificate,
	    role->settings, &challenge);
	return true;
}

static enum answer
answer_auth_start(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct check *c = check_new();

	if (c == NULL)
		return ANSWER_DROP;
	if (!start_read(rq, c)) {
		check_free(c);
		return ANSWER_DROP;
	}
	check_begin(c, p, rq->fd);
	const char *why = unavailable(c->exchange->mech);
	if (why != NULL) {
		check_decide(c, AUTH_LATER, why);
		return ANSWER_LATER;
	}
	return check_refused(c) ? ANSWER_LATER : answer_continue(rp);
}

/* The client has said all; is it somebody who may log in?  The lookup is made
 * whether its proof was right or not. */
static enum answer
step_decided(struct check *c, enum auth_result r, struct msg *rp)
{
	struct exchange *x = c->exchange;
	enum auth_result may =
	    check_user(c, x->name[0] != '\0' ? x->name : c->user);

	if (r == AUTH_NO && may != AUTH_LATER) {
		check_decide(c, AUTH_NO, x->why);
		return ANSWER_LATER;
	}
	if (may == AUTH_YES && challenge.n > 0) {
		c->proven = true;
		return answer_continue(rp);
	}
	check_decide(c, may, c->why);
	return ANSWER_LATER;
}

static enum answer
answer_auth_step(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct check *c = p->state;
	struct view message = msg_get_view(rq, AUTH_STEP_MAX);

	if (!msg_done(rq) || c == NULL || c->state != TALKING)
		return ANSWER_DROP;
	c->asked = now_ms();
	if (c->proven) {
		check_decide(c, message.n == 0 ? AUTH_YES : AUTH_BAD, "");
		return ANSWER_LATER;
	}
	/* Others from there may have failed while the client was thinking. */
	if (check_refused(c))
		return ANSWER_LATER;
	secrets_refresh(secrets);
	enum auth_result r = exchange_step(
	    c->exchange, secrets, role->settings, message, &challenge);
	(void)view_copy(view_of(c->exchange->user), c->user, sizeof(c->user));
	if (r == AUTH_CONTINUE)
		return answer_continue(rp);
	if (r == AUTH_YES || r == AUTH_NO)
		return step_decided(c, r, rp);
	check_decide(c, r, "malformed");
	return ANSWER_LATER;
}

/* ---- the peers ---- */

enum {
	F = 4, /* octets before each field */
	ANY = BIT(AUTH_PASSWORD) | BIT(AUTH_APOP) | BIT(AUTH_START),
	PASSWORD_MAX =
	    AUTH_USER_MAX + AUTH_PASS_MAX + MECHANISM_MAX + CLIENT_MAX,
	APOP_MAX = AUTH_USER_MAX + AUTH_DIGEST + AUTH_STAMP_MAX + CLIENT_MAX,
	START_MAX =
	    MECHANISM_MAX + CLIENT_MAX + 2 * AUTH_BINDING_MAX + AUTH_NAME_MAX
};

/* clang-format off */
static const struct request requests[] = {
	{ AUTH_PASSWORD, 4 * F, 4 * F + PASSWORD_MAX, true, ANY, answer_auth_password, "password" },
	{ AUTH_APOP, 4 * F, 4 * F + APOP_MAX, true, ANY, answer_auth_apop, "apop" },
	{ AUTH_START, 5 * F, 5 * F + START_MAX, true, ANY | BIT(AUTH_STEP), answer_auth_start, "start" },
	{ AUTH_STEP, F, F + AUTH_STEP_MAX, false, ANY | BIT(AUTH_STEP), answer_auth_step, "step" },
};
/* clang-format on */
static const struct service service = {
	.name = "worker",
	.requests = requests,
	.n = NELEM(requests),
	.first = ANY,
	.gone = check_gone,
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
	checks_forget();
	secrets_free(secrets);
	secrets = NULL;
	buf_wipe(&challenge);
}

static void
new_settings(struct settings *s)
{
	char *err = NULL;
	struct secrets *new = secrets_open(s, &err);

	if (new == NULL) {
		log_error("error: %s; the secrets read before stay in force",
		    err == NULL ? "out of memory" : err);
		free(err);
	} else {
		secrets_free(secrets);
		secrets = new;
	}
	settings_free(role->settings);
	role->settings = s;
	checks_settings();
}

void
svc_auth_main(struct role *r)
{
	char *err = NULL;

	role = r;
	buf_init(&challenge, AUTH_STEP_MAX);
	/* What NSS leaves of the shadow file in freed memory must not be
	 * inherited by a crypt process that is started later. */
	mallopt(M_PERTURB, 0x5a);
	priv_drop(r, ROLE_AUTH, NULL);
	service_init();
	sandbox_enter(r, ROLE_AUTH);
	/* Before there is a secret in this process. */
	if (!checks_start(r, forget))
		role_failed(
		    r, "cannot start a crypt process: %s", strerror(errno));
	if (checks_open(&err))
		secrets = secrets_open(r->settings, &err);
	if (secrets == NULL)
		role_failed(r, "%s", err == NULL ? "out of memory" : err);
	role_watch_master(r, add_channel, new_settings);
	add_channel(ROLE_POOL, r->peer[ROLE_POOL]);
	role_ready(r);
	service_run();
	log_flush();
	exit(0);
}
