/* Mechanisms that auth carries out, asked as a worker does. */
#define _GNU_SOURCE
#include "t/unit/auth_role.h"

#include "common/sandbox.h"
#include "t/unit/scram_client.h"

#define MEMORABLE "a-heron-in-the-reeds"

static char secrets_path[] = "/tmp/auth-secrets.XXXXXX";
static const struct auth_channel plain_channel = { { NULL, 0 }, { NULL, 0 },
	"" };

static void
write_secrets(const char *erin)
{
	struct buf b;

	buf_init(&b, 4096);
	buf_addf(&b,
	    "alice:{PLAIN}alice-secret\nroot:{PLAIN}root-secret\n"
	    "locked:{PLAIN}locked-secret\nstar:{PLAIN}star-secret\n"
	    "empty:{PLAIN}empty-secret\nghost:{PLAIN}ghost-secret\n"
	    "erin:{PLAIN}%s\n",
	    erin);
	put_file(secrets_path, buf_cstr(&b));
	buf_free(&b);
}

/* ---- a client and its worker ---- */

/* How far it goes before it leaves. */
enum stage { STARTED, FIRST, FINAL, ALL };

struct talk {
	enum auth_result result;
	char user[AUTH_USER_MAX + 1];
	char challenge[AUTH_STEP_MAX];
	int64_t took; /* ms, the last step */
};

static bool
step(int w, const char *message, struct talk *t)
{
	struct auth_client me = asker(w);
	struct buf b;
	int right;
	int64_t start = now_ms();

	buf_init(&b, AUTH_STEP_MAX);
	t->result = ask_auth_step(&me, view_of(message), &b, t->user, &right);
	t->took = now_ms() - start;
	(void)snprintf(t->challenge, sizeof(t->challenge), "%s", buf_cstr(&b));
	buf_free(&b);
	close_fd(&right);
	return t->result == AUTH_CONTINUE;
}

static bool
start(int w, const char *mechanism, struct talk *t)
{
	struct auth_client me = asker(w);
	struct buf b;

	buf_init(&b, AUTH_STEP_MAX);
	t->result = ask_auth_start(&me, mechanism, &plain_channel, &b);
	(void)snprintf(t->challenge, sizeof(t->challenge), "%s", buf_cstr(&b));
	buf_free(&b);
	return t->result == AUTH_CONTINUE;
}

static void
scram(int w, const char *user, const char *pass, enum stage end, struct talk *t)
{
	char bare[64], first[80], before[600], final[700], salt[128] = "";

	memset(t, 0, sizeof(*t));
	(void)snprintf(bare, sizeof(bare), "n=%s,r=abcdefgh", user);
	(void)snprintf(first, sizeof(first), "n,,%s", bare);
	if (!start(w, "SCRAM-SHA-256", t) || end == STARTED ||
	    !step(w, first, t) || end == FIRST)
		return;
	const char *nonce_end = strchr(t->challenge, ',');
	(void)snprintf(salt, sizeof(salt), "%s", nonce_end);
	(void)snprintf(before, sizeof(before), "c=biws,%.*s",
	    (int)(nonce_end - t->challenge), t->challenge);
	scram_sign(SCRAM_SHA256, pass, bare, t->challenge, before, final,
	    sizeof(final));
	if (!step(w, final, t) || end == FINAL)
		return;
	step(w, "", t);
}

static void
cram(int w, const char *user, const char *secret, struct talk *t)
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	char answer[400];
	size_t n;

	memset(t, 0, sizeof(*t));
	if (!start(w, "CRAM-MD5", t))
		return;
	EVP_Q_mac(NULL, "HMAC", NULL, "MD5", NULL, secret, strlen(secret),
	    (const unsigned char *)t->challenge, strlen(t->challenge), raw,
	    sizeof(raw), &n);
	int at = snprintf(answer, sizeof(answer), "%s ", user);
	for (size_t i = 0; i < 16; i++)
		at += snprintf(
		    answer + at, sizeof(answer) - (size_t)at, "%02x", raw[i]);
	step(w, answer, t);
}

/* ---- tests ---- */

