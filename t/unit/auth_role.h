#ifndef T_UNIT_AUTH_ROLE_H
#define T_UNIT_AUTH_ROLE_H
/*
 * The auth role itself, in a process of its own, with real crypt processes,
 * and what it takes to ask it.
 */
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
#include "t/unit/client_at.h"
#include "t/unit/taken.h"
#include "t/unit/tap.h"

enum { DELAY = 400, PROCESSES = 2 };

static char dir[] = "/tmp/auth.XXXXXX";
static char users_path[64], conf_path[64], empty_path[64];
static pid_t auth;
static int ctl, pool, queue, log_fd; /* our ends */
static struct msg m;
static char more_conf[256]; /* further lines, if set before begin() */
static int client = -1;	    /* the client's socket, as auth sees it */

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
	    "role_user crypt 54321\nhostname t.example\n%s",
	    users_path, (int)DELAY, processes, empty_path, more_conf);
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

__attribute__((unused)) static unsigned long long
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

__attribute__((unused)) static void
ask(int sock, const char *user, const char *pass)
{
	msg_start(&m, AUTH_PASSWORD);
	msg_put_str(&m, user);
	msg_put_str(&m, pass);
	msg_put_str(&m, "PLAIN");
	msg_put_str(&m, "192.0.2.1");
	m.fd = client;
	if (msg_send(sock, &m) == -1)
		abort();
	m.fd = -1;
}

/* The result of ask(), -1 when nothing came within ms, -2 when dropped. */
__attribute__((unused)) static int
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

static struct auth_client
asker(int sock)
{
	return (struct auth_client){ sock, client, "192.0.2.1" };
}

__attribute__((unused)) static int
check(int sock, const char *user, const char *pass)
{
	char name[USER_NAME_MAX];
	int right;
	struct auth_client c = asker(sock);
	enum auth_result r = ask_auth_password(&c, view_of(user), view_of(pass),
	    "PLAIN", name, sizeof(name), &right);

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

/* Waits until there are n of them, at most a minute. */
__attribute__((unused)) static bool
await_children(pid_t *pid, unsigned n)
{
	for (int i = 0; i < 1200; i++) {
		pid_t now[64];
		if (children(now, 64) == n) {
			memcpy(pid, now, n * sizeof(*pid));
			return true;
		}
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
	return false;
}

/* True when text stands in memory that pid may write. */
__attribute__((unused)) static bool
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

/* An introduction came to queue: who is it?  The fd is the far end. */
__attribute__((unused)) static int
introduced(struct intro *in)
{
	if (!readable(queue, 60000) || msg_recv(queue, &m) != 1)
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

/* False: it did not start. */
static bool
begin(void)
{
	signal(SIGPIPE, SIG_IGN);
	client = client_at("127.0.0.1");
	if (mkdtemp(dir) == NULL || chmod(dir, 0755) == -1)
		return false;
	(void)snprintf(users_path, sizeof(users_path), "%s/users", dir);
	(void)snprintf(conf_path, sizeof(conf_path), "%s/conf", dir);
	(void)snprintf(empty_path, sizeof(empty_path), "%s/empty", dir);
	mkdir(empty_path, 0755);
	write_users();
	write_conf(PROCESSES);
	start_auth();
	bool good = ok(readable(ctl, 60000) && msg_recv(ctl, &m) == 1 &&
			   m.type == CTL_READY,
	    "auth is ready");
	if (!good)
		printf("# %s\n", logged());
	return good;
}

static void
test_stop(int w)
{
	int how;

	ask(w, "dave", "wrong");
	ok(taken(w), "auth has been asked");
	msg_start(&m, CTL_STOP);
	msg_put_u32(&m, 1000);
	msg_send(ctl, &m);
	ok(answered(w, 60000) == AUTH_NO, "told to stop: what is owed is paid");
	ok(waitpid(auth, &how, 0) == auth && WIFEXITED(how) &&
		WEXITSTATUS(how) == 0,
	    "and then it ends");
}

static void
clean_up(void)
{
	unlink(users_path);
	unlink(conf_path);
	rmdir(empty_path);
	rmdir(dir);
}
#endif
