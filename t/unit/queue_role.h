#ifndef T_UNIT_QUEUE_ROLE_H
#define T_UNIT_QUEUE_ROLE_H
/*
 * The queue role, whole: in a process of its own, in its sandbox, on a
 * directory in /tmp; and a deliver role and a relay of the test's own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/ctl.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/role.h"
#include "common/service.h"
#include "spool/ask_deliver.h"
#include "spool/ask_queue.h"
#include "spool/lock.h"
#include "spool/svc_queue.h"
#include "t/unit/tap.h"

enum { DONE_MAX = 100000 };

/* What was delivered, seen by all processes. */
struct done {
	char to[48], id[24];
	uint64_t length;
	uint32_t sum;
	bool from_file;
};
static struct shared {
	unsigned n, opens, flying, most;
	pid_t writer; /* of done and n; 0: nobody */
	bool file_writable, let_go;
	struct done done[DONE_MAX];
} * shared;

static char top[64]; /* directory of the test */
static struct msg tm_msg;

static uint32_t
sum_of(const char *p, size_t n)
{
	uint32_t h = 1;

	for (size_t i = 0; i < n; i++)
		h = h * 31 + (unsigned char)p[i];
	return h;
}

/* The deliver role and the relay both write there; who was killed meanwhile
 * holds nothing. */
