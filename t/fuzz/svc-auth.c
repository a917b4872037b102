/* Requests to the role auth: whatever a worker sends, yes comes for the right
 * password, digest or certificate alone, with a channel that was introduced
 * for that user; each password costs one call of crypt(3). */
#define _GNU_SOURCE
#include <crypt.h>
#include <stdio.h>

#include "common/saslprep.h"
#include "common/svc_auth.c"
#include "t/fuzz/channel.h"
#include "t/fuzz/world.h"
#include "t/unit/client_at.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int queue; /* its end of auth's channel */
static unsigned long long calls, calls_before;

/* ---- in the place of the crypt processes ---- */

struct job {
	crypt_done *done;
	void *arg;
	char hash[CRYPT_OUTPUT_SIZE];
};
static void (*when_idle)(void);
static bool busy;

bool
crypt_pool_start(
    struct role *r, unsigned n, void (*in_child)(void), void (*idle)(void))
{
	(void)r;
	(void)n;
	(void)in_child;
	when_idle = idle;
	return true;
}

void
crypt_pool_resize(unsigned n)
{
	(void)n;
}

bool
crypt_pool_idle(void)
{
	return !busy;
}

unsigned long long
crypt_pool_calls(void)
{
	return calls;
}

static void
job_due(void *arg)
{
	struct job *j = arg;

	busy = false;
	j->done(j->arg, j->hash);
	free(j);
	when_idle();
}

bool
crypt_pool_ask(
    const char *setting, const char *pass, crypt_done *done, void *arg)
{
	static struct crypt_data c;
	struct job *j = calloc(1, sizeof(*j));

	must(!busy && j != NULL);
	const char *h = crypt_rn(pass, setting, &c, sizeof(c));
	snprintf(j->hash, sizeof(j->hash), "%s", h == NULL ? "" : h);
	j->done = done;
	j->arg = arg;
	busy = true;
	calls++;
	timer_add(0, job_due, j);
	return true;
}

/* ---- */

/* Whom auth has introduced to the queue; closes that channel's end. */
static bool
introduced(char user[USER_NAME_MAX])
{
	static struct msg m;

	if (msg_recv(queue, &m) != 1)
		return false;
	must(msg_get_u32(&m) == INTRO_USER && m.fd != -1);
	msg_get_str(&m, user, USER_NAME_MAX);
	must(msg_get_u32(&m) == 1001 && msg_get_u32(&m) == 1001);
	msg_wipe(&m);
	return true;
}

static void
check(const struct msg *asked, struct msg *rp)
{
	static struct msg rq;
	char user[USER_NAME_MAX] = "", name[AUTH_USER_MAX + 1];
	char pass[AUTH_PASS_MAX + 1], prepared[AUTH_PASS_MAX + 1];
	bool came = introduced(user);

	memcpy(&rq, asked, sizeof(rq));
	uint32_t result = msg_get_u32(rp);
	msg_get_str(rp, name, sizeof(name));
	msg_get_view(rp, AUTH_STEP_MAX);
	must(msg_done(rp) && result <= AUTH_BAD);
	must((rp->fd != -1) == (result == AUTH_YES) && came == (rp->fd != -1));
	if (result == AUTH_YES)
		must(strcmp(user, "bob") == 0 && strcmp(name, user) == 0);
	unsigned long long n = calls - calls_before;
	calls_before = calls;
	if (asked->type != AUTH_PASSWORD) {
		must(n == 0);
		return;
	}
	msg_get_str(&rq, name, sizeof(name));
	msg_get_str(&rq, pass, sizeof(pass));
	bool is_bob = saslprep(view_of(name), SASLPREP_QUERY, prepared,
			  sizeof(prepared)) > 0 &&
		      view_caseeqs(view_of(prepared), "bob");
	bool good = saslprep(view_of(pass), SASLPREP_QUERY, prepared,
			sizeof(prepared)) > 0;
	must((result == AUTH_YES) ==
	     (is_bob && strcmp(prepared, "secret") == 0));
	bool other = good && strcmp(prepared, pass) != 0;
	must(result == AUTH_LATER || n == 1 + (other && result == AUTH_NO));
}

static void
set_up(void)
{
	static struct role r = { .id = ROLE_AUTH };
	char *err = NULL;
	int pair[2];

	world_make(0700);
	must(channel_pair(pair) == 0);
	world_put("users",
	    "bob:%s:1001:1001:Bob:/home/bob\nroot:%s:0:0::/root\n"
	    "locked:!:1002:1002::/\nstar:*:1003:1003::/\n",
	    crypt("secret", "$1$abcdefgh"), crypt("secret", "$1$hgfedcba"));
	world_put("secrets", "bob:{PLAIN}secret\nroot:{PLAIN}secret\n");
	world_put("conf",
	    "local_domains example.org\nusers %s/users\nsecrets %s/secrets\n"
	    "system_users no\nauth_failure_delay 0\nauth_address_failures 0\n"
	    "sasl_mechanisms SCRAM-SHA-256-PLUS "
	    "SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 EXTERNAL CRAM-MD5 "
	    "PLAIN LOGIN\n",
	    world, world);
	r.settings = world_settings(false);
	r.settings->apop = true;
	free(r.settings->tls_client_ca);
	r.settings->tls_client_ca = world;
	queue = pair[0];
	r.peer[ROLE_QUEUE] = pair[1];
	log_level_set(LOG_LVL_ERROR + 1);
	buf_init(&challenge, AUTH_STEP_MAX);
	must(checks_start(&r, forget) && checks_open(&err));
	secrets = secrets_open(r.settings, &err);
	if (secrets == NULL)
		fprintf(stderr, "%s\n", err);
	must(secrets != NULL);
	role = &r;
	channel.check = check;
	channel.lend = client_at("127.0.0.1");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char user[USER_NAME_MAX];

	if (role == NULL)
		set_up();
	channel_run(&service, data, size);
	/* Who left before the answer has no right, nor has anybody else. */
	must(!introduced(user));
	calls_before = calls;
	return 0;
}
