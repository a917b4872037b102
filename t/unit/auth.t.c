/*
 * The auth role itself, in a process of its own, with real crypt processes.
 *
 * That several checks run at once is shown without a clock: a crypt process is
 * stopped over one check, and others go on.
 */
#define _GNU_SOURCE
#include "common/svc_auth.h"

#include <crypt.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/ask_auth.h"
#include "common/buf.h"
#include "common/crypt_proc.h"
#include "common/ctl.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/service.h"
#include "t/unit/tap.h"

enum { DELAY = 400, PROCESSES = 2 };

static char dir[] = "/tmp/auth.XXXXXX";
static char users_path[64], conf_path[64], empty_path[64];
static pid_t auth;
static int ctl, pool, queue, log_fd; /* our ends */
static struct msg m;

/* ---- the world around auth ---- */

static void
put_file(const char *path, const char *text)
{
	char tmp[80];

	(void)snprintf(tmp, sizeof(tmp), "%s.new", path);
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd == -1 || write(fd, text, strlen(text)) == -1 ||
	    rename(tmp, path) == -1)
		abort();
	close(fd);
}

static void
add_user(struct buf *b, const char *name, unsigned uid, const char *prefix)
{
	char pass[64], salt[CRYPT_GENSALT_OUTPUT_SIZE];
	const char *hash = prefix;

	(void)snprintf(pass, sizeof(pass), "%s-pass", name);
	if (prefix[0] == '$' || prefix[0] == '_') {
		/* The cheapest there is: a test of us, not of libcrypt. */
		if (crypt_gensalt_rn(prefix, 0, NULL, 0, salt, sizeof(salt)) ==
		    NULL)
			abort();
		hash = crypt(pass, salt);
	}
	buf_addf(
	    b, "%s:%s:%u:%u:%s:/home/%s\n", name, hash, uid, uid, name, name);
}

/* In a process of its own, so that the hashes are not in the memory that auth
 * is forked with. */
static void
write_users(void)
{
	struct buf b;
	pid_t pid = fork();

	if (pid != 0) {
		waitpid(pid, NULL, 0);
		return;
	}
	buf_init(&b, 1 << 16);
	add_user(&b, "alice", 1001, "$y$");
	add_user(&b, "bob", 1002, "$6$");
	add_user(&b, "carol", 1003, "$2b$");
	add_user(&b, "dave", 1004, "$1$");
	add_user(&b, "erin", 1005, "$5$");
	add_user(&b, "fritz", 1006, "$7$");
	add_user(&b, "gert", 1007, "_");
	add_user(&b, "root", 0, "$6$");
	add_user(&b, "locked", 1009, "!");
	add_user(&b, "star", 1010, "*0");
	add_user(&b, "empty", 1011, "");
	put_file(users_path, buf_cstr(&b));
	_exit(0);
}

static void
write_conf(unsigned processes)
{
	struct buf b;

	buf_init(&b, 4096);
	buf_addf(&b,
	    "users %s\nsystem_users no\nauth_failure_delay %dms\n"
	    "auth_processes %u\nlog_verbose yes\nempty_directory %s\n"
	    "role_user crypt 54321\nhostname t.example\n",
	    users_path, (int)DELAY, processes, empty_path);
	put_file(conf_path, buf_cstr(&b));
	buf_free(&b);
}

static void
start_auth(void)
{
	int c[2], p[2], q[2], l[2];
	char *err;

	if (channel_pair(c) == -1 || channel_pair(p) == -1 ||
	    channel_pair(q) == -1 || pipe2(l, O_CLOEXEC | O_NONBLOCK) == -1)
		abort();
	auth = fork();
	if (auth == 0) {
		static struct role r = { .id = ROLE_AUTH, .key_ask = -1 };
		r.settings = settings_read(conf_path, false, &err);
		if (r.settings == NULL) {
			fprintf(stderr, "%s\n", err);
			_exit(2);
		}
		for (int i = 0; i < ROLE__N; i++)
			r.peer[i] = -1;
		r.root = geteuid() == 0;
		r.ctl = c[1];
		r.peer[ROLE_POOL] = p[1];
		r.peer[ROLE_QUEUE] = q[1];
		dup2(l[1], 2);
		log_open(-1, "auth");
		log_level_set(LOG_LVL_DEBUG);
		close(c[0]);
		close(p[0]);
		close(q[0]);
		svc_auth_main(&r);
		_exit(3);
	}
	close(c[1]);
	close(p[1]);
	close(q[1]);
	close(l[1]);
	ctl = c[0];
	pool = p[0];
	queue = q[0];
	log_fd = l[0];
}