static bool
is_introduced(const char *user, uid_t uid)
{
	struct intro in = { 0 };
	int fd = introduced(&in);
	bool good = fd != -1 && in.kind == INTRO_USER && in.uid == uid &&
		    strcmp(in.user, user) == 0;

	close_fd(&fd);
	return good;
}

static void
test_yes(int w)
{
	struct talk t;

	scram(w, "alice", "alice-secret", ALL, &t);
	ok(t.result == AUTH_YES && strcmp(t.user, "alice") == 0 &&
		is_introduced("alice", 1001),
	    "SCRAM");
	scram(w, "ALICE", "alice-secret", ALL, &t);
	ok(t.result == AUTH_YES && strcmp(t.user, "alice") == 0 &&
		is_introduced("alice", 1001),
	    "SCRAM in upper case");
	cram(w, "alice", "alice-secret", &t);
	ok(t.result == AUTH_YES && is_introduced("alice", 1001), "CRAM-MD5");
	cram(w, "star", "star-secret", &t);
	ok(t.result == AUTH_YES && is_introduced("star", 1010),
	    "one with '*' in place of a hash");
	scram(w, "alice", "alice-secret", FINAL, &t);
	ok(t.result == AUTH_CONTINUE && strncmp(t.challenge, "v=", 2) == 0 &&
		!readable(queue, 100),
	    "no right before the last message");
	step(w, "x", &t);
	ok(t.result == AUTH_BAD && !readable(queue, 100),
	    "nor when it is not empty");
}

/* All refusals: at the same time, in the same form, and nothing signed. */
static void
test_no(int w)
{
	static const struct {
		const char *user, *pass, *what;
	} cases[] = {
		{ "alice", "wrong", "a wrong secret" },
		{ "alice", "alice-pass", "the password in place of it" },
		{ "bob", "bob-pass", "a user without a secret" },
		{ "nobody-here", "x", "nobody" },
		{ "ghost", "ghost-secret", "a secret without a user" },
		{ "root", "root-secret", "uid 0" },
		{ "locked", "locked-secret", "locked" },
		{ "empty", "empty-secret", "an empty hash" },
		{ "../alice", "alice-secret", "a path" },
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct talk s, c;
		scram(w, cases[i].user, cases[i].pass, ALL, &s);
		cram(w, cases[i].user, cases[i].pass, &c);
		if (!ok(s.result == AUTH_NO && c.result == AUTH_NO &&
			    s.challenge[0] == '\0' &&
			    strcmp(s.user, cases[i].user) == 0 &&
			    strcmp(c.user, cases[i].user) == 0 &&
			    s.took >= DELAY - 1 && c.took >= DELAY - 1,
			"no: %s", cases[i].what))
			printf("# %d %d after %d %d ms\n", (int)s.result,
			    (int)c.result, (int)s.took, (int)c.took);
	}
	ok(!readable(queue, 0), "nobody was introduced");
	struct talk a, b;
	scram(w, "alice", "", FIRST, &a);
	scram(w, "nobody-here", "", FIRST, &b);
	ok(strlen(a.challenge) == strlen(b.challenge) &&
		strcmp(strstr(a.challenge, ",i="),
		    strstr(b.challenge, ",i=")) == 0,
	    "the challenges of somebody and nobody are alike");
}

static void
test_malformed(int w)
{
	static const struct {
		const char *mechanism, *message;
	} cases[] = { { "SCRAM-SHA-1", "" }, { "SCRAM-SHA-256", "n,,n=a" },
		{ "CRAM-MD5", "" }, { "CRAM-MD5", "alice" },
		{ "CRAM-MD5", " b913a602c7eda7a495b4e6e7334d3890" },
		{ "CRAM-MD5", "alice B913A602C7EDA7A495B4E6E7334D3890" },
		{ "CRAM-MD5", "alice b913a602c7eda7a495b4e6e7334d389" } };

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct talk t;
		bool begun;
		/* On a busy machine it may take long now and then. */
		int tries = 0;
		do {
			begun = start(w, cases[i].mechanism, &t);
			step(w, cases[i].message, &t);
		} while (begun && t.took >= DELAY / 2 && ++tries < 20);
		ok(begun && t.result == AUTH_BAD && t.took < DELAY / 2,
		    "%s: malformed: \"%s\"", cases[i].mechanism,
		    cases[i].message);
	}
	struct talk t;
	ok(start(w, "CRAM-MD5", &t) &&
		check(w, "dave", "dave-pass") == AUTH_YES &&
		is_introduced("dave", 1004),
	    "a password in place of the answer: cancelled");
	scram(w, "alice", "", FIRST, &t);
	cram(w, "alice", "alice-secret", &t);
	ok(t.result == AUTH_YES && is_introduced("alice", 1001),
	    "another mechanism: cancelled");
	start(w, "EXTERNAL", &t);
	ok(t.result == AUTH_LATER, "EXTERNAL is off");
}

