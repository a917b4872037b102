/*
 * The crypt processes.  Runs in: auth.
 */
#define _GNU_SOURCE
#include "common/crypt_pool.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/crypt_proc.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/service.h"

enum { /* ms */
	BACKOFF_MIN = 100,
	BACKOFF_MAX = 30000,
	CALC_MAX = 20000 /* longer than that no calculation may take */
};

struct slot {
	int sock; /* -1: no process */
	pid_t pid;
	struct watch *watch;
	struct timer *restart;
	struct timer *limit; /* of the calculation */
	int backoff;	     /* ms until the next start */
	crypt_done *done;    /* NULL: idle */
	void *arg;
};

static struct role *role;
static void (*wipe_in_child)(void);
static void (*on_idle)(void);
static struct slot slots[CRYPT_POOL_MAX];
static unsigned wanted, turn;
static unsigned long long calls;
static struct msg m; /* 64 KiB: not on the stack */

static void slot_ready(void *arg, uint32_t events);

static bool
slot_start(struct slot *s)
{
	int end[2];

	if (channel_pair(end) == -1)
		return false;
	int keep[] = { end[1], role->peer[ROLE_LOG] };
	s->pid = role_fork(role, ROLE_CRYPT, keep, keep[1] == -1 ? 1 : 2);
	if (s->pid == 0) {
		wipe_in_child();
		explicit_bzero(&m, sizeof(m));
		crypt_serve(end[1]);
	}
	close(end[1]);
	s->sock = end[0];
	if (s->pid != -1)
		s->watch = watch_add(s->sock, EPOLLIN, slot_ready, s);
	if (s->pid == -1 || s->watch == NULL) {
		int e = errno;
		close_fd(&s->sock); /* the child, if any, ends by that */
		errno = e;
		return false;
	}
	return true;
}

static void
reap(void)
{
	int how;
	pid_t pid;

	while ((pid = waitpid(-1, &how, WNOHANG)) > 0)
		if (WIFSIGNALED(how))
			log_warn("warning: crypt process %d ended by signal %d",
			    (int)pid, WTERMSIG(how));
}

static void
slot_restart(void *arg)
{
	struct slot *s = arg;

	s->restart = NULL;
	reap();
	if (s >= slots + wanted)
		return;
	if (slot_start(s)) {
		on_idle();
		return;
	}
	log_error("error: cannot start a crypt process: %s", strerror(errno));
	s->restart = timer_add(s->backoff, slot_restart, s);
	s->backoff =
	    s->backoff * 2 > BACKOFF_MAX ? BACKOFF_MAX : s->backoff * 2;
}

/* The process has ended, or is to end. */
static void
slot_close(struct slot *s)
{
	watch_del(s->watch);
	s->watch = NULL;
	close_fd(&s->sock);
	s->restart = timer_add(s->backoff, slot_restart, s);
	s->backoff =
	    s->backoff * 2 > BACKOFF_MAX ? BACKOFF_MAX : s->backoff * 2;
}

static void
slot_finish(struct slot *s, const char *hash)
{
	crypt_done *done = s->done;

	timer_del(s->limit);
	s->limit = NULL;
	s->done = NULL;
	if (done != NULL)
		done(s->arg, hash);
}

static void
slot_fail(struct slot *s, const char *why)
{
	log_warn("warning: crypt process %d %s", (int)s->pid, why);
	kill(s->pid, SIGKILL); /* not reaped yet: it is that one */
	slot_close(s);
	slot_finish(s, NULL);
}

static void
slot_overtime(void *arg)
{
	struct slot *s = arg;

	s->limit = NULL;
	slot_fail(s, "took too long: a hash is too expensive");
}

/* An answer, or the end.  What is wrong with an answer is wrong with the
 * process: it goes. */
static void
slot_ready(void *arg, uint32_t events)
{
	struct slot *s = arg;
	char hash[USER_HASH_MAX];

	(void)events;
	int rc = msg_recv(s->sock, &m);
	if (rc == -1 && errno == EAGAIN)
		return;
	/* Killed with a question unread, it leaves ECONNRESET. */
	bool ended = rc == 0 || (rc == -1 && errno != EBADMSG);
	msg_get_str(&m, hash, sizeof(hash));
	uint32_t n = msg_get_u32(&m);
	bool good = rc == 1 && m.type == CRYPT_CALC && m.fd == -1 &&
		    msg_done(&m) && s->done != NULL;
	msg_wipe(&m);
	if (good) {
		calls += n;
		s->backoff = BACKOFF_MIN;
		if (s >= slots + wanted)
			slot_close(s);
		slot_finish(s, hash);
		on_idle();
	} else {
		slot_fail(s, ended ? "has gone" : "broke the protocol");
	}
	explicit_bzero(hash, sizeof(hash));
}

bool
crypt_pool_start(
    struct role *r, unsigned n, void (*in_child)(void), void (*idle)(void))
{
	role = r;
	wipe_in_child = in_child;
	on_idle = idle;
	wanted = n < CRYPT_POOL_MAX ? n : CRYPT_POOL_MAX;
	for (unsigned i = 0; i < CRYPT_POOL_MAX; i++)
		slots[i] = (struct slot){ .sock = -1, .backoff = BACKOFF_MIN };
	for (unsigned i = 0; i < wanted; i++)
		if (!slot_start(&slots[i]))
			return false;
	return true;
}

void
crypt_pool_resize(unsigned n)
{
	wanted = n < CRYPT_POOL_MAX ? n : CRYPT_POOL_MAX;
	for (unsigned i = 0; i < CRYPT_POOL_MAX; i++) {
		struct slot *s = &slots[i];
		if (i >= wanted && s->sock != -1 && s->done == NULL)
			slot_close(s);
		else if (i < wanted && s->sock == -1 && s->restart == NULL)
			s->restart = timer_add(0, slot_restart, s);
	}
}

/* Takes turns, so that all of them stay warm and alike. */
static struct slot *
slot_free(void)
{
	for (unsigned i = 0; i < wanted; i++) {
		struct slot *s = &slots[(turn + i) % wanted];
		if (s->sock != -1 && s->done == NULL) {
			turn = (turn + i + 1) % wanted;
			return s;
		}
	}
	return NULL;
}

bool
crypt_pool_idle(void)
{
	for (unsigned i = 0; i < wanted; i++)
		if (slots[i].sock != -1 && slots[i].done == NULL)
			return true;
	return false;
}

bool
crypt_pool_ask(
    const char *setting, const char *pass, crypt_done *done, void *arg)
{
	for (;;) {
		struct slot *s = slot_free();
		if (s == NULL)
			return false;
		msg_start(&m, CRYPT_CALC);
		msg_put_str(&m, setting);
		msg_put_str(&m, pass);
		int rc = msg_send(s->sock, &m);
		msg_wipe(&m);
		if (rc == 0) {
			s->done = done;
			s->arg = arg;
			s->limit = timer_add(CALC_MAX, slot_overtime, s);
			return true;
		}
		slot_fail(s, "has gone");
	}
}

unsigned long long
crypt_pool_calls(void)
{
	return calls;
}
