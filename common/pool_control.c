/*
 * The pool's socket for whoever runs the host.  Runs in: pool.
 *
 * Nobody here keeps the pool from its work: an answer is made a piece at a
 * time, and only while the asker reads; there are few askers; who says or reads
 * nothing for a while is cut off.
 */
#define _GNU_SOURCE
#include "common/pool_control.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/fds.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/service.h"

enum {
	ASKERS = 8,
	PATIENCE = 10000, /* ms */
	KICK_MS = 3000,
	PIECE = 4096,
	LINE_ROOM = 256, /* octets of the longest line of an answer */
	MINUTE = 60000 / POOL_CONTROL_TICK
};

enum verb { STATUS, SESSIONS, KICK, NONE };

struct asker {
	int sock; /* -1: free */
	struct watch *watch;
	int64_t moved; /* now_ms() when it last said or read something */
	bool asked, ended;
	enum verb verb;
	unsigned next, lines; /* what is to be told next; how many were */
	size_t question_n, out_n, sent;
	char question[POOL_CONTROL_LINE];
	char out[PIECE];
};

static const char *const figure_names[POOL_F__N] = {
	[POOL_F_MESSAGES] = "messages",
	[POOL_F_LOGINS] = "logins",
	[POOL_F_AUTH_FAILURES] = "auth_failures",
	[POOL_F_ACCEPTED] = "accepted",
	[POOL_F_REFUSED_MANY] = "refused_too_many",
	[POOL_F_REFUSED_RATE] = "refused_rate",
	[POOL_F_DEFERRED] = "deferred_rate",
	[POOL_F_DIED] = "workers_died",
};

static const struct role *role;
static const struct pool_control_host *host;
static struct asker *askers; /* ASKERS of them; NULL: there is no socket */
static int listener = -1;
static struct watch *listening;
static uid_t may_ask;
static long master;
static int64_t began; /* seconds since 1970 */
static uint64_t figures[POOL_F__N];
/* As they were at the last ticks, and where the oldest of these is. */
static uint64_t before[MINUTE][POOL_F__N];
static unsigned oldest;

const char *
pool_figure_name(enum pool_figure f)
{
	return figure_names[f];
}

void
pool_control_count(enum pool_figure f)
{
	figures[f]++;
}

/* ---- the answer ---- */