/* The client leaves at each step; and in the delay of a refusal. */
static void
test_gone(int w)
{
	struct talk t;

	for (int end = STARTED; end <= ALL; end++) {
		int v = new_worker();
		scram(v, "alice", "alice-secret", (enum stage)end, &t);
		ok(end == ALL ? t.result == AUTH_YES
			      : t.result == AUTH_CONTINUE,
		    "it goes to stage %d", end);
		close(v);
	}
	ok(is_introduced("alice", 1001) && !readable(queue, 100),
	    "and is introduced once");
	int v = new_worker();
	start(v, "CRAM-MD5", &t);
	msg_start(&m, AUTH_STEP);
	msg_put_str(&m, "alice b913a602c7eda7a495b4e6e7334d3890");
	msg_send(v, &m);
	(void)readable(v, DELAY / 4);
	close(v);
	(void)readable(w, DELAY);
	cram(w, "alice", "alice-secret", &t);
	ok(t.result == AUTH_YES && is_introduced("alice", 1001),
	    "the others are served");
}

static bool
dropped(int w)
{
	bool gone = answered(w, 60000) == -2;

	close(w);
	return gone;
}

static void
put_start(const char *mechanism, size_t binding, size_t name)
{
	static char filler[1024];

	memset(filler, 'x', sizeof(filler));
	msg_start(&m, AUTH_START);
	msg_put_str(&m, mechanism);
	msg_put_str(&m, "192.0.2.1");
	msg_put_view(&m, (struct view){ filler, binding });
	msg_put_view(&m, (struct view){ filler, binding });
	msg_put_view(&m, (struct view){ filler, name });
	m.fd = client;
}

static void
send_step(int w, const char *message)
{
	msg_start(&m, AUTH_STEP);
	msg_put_str(&m, message);
	msg_send(w, &m);
}

static void
test_hostile(int good)
{
	static const struct {
		const char *mechanism;
		size_t binding, name;
	} cases[] = { { "PLAIN", 0, 0 }, { "LOGIN", 0, 0 }, { "", 0, 0 },
		{ "SCRAM-SHA-512", 0, 0 },
		{ "SCRAM-SHA-1", AUTH_BINDING_MAX + 1, 0 },
		{ "EXTERNAL", 0, AUTH_NAME_MAX + 1 } };
	struct talk t;
	int w;

	for (size_t i = 0; i < NELEM(cases); i++) {
		put_start(cases[i].mechanism, cases[i].binding, cases[i].name);
		msg_send(w = new_worker(), &m);
		ok(dropped(w), "START \"%s\"", cases[i].mechanism);
	}
	put_start("CRAM-MD5", 0, 0);
	m.fd = -1;
	msg_send(w = new_worker(), &m);
	ok(dropped(w), "START without a socket");
	put_start("CRAM-MD5", 0, 0);
	msg_put_u32(&m, 0);
	msg_send(w = new_worker(), &m);
	ok(dropped(w), "START and something behind it");
	send_step(w = new_worker(), "x");
	ok(dropped(w), "STEP at once");
	w = new_worker();
	check(w, "dave", "dave-pass");
	send_step(w, "x");
	ok(dropped(w), "STEP after a password");
	cram(w = new_worker(), "alice", "alice-secret", &t);
	send_step(w, "x");
	ok(dropped(w), "STEP after the end");
	w = new_worker();
	start(w, "CRAM-MD5", &t);
	msg_start(&m, AUTH_STEP);
	msg_put_str(&m, "x");
	m.fd = client;
	msg_send(w, &m);
	ok(dropped(w), "STEP with a descriptor");
	char *long_one = calloc(1, AUTH_STEP_MAX + 2);
	memset(long_one, 'x', AUTH_STEP_MAX + 1);
	w = new_worker();
	start(w, "SCRAM-SHA-1", &t);
	send_step(w, long_one);
	ok(dropped(w), "STEP of one octet too many");
	long_one[AUTH_STEP_MAX] = '\0';
	start(good, "SCRAM-SHA-1", &t);
	step(good, long_one, &t);
	ok(t.result == AUTH_BAD, "STEP of the longest message");
	free(long_one);
	while (readable(queue, 0)) {
		struct intro in;
		close(introduced(&in));
	}
	cram(good, "alice", "alice-secret", &t);
	ok(t.result == AUTH_YES && is_introduced("alice", 1001),
	    "the others are served");
}