static bool
readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

/* What auth has logged since the last call; dies at the next one. */
static const char *
logged(void)
{
	static char text[65536];
	ssize_t n = read(log_fd, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static unsigned long long
calls_of(const char *text)
{
	unsigned long long n = 0;

	while ((text = strstr(text, "crypt calls ")) != NULL) {
		text += strlen("crypt calls ");
		n = strtoull(text, NULL, 10);
	}
	return n;
}

static int
new_worker(void)
{
	struct intro in = { .kind = INTRO_WORKER };
	int fd = introduce(pool, &in);

	if (fd == -1)
		abort();
	return fd;
}

static void
ask(int sock, const char *user, const char *pass)
{
	msg_start(&m, AUTH_PASSWORD);
	msg_put_str(&m, user);
	msg_put_str(&m, pass);
	msg_put_str(&m, "PLAIN");
	msg_put_str(&m, "192.0.2.1");
	if (msg_send(sock, &m) == -1)
		abort();
}

/* The result of ask(), -1 when nothing came within ms, -2 when dropped. */
static int
answered(int sock, int ms)
{
	if (!readable(sock, ms))
		return -1;
	if (msg_recv(sock, &m) != 1)
		return -2;
	int result = (int)msg_get_u32(&m);
	close_fd(&m.fd);
	return result;
}

static int
check(int sock, const char *user, const char *pass)
{
	char name[USER_NAME_MAX];
	int right;
	enum auth_result r = ask_auth_password(sock, view_of(user),
	    view_of(pass), "PLAIN", "192.0.2.1", name, sizeof(name), &right);

	if (right != -1)
		close(right);
	return (int)r;
}

/* The crypt processes. */
static unsigned
children(pid_t *pid, unsigned max)
{
	char path[64], line[1024], *at = line;
	unsigned n = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children",
	    (int)auth, (int)auth);
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	fclose(f);
	while (n < max && *at != '\0') {
		pid[n] = (pid_t)strtol(at, &at, 10);
		if (pid[n] > 0)
			n++;
		else
			break;
	}
	return n;
}

/* Waits until there are n of them, at most 5 s. */
static bool
await_children(pid_t *pid, unsigned n)
{
	for (int i = 0; i < 100; i++) {
		pid_t now[64];
		if (children(now, 64) == n) {
			memcpy(pid, now, n * sizeof(*pid));
			return true;
		}
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
	return false;
}

/* ---- the tests ---- */

/* An introduction came to queue: who is it?  The fd is the far end. */
static int
introduced(struct intro *in)
{
	if (!readable(queue, 2000) || msg_recv(queue, &m) != 1)
		return -1;
	in->kind = (enum introduce)msg_get_u32(&m);
	msg_get_str(&m, in->user, sizeof(in->user));
	in->uid = msg_get_u32(&m);
	in->gid = msg_get_u32(&m);
	msg_get_str(&m, in->home, sizeof(in->home));
	int fd = m.fd;
	m.fd = -1;
	if (!msg_done(&m))
		close_fd(&fd);
	return fd;
}

static void
test_yes(int w)
{
	static const struct {
		const char *user;
		uid_t uid;
	} cases[] = { { "alice", 1001 }, { "bob", 1002 }, { "carol", 1003 },
		{ "dave", 1004 }, { "erin", 1005 }, { "fritz", 1006 },
		{ "gert", 1007 }, { "ALICE", 1001 } };

	for (size_t i = 0; i < NELEM(cases); i++) {
		char name[USER_NAME_MAX], pass[64], lower[32], home[64];
		struct intro in = { 0 };
		int right = -1, far = -1;
		bool good;
		size_t n = strlen(cases[i].user);

		for (size_t k = 0; k <= n; k++)
			lower[k] = (char)ascii_lower(cases[i].user[k]);
		(void)snprintf(pass, sizeof(pass), "%s-pass", lower);
		(void)snprintf(home, sizeof(home), "/home/%s", lower);
		good = ask_auth_password(w, view_of(cases[i].user),
			   view_of(pass), "PLAIN", "192.0.2.1", name,
			   sizeof(name), &right) == AUTH_YES &&
		       right != -1 && strcmp(name, lower) == 0;
		far = introduced(&in);
		good = good && far != -1 && in.kind == INTRO_USER &&
		       in.uid == cases[i].uid && in.gid == cases[i].uid &&
		       strcmp(in.user, lower) == 0 &&
		       strcmp(in.home, home) == 0;
		msg_start(&m, 7);
		good = good && msg_send(right, &m) == 0 &&
		       readable(far, 1000) && msg_recv(far, &m) == 1 &&
		       m.type == 7;
		ok(good, "%s gets in, and is introduced as such",
		    cases[i].user);
		close_fd(&right);
		close_fd(&far);
	}
}

/* Every refusal: the same answer, the same delay, one call of crypt(3). */
static void
test_no(int w)
{
	static char long_name[AUTH_USER_MAX + 1], long_pass[AUTH_PASS_MAX + 1];
	static const struct {
		const char *user, *pass, *what;
	} cases[] = {
		{ "alice", "wrong", "wrong password" },
		{ "alice", "", "empty password" },
		{ "nobody-here", "alice-pass",
		    "no such user, with the "
		    "password of the model" },
		{ "locked", "locked-pass", "locked" },
		{ "locked", "!", "locked, its own hash" },
		{ "star", "star-pass", "'*0'" },
		{ "empty", "", "empty hash, empty password" },
		{ "empty", "x", "empty hash" },
		{ "root", "root-pass", "uid 0 with the right password" },
		{ "ROOT", "root-pass", "uid 0 in upper case" },
		{ "../alice", "alice-pass", "a path" },
		{ "", "x", "no name" },
		{ long_name, "x", "the longest name" },
		{ "alice", long_pass, "the longest password" },
		{ "nobody-here", long_pass, "the longest password, nobody" },
	};

	memset(long_name, 'u', AUTH_USER_MAX);
	memset(long_pass, 'p', AUTH_PASS_MAX);
	for (size_t i = 0; i < NELEM(cases); i++) {
		unsigned long long before = calls_of(logged());
		static unsigned long long last;
		char name[USER_NAME_MAX] = "x";
		int right;

		if (before != 0)
			last = before;
		int64_t start = now_ms();
		enum auth_result r = ask_auth_password(w,
		    view_of(cases[i].user), view_of(cases[i].pass), "USER",
		    "192.0.2.1", name, sizeof(name), &right);
		int64_t took = now_ms() - start;
		unsigned long long after = calls_of(logged());
		if (!ok(r == AUTH_NO && right == -1 && name[0] == '\0' &&
			    took >= DELAY - 1 && after == last + 1,
			"no: %s", cases[i].what))
			printf("# result %d after %d ms, calls %llu, %llu\n",
			    (int)r, (int)took, last, after);
		last = after;
	}
	ok(!readable(queue, 0), "nobody was introduced");
	char name[USER_NAME_MAX];
	int right;
	ok(ask_auth_password(w, view_of("alice"), (struct view){ "a\0b", 3 },
	       "USER", "x", name, sizeof(name), &right) == AUTH_NO &&
		ask_auth_password(w, (struct view){ "a\0b", 3 }, view_of("x"),
		    "USER", "x", name, sizeof(name), &right) == AUTH_NO &&
		check(w, "dave", "wrong") == AUTH_NO,
	    "a NUL is asked about by no honest worker");
}

/* Somebody's delay and somebody's long calculation are nobody else's. */
static void
test_at_once(void)
{
	int a = new_worker(), b = new_worker(), c = new_worker();
	pid_t pid[PROCESSES];

	ask(a, "alice", "wrong");
	int64_t start = now_ms();
	ok(check(b, "dave", "dave-pass") == AUTH_YES &&
		now_ms() - start < DELAY && !readable(a, 0),
	    "a yes does not wait for somebody's delay");
	ok(answered(a, 5000) == AUTH_NO, "which ends");

	if (!ok(await_children(pid, PROCESSES), "%d crypt processes",
		(int)PROCESSES))
		return;
	kill(pid[0], SIGSTOP);
	ask(a, "dave", "dave-pass");
	ask(b, "dave", "dave-pass");
	int ra = answered(a, 2000), rb = answered(b, ra == -1 ? 2000 : 200);
	ok((ra == AUTH_YES && rb == -1) || (ra == -1 && rb == AUTH_YES),
	    "one check hangs, another goes on");
	int hanging = ra == -1 ? a : b;
	ok(check(c, "dave", "dave-pass") == AUTH_YES &&
		check(c, "dave", "dave-pass") == AUTH_YES &&
		check(c, "bob", "bob-pass") == AUTH_YES,
	    "and so do all that come later");
	ok(!readable(hanging, 0), "it hangs still");
	kill(pid[0], SIGCONT);
	ok(answered(hanging, 5000) == AUTH_YES, "until it may go on");

	/* Everything is stopped: questions wait, first come first served. */
	kill(pid[0], SIGSTOP);
	kill(pid[1], SIGSTOP);
	int w[8];
	for (int i = 0; i < 8; i++) {
		w[i] = new_worker();
		ask(w[i], "dave", "dave-pass");
	}
	ok(!readable(w[7], 100), "eight wait for two");
	kill(pid[0], SIGCONT);
	kill(pid[1], SIGCONT);
	int yes = 0;
	for (int i = 0; i < 8; i++) {
		yes += answered(w[i], 5000) == AUTH_YES;
		close(w[i]);
	}
	ok(yes == 8, "and all are served");
	close(a);
	close(b);
	close(c);
}

/* A crypt process that dies over a check. */
static void
test_death(int w)
{
	pid_t pid[PROCESSES], now[PROCESSES];
	int a = new_worker(), b = new_worker();

	if (!await_children(pid, PROCESSES))
		abort();
	kill(pid[0], SIGSTOP);
	kill(pid[1], SIGSTOP);
	ask(a, "dave", "dave-pass");
	ask(b, "dave", "wrong");
	ok(!readable(a, 50), "a check hangs");
	kill(pid[0], SIGKILL);
	kill(pid[1], SIGKILL);
	ok(answered(a, 5000) == AUTH_LATER && answered(b, 5000) == AUTH_LATER,
	    "its process dies: later");
	ok(check(w, "dave", "dave-pass") == AUTH_YES, "a new one does it");
	ok(await_children(now, PROCESSES) && now[0] != pid[0] &&
		now[1] != pid[1],
	    "there are as many as before");
	const char *text = logged();
	if (!ok(strstr(text, "ended by signal 9") != NULL &&
		    strstr(text, "has gone") != NULL,
		"the log says it"))
		printf("# %s\n", text);
	close(a);
	close(b);
}

/* True when text stands in memory that pid may write. */
static bool
memory_has(pid_t pid, const char *text)
{
	char path[64], line[512];
	bool found = false;
	size_t len = strlen(text);

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	FILE *maps = fopen(path, "re");
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	int mem = open(path, O_RDONLY | O_CLOEXEC);
	while (maps != NULL && mem != -1 && !found &&
	       fgets(line, sizeof(line), maps) != NULL) {
		char *end;
		unsigned long from = strtoul(line, &end, 16);
		unsigned long to = strtoul(end + 1, &end, 16);
		if (strncmp(end, " rw", 3) != 0)
			continue;
		char *copy = malloc(to - from);
		ssize_t n = copy == NULL
				? -1
				: pread(mem, copy, to - from, (off_t)from);
		found = n > 0 && memmem(copy, (size_t)n, text, len) != NULL;
		free(copy);
	}
	if (maps != NULL)
		fclose(maps);
	if (mem != -1)
		close(mem);
	return found;
}

/* The last octets of erin's hash, which no check has touched lately, and a
 * password that was checked. */
static void
test_secrets(int w)
{
	static char text[65536];
	pid_t pid[PROCESSES];
	int fd = open(users_path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	char *erin = strstr(text, "\nerin:");
	if (erin == NULL)
		abort();
	char *end = strchr(erin + 6, ':');
	*end = '\0';
	const char *secret = end - 30;
	if (geteuid() != 0) {
		tap_skip("memory of crypt processes", "needs root");
		return;
	}
	ok(check(w, "alice", "octopus-in-a-jar") == AUTH_NO, "a check");
	ok(memory_has(auth, secret), "the search finds a hash in auth");
	ok(!memory_has(auth, "octopus-in-a-jar"),
	    "and there no password that was checked");
	bool hash = false, pass = false;
	if (!await_children(pid, PROCESSES))
		abort();
	for (int i = 0; i < PROCESSES; i++) {
		hash = hash || memory_has(pid[i], secret);
		pass = pass || memory_has(pid[i], "octopus-in-a-jar");
	}
	/* These were started late, by an auth that had read the hashes. */
	ok(!hash, "no hash in a crypt process");
	ok(!pass, "no password in a crypt process that is done with it");
}

static bool
dropped(int w)
{
	bool gone = answered(w, 2000) == -2;

	close(w);
	return gone;
}

static void
put_check(const char *user, size_t user_n, size_t pass_n, const char *mech,
    size_t client_n)
{
	static char filler[4096];

	memset(filler, 'x', sizeof(filler));
	msg_start(&m, AUTH_PASSWORD);
	msg_put_view(&m, (struct view){ user == NULL ? filler : user, user_n });
	msg_put_view(&m, (struct view){ filler, pass_n });
	msg_put_str(&m, mech);
	msg_put_view(&m, (struct view){ filler, client_n });
}

static void
test_hostile(int good)
{
	int w = new_worker();
	static char mech[33];

	memset(mech, 'M', 32);
	put_check(NULL, AUTH_USER_MAX + 1, 5, "PLAIN", 5);
	msg_send(w, &m);
	ok(dropped(w), "a user that is one octet too long");
	put_check(NULL, 5, AUTH_PASS_MAX + 1, "PLAIN", 5);
	msg_send(w = new_worker(), &m);
	ok(dropped(w), "a password that is one octet too long");
	put_check(NULL, 5, 5, mech, 5);
	msg_send(w = new_worker(), &m);
	ok(dropped(w), "a mechanism that is too long");
	put_check(NULL, 5, 5, "PLAIN", 64);
	msg_send(w = new_worker(), &m);
	ok(dropped(w), "a client that is too long");
	put_check("al\0ice", 6, 5, "PLAIN", 5);
	msg_send(w = new_worker(), &m);
	ok(dropped(w), "a NUL in a name");
	put_check("alice", 5, 5, "PLAIN", 5);
	msg_put_u32(&m, 0);
	msg_send(w = new_worker(), &m);
	ok(dropped(w), "something behind the last field");
	put_check("alice", 5, 5, "PLAIN", 5);
	m.len -= 1;
	msg_send(w = new_worker(), &m);
	ok(dropped(w), "something missing");
	put_check("alice", 5, 5, "PLAIN", 5);
	m.fd = 0;
	msg_send(w = new_worker(), &m);
	ok(dropped(w), "a descriptor");
	m.fd = -1;
	put_check("alice", 5, 5, "PLAIN", 5);
	m.type = 2;
	msg_send(w = new_worker(), &m);
	ok(dropped(w), "an unknown request");
	msg_start(&m, AUTH_PASSWORD);
	msg_put_u32(&m, 0xffffffff);
	msg_put_u64(&m, ~0ULL);
	msg_put_u32(&m, 0xffffffff);
	msg_send(w = new_worker(), &m);
	ok(dropped(w), "lengths of 4 GiB");
	w = new_worker();
	(void)!write(w, "x", 1);
	ok(dropped(w), "one octet");
	struct intro user = { .kind = INTRO_USER, .user = "alice" };
	w = introduce(pool, &user);
	ok(dropped(w), "an asker who is no worker");
	ok(check(good, "dave", "dave-pass") == AUTH_YES,
	    "and the others are served");
}

/* Askers that go away: while waiting, in the calculation, in the delay. */
static void
test_gone(int w)
{
	pid_t pid[PROCESSES];
	int a = new_worker(), b = new_worker(), c = new_worker();
	struct intro in;

	while (readable(queue, 0))
		(void)(close(introduced(&in)));
	if (!await_children(pid, PROCESSES))
		abort();
	kill(pid[0], SIGSTOP);
	kill(pid[1], SIGSTOP);
	ask(a, "dave", "dave-pass");
	ask(b, "dave", "wrong");
	ask(c, "dave", "dave-pass");
	(void)readable(a, 100); /* they have arrived */
	close(a);
	close(b);
	close(c);
	nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	kill(pid[0], SIGCONT);
	kill(pid[1], SIGCONT);
	ok(!readable(queue, 300), "nobody is introduced to nobody");
	a = new_worker();
	ask(a, "dave", "wrong");
	(void)readable(a, DELAY / 2);
	close(a);
	(void)readable(w, DELAY);
	ok(check(w, "dave", "dave-pass") == AUTH_YES,
	    "askers came and went, auth goes on");
}

static void
test_users_change(int w)
{
	struct buf b;

	ok(check(w, "newcomer", "newcomer-pass") == AUTH_NO,
	    "nobody of that name yet");
	buf_init(&b, 4096);
	add_user(&b, "newcomer", 2000, "$5$");
	put_file(users_path, buf_cstr(&b));
	ok(check(w, "newcomer", "newcomer-pass") == AUTH_YES,
	    "a new user can log in at once");
	put_file(users_path, "nonsense\n");
	ok(check(w, "newcomer", "newcomer-pass") == AUTH_YES,
	    "a broken file changes nothing");
	ok(strstr(logged(), ":1: not name:hash") != NULL, "but it is logged");
	/* The model is then the very hash of the one who must not get in. */
	buf_clear(&b);
	add_user(&b, "root", 0, "$5$");
	put_file(users_path, buf_cstr(&b));
	ok(check(w, "root", "root-pass") == AUTH_NO,
	    "root alone in the file does not get in");
	put_file(users_path, "# nobody\n");
	(void)logged();
	ok(check(w, "newcomer", "x") == AUTH_NO &&
		strstr(logged(), "crypt calls") != NULL,
	    "an empty file: the work is done with libcrypt's default");
	buf_free(&b);
	write_users();
	ok(check(w, "newcomer", "newcomer-pass") == AUTH_NO &&
		check(w, "alice", "alice-pass") == AUTH_YES,
	    "and back");
}

static void
test_no_queue(int w)
{
	int end[2];

	close(queue);
	ok(check(w, "dave", "dave-pass") == AUTH_LATER,
	    "queue has gone: later");
	ok(check(w, "dave", "wrong") == AUTH_NO, "a wrong password is wrong");
	if (channel_pair(end) == -1)
		abort();
	msg_start(&m, CTL_PEER);
	msg_put_u32(&m, ROLE_QUEUE);
	msg_put_u32(&m, 0);
	m.fd = end[1];
	msg_send(ctl, &m);
	close_fd(&m.fd);
	queue = end[0];
	ok(check(w, "dave", "dave-pass") == AUTH_YES, "a new queue: yes");
}

static void
test_settings(int w)
{
	pid_t pid[8];
	int old = pool, end[2];

	write_conf(4);
	msg_start(&m, CTL_SETTINGS);
	m.fd = open(conf_path, O_RDONLY | O_CLOEXEC);
	msg_send(ctl, &m);
	close_fd(&m.fd);
	ok(await_children(pid, 4), "more crypt processes");
	write_conf(1);
	msg_start(&m, CTL_SETTINGS);
	m.fd = open(conf_path, O_RDONLY | O_CLOEXEC);
	msg_send(ctl, &m);
	close_fd(&m.fd);
	ok(await_children(pid, 1), "fewer crypt processes");
	ok(check(w, "dave", "dave-pass") == AUTH_YES, "one is enough");
	if (channel_pair(end) == -1)
		abort();
	msg_start(&m, CTL_PEER);
	msg_put_u32(&m, ROLE_POOL);
	msg_put_u32(&m, 0);
	m.fd = end[1];
	msg_send(ctl, &m);
	close_fd(&m.fd);
	close(old);
	pool = end[0];
	int n = new_worker();
	ok(check(n, "dave", "dave-pass") == AUTH_YES &&
		check(w, "dave", "dave-pass") == AUTH_YES,
	    "a new pool's worker, and an old one's");
	close(n);
}

static void
test_stop(int w)
{
	int how;

	ask(w, "dave", "wrong");
	(void)readable(w, DELAY / 4);
	msg_start(&m, CTL_STOP);
	msg_put_u32(&m, 1000);
	msg_send(ctl, &m);
	ok(answered(w, 5000) == AUTH_NO, "told to stop: what is owed is paid");
	ok(waitpid(auth, &how, 0) == auth && WIFEXITED(how) &&
		WEXITSTATUS(how) == 0,
	    "and then it ends");
}

static void
test_setting(void)
{
	static const char *const prefixes[] = { "$y$", "$gy$", "$7$", "$2b$",
		"$2y$", "$6$", "$5$", "$sha1$", "$md5", "$1$", "$3$", "_", "" };
	static const char *const bad[] = { "", "!", "*", "*0", "x", "!!",
		"$6$salt$", "$9$salt$hash", "$2b$05$abcdefghijklmnopqrstuu",
		"secret", "$", "$$" };

	for (size_t i = 0; i < NELEM(prefixes); i++) {
		char salt[CRYPT_GENSALT_OUTPUT_SIZE], part[USER_HASH_MAX];
		char hash[USER_HASH_MAX], *again;

		if (crypt_gensalt_rn(
			prefixes[i], 0, NULL, 0, salt, sizeof(salt)) == NULL) {
			printf("# libcrypt has no %s\n", prefixes[i]);
			continue;
		}
		again = crypt("secret", salt);
		(void)snprintf(hash, sizeof(hash), "%s", again);
		bool cut = crypt_setting(hash, part);
		again = crypt("secret", part);
		if (!ok(cut && strlen(part) < strlen(hash) && again != NULL &&
			    crypt_same(hash, again) &&
			    !crypt_same(hash, crypt("Secret", part)),
			"the setting of a hash of \"%s\"", prefixes[i]))
			printf("# %s: %s\n", hash, part);
	}
	unsigned refused = 0;
	for (size_t i = 0; i < NELEM(bad); i++) {
		char part[USER_HASH_MAX] = "x";
		refused += !crypt_setting(bad[i], part) && part[0] == '\0';
	}
	ok(refused == NELEM(bad), "%u of %zu are no hashes", refused,
	    NELEM(bad));
	ok(!crypt_same("", "") && !crypt_same("a", "ab") &&
		!crypt_same("ab", "a") && crypt_same("ab", "ab"),
	    "comparing");
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	if (mkdtemp(dir) == NULL || chmod(dir, 0755) == -1)
		return 1;
	(void)snprintf(users_path, sizeof(users_path), "%s/users", dir);
	(void)snprintf(conf_path, sizeof(conf_path), "%s/conf", dir);
	(void)snprintf(empty_path, sizeof(empty_path), "%s/empty", dir);
	mkdir(empty_path, 0755);
	test_setting();
	write_users();
	write_conf(PROCESSES);
	start_auth();
	if (ok(readable(ctl, 10000) && msg_recv(ctl, &m) == 1 &&
		    m.type == CTL_READY,
		"auth is ready")) {
		int w = new_worker();
		test_yes(w);
		test_no(w);
		test_at_once();
		test_death(w);
		test_secrets(w);
		test_hostile(w);
		test_gone(w);
		test_users_change(w);
		test_no_queue(w);
		test_settings(w);
		test_stop(w);
	} else {
		printf("# %s\n", logged());
	}
	unlink(users_path);
	unlink(conf_path);
	rmdir(empty_path);
	rmdir(dir);
	return done_testing();
}