static void say(struct asker *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds a line, for which there is room. */
static void
say(struct asker *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(a->out + a->out_n, PIECE - a->out_n, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < PIECE - a->out_n)
		a->out_n += (size_t)n;
}

static struct slot *
by_number(uint32_t number)
{
	for (unsigned i = 0; i < host->slot_n; i++)
		if (host->slots[i].pid != 0 && host->slots[i].number == number)
			return &host->slots[i];
	return NULL;
}

static void
kick_hard(void *number)
{
	struct slot *s = by_number((uint32_t)(uintptr_t)number);

	if (s != NULL)
		kill(s->pid, SIGKILL);
}

static bool
end_session(pid_t pid, uint32_t number)
{
	struct slot *s = by_number(number);

	if (s == NULL || s->pid != pid || !s->busy)
		return false;
	host->end_session(s);
	timer_add(KICK_MS, kick_hard, (void *)(uintptr_t)number);
	return true;
}

/* False: it cannot be asked for. */
static bool
kick(struct asker *a, struct view line)
{
	struct view number = line;
	struct view pid = view_token(&number);
	unsigned long long p, n;

	if (!view_number(pid, INT32_MAX, &p) ||
	    !view_number(number, UINT32_MAX, &n))
		return false;
	bool done = end_session((pid_t)p, (uint32_t)n);
	a->lines = done;
	if (done)
		log_info("session of process %llu ended by order", p);
	return true;
}

static void
begin(struct asker *a, struct view line)
{
	struct view rest = line, verb = view_token(&rest);

	a->asked = true;
	a->verb = NONE;
	if (view_eqs(verb, "status") && rest.n == 0)
		a->verb = STATUS;
	else if (view_eqs(verb, "sessions") && rest.n == 0)
		a->verb = SESSIONS;
	else if (view_eqs(verb, "kick") && kick(a, rest))
		a->verb = KICK;
	if (a->verb == NONE) {
		say(a, "E\tthere is no such question\n");
		a->ended = true;
		return;
	}
	say(a, "D\t%s\t%ld\t%ld\t%lld\n", role->pop3 ? "pop3d" : "smtpd",
	    master, (long)getpid(), (long long)began);
}

static void
say_status(struct asker *a)
{
	for (int i = 0; i < POOL_F__N; i++)
		say(a, "F\t%s\t%llu\t%llu\n", figure_names[i],
		    (unsigned long long)figures[i],
		    (unsigned long long)(figures[i] - before[oldest][i]));
	say(a,
	    "G\tworkers_idle\t%u\nG\tworkers_busy\t%u\nG\tworkers_max\t%llu\n",
	    *host->idle, *host->total - *host->idle,
	    (unsigned long long)role->settings->workers_max);
	a->lines = POOL_F__N + 3;
	a->next = host->slot_n;
}

/* As many sessions as this piece holds. */
static void
say_sessions(struct asker *a)
{
	const struct listener *l = role->settings->listeners;
	char client[ADDRESS_TEXT];
	int64_t now = now_ms();

	for (; a->next < host->slot_n && a->out_n + LINE_ROOM < PIECE;
	     a->next++) {
		const struct slot *s = &host->slots[a->next];
		if (s->pid == 0 || !s->busy)
			continue;
		pool_client_name(&s->client, s->peer, client);
		say(a, "C\t%ld\t%lu\t%s\t%s\t%lld\n", (long)s->pid,
		    (unsigned long)s->number,
		    listen_type_name(l[s->listener].type), client,
		    (long long)(time(NULL) - (now - s->since) / 1000));
		a->lines++;
	}
}

static void
make_piece(struct asker *a)
{
	if (a->verb == STATUS && a->next == 0)
		say_status(a);
	if (a->verb == SESSIONS)
		say_sessions(a);
	if (a->verb != KICK && a->next < host->slot_n)
		return;
	say(a, "=\t%u\n", a->lines);
	a->ended = true;
}

/* ---- one asker ---- */

static void
drop(struct asker *a)
{
	if (a->sock == -1)
		return;
	watch_del(a->watch);
	a->watch = NULL;
	close_fd(&a->sock);
}

/* False: there is no more to come from it, or it breaks the rules. */
static bool
listen_to(struct asker *a)
{
	ssize_t n = recv(a->sock, a->question + a->question_n,
	    sizeof(a->question) - a->question_n, MSG_DONTWAIT);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	a->question_n += (size_t)n;
	const char *lf = memchr(a->question, '\n', a->question_n);
	if (lf == NULL)
		return a->question_n < sizeof(a->question);
	a->moved = now_ms();
	begin(a, (struct view){ a->question, (size_t)(lf - a->question) });
	watch_change(a->watch, EPOLLOUT);
	return true;
}

static bool
answer(struct asker *a)
{
	if (a->out_n == a->sent || (a->sent == 0 && !a->ended)) {
		if (a->ended)
			return false;
		if (a->sent > 0)
			a->out_n = a->sent = 0;
		make_piece(a);
	}
	ssize_t n = send(a->sock, a->out + a->sent, a->out_n - a->sent,
	    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR;
	a->sent += (size_t)n;
	a->moved = now_ms();
	return true;
}

static void
asker_ready(void *arg, uint32_t events)
{
	struct asker *a = arg;

	(void)events;
	if (!(a->asked ? answer(a) : listen_to(a)))
		drop(a);
}

static struct asker *
free_asker(void)
{
	for (int i = 0; i < ASKERS; i++)
		if (askers[i].sock == -1)
			return &askers[i];
	return NULL;
}

static void
refuse(int fd, const char *why)
{
	/* Room for so little there always is in a fresh socket. */
	(void)!send(fd, why, strlen(why), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
somebody_came(void *arg, uint32_t events)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);
	struct asker *a = free_asker();

	(void)arg;
	(void)events;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd == -1)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) == -1 ||
	    (cred.uid != 0 && cred.uid != may_ask)) {
		refuse(fd, "E\tonly root may ask\n");
		close_fd(&fd);
		return;
	}
	if (a == NULL) {
		refuse(fd, "E\ttoo many ask at the same time\n");
		close_fd(&fd);
		return;
	}
	*a = (struct asker){ .sock = fd, .moved = now_ms() };
	a->watch = watch_add(fd, EPOLLIN, asker_ready, a);
	if (a->watch == NULL)
		drop(a);
}

/* ---- its life ---- */

/* The control socket is the last that the pool was given (settings_listen.c);
 * workers know theirs by their places and do not get this one. */
void
pool_control_init(struct role *r, const struct pool_control_host *h)
{
	const struct settings *s = r->settings;
	bool there = r->listen_n > 0 && r->listen_n <= s->listener_n &&
		     s->listeners[r->listen_n - 1].type == LISTEN_CONTROL;

	role = r;
	host = h;
	may_ask = r->root ? 0 : geteuid();
	master = (long)getppid();
	began = time(NULL);
	if (!there)
		return;
	listener = r->listen_fd[--r->listen_n];
	r->listen_fd[r->listen_n] = -1;
	askers = alloc_unforked(ASKERS * sizeof(*askers));
	if (askers == NULL)
		role_failed(r, "no memory for the control socket");
	for (int i = 0; i < ASKERS; i++)
		askers[i].sock = -1;
}

void
pool_control_start(void)
{
	if (listener != -1)
		listening = watch_add(listener, EPOLLIN, somebody_came, NULL);
}

void
pool_control_stop(void)
{
	watch_del(listening);
	listening = NULL;
	close_fd(&listener);
}

void
pool_control_tick(void)
{
	memcpy(before[oldest], figures, sizeof(figures));
	oldest = (oldest + 1) % MINUTE;
	for (int i = 0; askers != NULL && i < ASKERS; i++)
		if (now_ms() - askers[i].moved > PATIENCE)
			drop(&askers[i]);
}
