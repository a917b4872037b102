/*
 * The opener's append processes.
 *
 *   DOWN --start--> UP --its control channel ends--> DYING --reaped--> DOWN
 *    ^              | its adoption channel is closed     ^               |
 *    |              v                                    |               |
 *    |           LEAVING --it has finished what it had---+               |
 *    +---------------------------- back-off <----------------------------+
 *
 * Runs in: deliver (the opener).
 */
#define _GNU_SOURCE
#include "spool/appenders.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "spool/append_grant.h"
#include "spool/append_proc.h"

enum {
	APPENDERS_MAX = 128,
	BACKOFF_MIN = 100, /* ms before the first replacement */
	BACKOFF_MAX = 30000,
	STEADY = 60000,	      /* ms of life after which all is forgiven */
	REAP_AGAIN = 100,     /* ms */
	SOCKET_ROOM = 4 << 20 /* octets of channels on their way, so that a slow
			       * flush does not refuse those who come */
};

enum state { DOWN, UP, LEAVING, DYING };

struct appender {
	enum state state;
	bool retired; /* not to be replaced */
	pid_t pid;
	int adopt;	  /* where it gets its channels */
	struct peer *ctl; /* where it asks for dotlocks */
	int64_t started, backoff;
	struct timer *timer;
	/* the dotlock it holds */
	int lock_dir; /* -1: none */
	struct user lock_user;
	char lock_name[sizeof(((struct mailbox_path *)0)->name)];
};

static struct appender appenders[APPENDERS_MAX];
static unsigned wanted;
static const struct role *role;
static appender_lookup *lookup;
static void (*all_gone)(void);

static void start(struct appender *a);

/* ---- dotlocks ---- */

static void
dotlock_drop(struct appender *a)
{
	if (a->lock_dir != -1)
		mailbox_dotlock_release(
		    a->lock_dir, a->lock_name, &a->lock_user);
	close_fd(&a->lock_dir);
}

static enum status
take(struct appender *a, const char *name)
{
	struct mailbox_path path;
	char why[256];
	int dir;
	enum status st = lookup(name, &a->lock_user, &path);

	if (st != OK)
		return st;
	st = mailbox_dir_open(
	    &path, &a->lock_user, &dir, NULL, why, sizeof(why));
	if (st != OK)
		return st;
	st = mailbox_dotlock_take(dir, path.name, &a->lock_user);
	if (st == OK) {
		a->lock_dir = dir;
		memcpy(a->lock_name, path.name, sizeof(a->lock_name));
		return OK;
	}
	if (st != ERR_BUSY)
		log_warn("warning: cannot make the dotlock %s/%s.lock: %s",
		    path.dir, path.name, status_text(st));
	close_fd(&dir);
	return st;
}

static enum answer
answer_dotlock_take(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct appender *a = p->state;
	char name[USER_NAME_MAX];

	msg_get_str(rq, name, sizeof(name));
	if (!msg_done(rq) || a->lock_dir != -1)
		return ANSWER_DROP;
	msg_put_u32(rp, status_pack(take(a, name)));
	return ANSWER;
}

static enum answer
answer_dotlock_release(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct appender *a = p->state;

	if (!msg_done(rq) || a->lock_dir == -1)
		return ANSWER_DROP;
	dotlock_drop(a);
	msg_put_u32(rp, status_pack(OK));
	return ANSWER;
}

enum { DOTLOCK_ANY = BIT(DOTLOCK_TAKE) | BIT(DOTLOCK_RELEASE) };

/* clang-format off */
static const struct request requests[] = {
	{ DOTLOCK_TAKE,    5, 4 + USER_NAME_MAX, false, DOTLOCK_ANY,
	    answer_dotlock_take,    "DOTLOCK_TAKE" },
	{ DOTLOCK_RELEASE, 0, 0,                 false, DOTLOCK_ANY,
	    answer_dotlock_release, "DOTLOCK_RELEASE" },
};
/* clang-format on */

/* ---- birth and death ---- */

static void
start_due(void *arg)
{
	struct appender *a = arg;

	a->timer = NULL;
	start(a);
}

static void
start_later(struct appender *a)
{
	if (a->retired)
		return;
	if (now_ms() - a->started > STEADY)
		a->backoff = 0;
	a->backoff = a->backoff == 0 ? BACKOFF_MIN : a->backoff * 2;
	if (a->backoff > BACKOFF_MAX)
		a->backoff = BACKOFF_MAX;
	a->timer = timer_add(a->backoff, start_due, a);
}

static void
tell_all_gone(void)
{
	if (all_gone == NULL)
		return;
	for (unsigned i = 0; i < APPENDERS_MAX; i++)
		if (appenders[i].state != DOWN)
			return;
	all_gone();
}