/* Crypt processes that were started when auth knew the secrets do not. */
static void
test_memory(int w)
{
	pid_t pid[PROCESSES], now[PROCESSES];
	struct talk t;
	bool found = false;

	if (geteuid() != 0) {
		tap_skip("memory of crypt processes", "needs root");
		return;
	}
	if (sandbox_compiled_out()) {
		tap_skip("memory of crypt processes",
		    "a sanitizer keeps what was freed");
		return;
	}
	write_secrets(MEMORABLE);
	scram(w, "erin", MEMORABLE, FIRST, &t);
	if (!await_children(pid, PROCESSES))
		abort();
	for (int i = 0; i < PROCESSES; i++)
		kill(pid[i], SIGKILL);
	/* A question may go to one that has just died, and an old one may still
	 * be seen. */
	bool served = false, old = true;
	for (int i = 0; i < 600 && !served; i++) {
		served = check(w, "dave", "dave-pass") == AUTH_YES;
		if (!served)
			usleep(50000);
	}
	ok(served, "new crypt processes");
	for (int i = 0; i < 600 && old; i++) {
		if (!await_children(now, PROCESSES))
			abort();
		old = false;
		for (int k = 0; k < PROCESSES * PROCESSES; k++)
			old |= now[k / PROCESSES] == pid[k % PROCESSES];
		if (old)
			usleep(50000);
	}
	ok(memory_has(auth, MEMORABLE), "the search finds a secret in auth");
	/* One that was forked a moment ago has not forgotten yet. */
	for (int i = 0; i < PROCESSES; i++)
		for (int k = 0; k < 200 && memory_has(now[i], MEMORABLE); k++)
			usleep(50000);
	for (int i = 0; i < PROCESSES; i++)
		found = found || old || memory_has(now[i], MEMORABLE);
	ok(!found, "no secret in a crypt process");
}

/* In the middle of an exchange its address has failed too often. */
static void
test_limit(int w)
{
	struct talk t;
	int before = client, other = new_worker();

	client = client_at("127.3.3.3");
	start(w, "CRAM-MD5", &t);
	for (int i = 0; i < 4; i++)
		check(other, "dave", "wrong");
	step(w, "alice b913a602c7eda7a495b4e6e7334d3890", &t);
	ok(t.result == AUTH_NO && strstr(logged(), "too many failures") != NULL,
	    "no more steps from an address that failed too often");
	scram(w, "alice", "alice-secret", ALL, &t);
	ok(t.result == AUTH_NO, "nor a new start");
	close(client);
	client = before;
	close(other);
}

int
main(void)
{
	close(mkstemp(secrets_path));
	write_secrets("x");
	(void)snprintf(more_conf, sizeof(more_conf),
	    "secrets %s\nauth_address_failures 4\n"
	    "auth_address_exempt 127.0.0.1\n",
	    secrets_path);
	if (begin()) {
		int w = new_worker();
		test_yes(w);
		test_no(w);
		test_malformed(w);
		test_gone(w);
		test_hostile(w);
		test_memory(w);
		test_limit(w);
		test_stop(w);
	}
	clean_up();
	unlink(secrets_path);
	return done_testing();
}