static void
done_add(const struct done *d)
{
	pid_t me = getpid(), holder = 0;

	while (!__atomic_compare_exchange_n(&shared->writer, &holder, me, false,
	    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		if (holder == me || kill(holder, 0) == 0)
			holder = 0;
	if (shared->n < DONE_MAX) {
		shared->done[shared->n] = *d;
		__atomic_fetch_add(&shared->n, 1, __ATOMIC_SEQ_CST);
	}
	__atomic_store_n(&shared->writer, 0, __ATOMIC_SEQ_CST);
}

#include "t/unit/queue_deliver.h"
#include "t/unit/queue_relay.h"

/* ---- starting all ---- */

struct running {
	pid_t queue, deliver, relay;
	int ctl, pool, auth; /* our ends */
};

static pid_t
fork_or_die(void)
{
	pid_t pid = fork();

	if (pid == -1) {
		printf("Bail out! fork: %s\n", strerror(errno));
		exit(1);
	}
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* Takes intro. */
static pid_t
start_peer(int intro, void (*add)(int, const struct intro *))
{
	pid_t pid = fork_or_die();

	if (pid != 0) {
		close(intro);
		return pid;
	}
	dup2(intro, 3);
	fcntl(3, F_SETFD, FD_CLOEXEC);
	close_range(4, ~0u, 0);
	dup2(open("/dev/null", O_WRONLY), 2);
	service_init();
	service_introductions(3, add);
	service_run();
	_exit(0);
}

static pid_t
start_deliver(int intro)
{
	return start_peer(intro, add_queue);
}

static struct settings *
test_settings(const char *more)
{
	char path[128], *err = NULL;

	snprintf(path, sizeof(path), "%s/conf", top);
	FILE *f = fopen(path, "w");
	fprintf(f,
	    "local_domains example.org\nqueue_directory %s/queue\n"
	    "%s%s",
	    top,
	    strstr(more, "retry_min") != NULL
		? ""
		: "retry_min 300ms\nretry_max 2s\n",
	    more);
	fclose(f);
	struct settings *s = settings_read(path, false, &err);
	if (s == NULL) {
		printf("Bail out! %s\n", err);
		exit(1);
	}
	return s;
}

static void
queue_process(
    int ctl, int pool, int auth, int intro, int relay, const char *more)
{
	static struct role r;
	char path[128];

	r = (struct role){ .id = ROLE_QUEUE, .ctl = ctl };
	for (unsigned i = 0; i < ROLE__N; i++)
		r.peer[i] = -1;
	r.key_ask = -1;
	r.peer[ROLE_POOL] = pool;
	r.peer[ROLE_AUTH] = auth;
	r.peer[ROLE_DELIVER] = intro;
	r.peer[ROLE_RELAY] = relay;
	r.settings = test_settings(more);
	snprintf(path, sizeof(path), "%s/log", top);
	int log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(log, 2);
	close(log);
	svc_queue_main(&r);
}

static bool
wait_ready(int ctl)
{
	struct pollfd p = { .fd = ctl, .events = POLLIN };

	if (poll(&p, 1, 120000) != 1 || msg_recv(ctl, &tm_msg) != 1)
		return false;
	if (tm_msg.type == CTL_FAILED) {
		char why[300];
		msg_get_str(&tm_msg, why, sizeof(why));
		printf("# %s\n", why);
	}
	return tm_msg.type == CTL_READY;
}

/* Called in the queue's process before anything of the queue. */
static void (*queue_begins)(void);

/* False: the queue did not start, and nothing of it is left but x->deliver and
 * x->relay. */
static bool
try_start(struct running *out, const char *more)
{
	struct running x;
	int ctl[2], pool[2], auth[2], intro[2], relay[2];

	if (channel_pair(ctl) == -1 || channel_pair(pool) == -1 ||
	    channel_pair(auth) == -1 || channel_pair(intro) == -1 ||
	    channel_pair(relay) == -1)
		exit(1);
	x.deliver = start_deliver(intro[1]);
	x.relay = start_peer(relay[1], add_relay_peer);
	x.queue = fork_or_die();
	if (x.queue == 0) {
		close(ctl[0]);
		close(pool[0]);
		close(auth[0]);
		if (queue_begins != NULL)
			queue_begins();
		queue_process(
		    ctl[1], pool[1], auth[1], intro[0], relay[0], more);
	}
	close(ctl[1]);
	close(pool[1]);
	close(auth[1]);
	close(intro[0]);
	close(relay[0]);
	x.ctl = ctl[0];
	x.pool = pool[0];
	x.auth = auth[0];
	*out = x;
	return wait_ready(x.ctl);
}

static struct running
start(const char *more)
{
	struct running x;

	if (!try_start(&x, more)) {
		printf("Bail out! the queue did not start\n");
		exit(1);
	}
	return x;
}

static void
end_process(pid_t pid, int sig)
{
	if (pid > 1 && sig != 0)
		kill(pid, sig);
	waitpid(pid, NULL, 0);
}

static void
close_channels(struct running *x)
{
	close_fd(&x->ctl);
	close_fd(&x->pool);
	close_fd(&x->auth);
}

static void
pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/* As the master does it; so long it waits for what is under way. */
static uint32_t stop_grace = 1000;

__attribute__((unused)) static void
stop(struct running *x)
{
	msg_start(&tm_msg, CTL_STOP);
	msg_put_u32(&tm_msg, stop_grace);
	msg_send(x->ctl, &tm_msg);
	end_process(x->queue, 0);
	pause_ms(300); /* what deliver has begun it finishes */
	end_process(x->deliver, SIGKILL);
	end_process(x->relay, SIGKILL);
	close_channels(x);
}

/* One of several on the directory. */
__attribute__((unused)) static void
kill_one(struct running *x)
{
	end_process(x->queue, SIGKILL);
	end_process(x->deliver, SIGKILL);
	end_process(x->relay, SIGKILL);
	close_channels(x);
}

/* The publishers of a queue that was killed hold the deposit lock until they
 * have noticed, and a queue that starts meanwhile leaves incoming/ as it is. */
static void
publishers_gone(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/queue/deposit", top);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd != -1 && lock_wait(fd, true, 60000) != OK)
		printf("# a publisher does not end\n");
	close_fd(&fd);
}

__attribute__((unused)) static void
kill_both(struct running *x)
{
	kill_one(x);
	publishers_gone();
}

/* A new deliver role, as the master would give it to a queue that lives. */
__attribute__((unused)) static void
new_deliver(struct running *x)
{
	int intro[2];

	if (channel_pair(intro) == -1)
		exit(1);
	x->deliver = start_deliver(intro[1]);
	msg_start(&tm_msg, CTL_PEER);
	msg_put_u32(&tm_msg, ROLE_DELIVER);
	msg_put_u32(&tm_msg, 0);
	tm_msg.fd = intro[0];
	msg_send(x->ctl, &tm_msg);
	close(intro[0]);
}

/* ---- asking it ---- */

__attribute__((unused)) static int
new_worker(struct running *x)
{
	const struct intro in = { .kind = INTRO_WORKER };

	return introduce(x->pool, &in);
}

__attribute__((unused)) static int
new_user(struct running *x, const char *name)
{
	struct intro in = { .kind = INTRO_USER };

	snprintf(in.user, sizeof(in.user), "%s", name);
	return introduce(x->auth, &in);
}

static const char *
next_id(void)
{
	static char id[24];
	static unsigned n;

	snprintf(id, sizeof(id), "%08X%04X", (unsigned)getpid(), ++n);
	return id;
}

/* One message for n recipients named in names. */
static enum status
put(int sock, const char *id, const char *const *names, unsigned n,
    struct view content, char *text)
{
	static struct deposit_rcpt rcpt[1000];
	struct deposit d = { .id = id,
		.sender = "alice@example.org",
		.client = "client.test[192.0.2.1]",
		.helo = "client.test",
		.protocol = "ESMTP",
		.rcpt = rcpt,
		.rcpt_n = n,
		.content = content };
	enum status st;

	for (unsigned i = 0; i < n; i++)
		rcpt[i] = (struct deposit_rcpt){ names[i], names[i], NULL };
	if (content.n > MSG_INLINE_MAX) {
		int fd = ask_queue_spool(sock, &st);
		if (fd == -1)
			return st;
		if (write(fd, content.p, content.n) != (ssize_t)content.n)
			printf("# spool: %s\n", strerror(errno));
		close(fd);
		d.spooled = true;
		d.length = content.n;
	}
	st = ask_queue_deposit(sock, &d);
	if (text != NULL)
		memcpy(text, d.text, sizeof(d.text));
	return st;
}

__attribute__((unused)) static enum status
put_one(int sock, const char *name, const char *content)
{
	return put(sock, next_id(), &name, 1, view_of(content), NULL);
}

#include "t/unit/queue_look.h"

static void
test_begin(void)
{
	char path[128];

	signal(SIGPIPE, SIG_IGN);
	snprintf(top, sizeof(top), "/tmp/queue-role.XXXXXX");
	if (mkdtemp(top) == NULL)
		exit(1);
	snprintf(path, sizeof(path), "%s/queue", top);
	mkdir(path, 0700);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		exit(1);
	relay_shared = mmap(NULL, sizeof(*relay_shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (relay_shared == MAP_FAILED)
		exit(1);
	service_init();
}

static void
remove_all(const char *sub)
{
	char path[600];

	snprintf(path, sizeof(path), "%s%s", top, sub);
	DIR *d = opendir(path);
	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		snprintf(path, sizeof(path), "%s%s/%s", top, sub, e->d_name);
		if (e->d_name[0] != '.')
			unlink(path);
	}
	if (d != NULL)
		closedir(d);
	snprintf(path, sizeof(path), "%s%s", top, sub);
	rmdir(path);
}

static int
test_end(void)
{
	static const char *const all[] = { "/queue/active", "/queue/hold",
		"/queue/incoming", "/queue/damaged", "/queue", "" };
	for (size_t i = 0; i < NELEM(all); i++)
		remove_all(all[i]);
	return done_testing();
}
#endif