static void
reap(void *arg)
{
	struct appender *a = arg;
	int how = 0;
	pid_t pid = waitpid(a->pid, &how, WNOHANG);

	a->timer = NULL;
	if (pid == 0 || (pid == -1 && errno == EINTR)) {
		/* It sits in a system call that the disk holds up. */
		a->timer = timer_add(REAP_AGAIN, reap, a);
		return;
	}
	if (!a->retired)
		log_warn("warning: append process %ld %s %d; starting another",
		    (long)a->pid,
		    WIFSIGNALED(how) ? "died by signal" : "ended with status",
		    WIFSIGNALED(how) ? WTERMSIG(how) : WEXITSTATUS(how));
	dotlock_drop(a); /* not before: it may still have been writing */
	a->state = DOWN;
	start_later(a);
	tell_all_gone();
}

/* Its control channel has ended: it died, or broke the protocol and must. */
static void
gone(struct peer *p)
{
	struct appender *a = p->state;

	a->ctl = NULL;
	if (a->state == UP)
		kill(a->pid, SIGKILL);
	close_fd(&a->adopt);
	a->state = DYING;
	a->timer = timer_add(0, reap, a);
}

static const struct service service = {
	.name = "append",
	.requests = requests,
	.n = NELEM(requests),
	.first = DOTLOCK_ANY,
	.gone = gone,
};

static void
start(struct appender *a)
{
	int adopt[2] = { -1, -1 }, ctl[2] = { -1, -1 };

	a->started = now_ms();
	if (channel_pair(adopt) == -1 || channel_pair(ctl) == -1)
		goto fail;
	if (setsockopt(adopt[0], SOL_SOCKET, SO_SNDBUFFORCE,
		&(int){ SOCKET_ROOM }, sizeof(int)) == -1 &&
	    setsockopt(adopt[0], SOL_SOCKET, SO_SNDBUF, &(int){ SOCKET_ROOM },
		sizeof(int)) == -1)
		goto fail;
	const int keep[] = { adopt[1], ctl[1], role->peer[ROLE_LOG] };
	a->pid = role_fork(role, ROLE_APPEND, keep, NELEM(keep));
	if (a->pid == -1)
		goto fail;
	if (a->pid == 0)
		append_process(adopt[1], ctl[1]);
	close_fd(&adopt[1]);
	close_fd(&ctl[1]);
	a->adopt = adopt[0];
	a->state = UP;
	a->ctl = service_add(ctl[0], &service, a);
	if (a->ctl != NULL)
		return;
	/* No memory; service_add closed the channel, which ends the child. */
	close_fd(&a->adopt);
	a->state = DYING;
	a->timer = timer_add(0, reap, a);
	return;
fail:
	log_error("error: cannot start an append process: %s", strerror(errno));
	for (unsigned i = 0; i < 2; i++) {
		close_fd(&adopt[i]);
		close_fd(&ctl[i]);
	}
	start_later(a);
}

void
appenders_start(const struct role *r, unsigned n, appender_lookup *find)
{
	role = r;
	lookup = find;
	for (unsigned i = 0; i < APPENDERS_MAX; i++)
		appenders[i] = (struct appender){ .adopt = -1, .lock_dir = -1 };
	appenders_resize(n);
}

/* Asks it to end when it has finished what it has. */
static void
retire(struct appender *a)
{
	a->retired = true;
	if (a->state == UP) {
		close_fd(&a->adopt);
		a->state = LEAVING;
	} else if (a->state == DOWN) {
		timer_del(a->timer);
		a->timer = NULL;
	}
}

void
appenders_stop(void (*gone_all)(void))
{
	all_gone = gone_all;
	wanted = 0;
	for (unsigned i = 0; i < APPENDERS_MAX; i++)
		retire(&appenders[i]);
	tell_all_gone();
}

void
appenders_resize(unsigned n)
{
	if (all_gone != NULL) /* it ends */
		return;
	wanted = n < 1 ? 1 : n > APPENDERS_MAX ? APPENDERS_MAX : n;
	for (unsigned i = 0; i < APPENDERS_MAX; i++) {
		struct appender *a = &appenders[i];
		bool was_retired = a->retired;
		a->retired = i >= wanted;
		if (a->retired) {
			retire(a);
		} else if (!a->retired && a->state == DOWN &&
			   a->timer == NULL) {
			if (was_retired)
				a->backoff = 0;
			start(a);
		}
	}
}

enum status
appenders_hand(const char *user, int channel)
{
	static struct msg m;
	uint32_t h = 2166136261u; /* FNV-1a */
	enum status st = ERR_DOWN;

	for (const char *c = user; *c != '\0'; c++)
		h = (h ^ (unsigned char)*c) * 16777619u;
	for (unsigned i = 0; i < wanted; i++) {
		struct appender *a = &appenders[(h + i) % wanted];
		if (a->state != UP)
			continue;
		msg_start(&m, ADOPT);
		m.fd = channel;
		if (msg_send(a->adopt, &m) == 0)
			return OK;
		st = errno == EAGAIN ? ERR_BUSY : ERR_DOWN;
		if (errno == ETOOMANYREFS || errno == ENOMEM)
			return ERR_NOMEM;
	}
	return st;
}
