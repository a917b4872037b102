/*
 * A role's start, and its end of the control channel.  Runs in: every role.
 */
#define _GNU_SOURCE
#include "common/role.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/ctl.h"
#include "common/fds.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/service.h"

static const char *const names[ROLE__N] = { "master", "log", "pool", "worker",
	"key", "auth", "lookup", "queue", "deliver", "maildrop", "append",
	"crypt", "relay", "sender", "expand", "dialer", "reader", "filer",
	"feeder" };
/* The programs of Postfix and Dovecot whose lines a role writes. */
static const char *const tags[ROLE__N] = { "master", "log", "master", "smtpd",
	"tlsproxy", "auth", "trivial-rewrite", "qmgr", "local", "pop3", "local",
	"auth", "smtp", "smtp", "local", "smtp", "local", "local", "local" };

const char *
role_name(enum role_id id)
{
	return names[id];
}

/* Waits for the next message of the master.  Its end is ours. */
static void
next_order(int ctl)
{
	for (;;) {
		struct pollfd p = { .fd = ctl, .events = POLLIN };
		if (poll(&p, 1, -1) == -1 && errno != EINTR)
			_exit(1);
		int rc = msg_recv(ctl, &scratch);
		if (rc == 1)
			return;
		if (rc == 0 || errno != EAGAIN)
			_exit(1);
	}
}

static struct settings *
settings_from(struct role *r)
{
	char *err = NULL;
	int fd = scratch.fd;

	scratch.fd = -1;
	struct settings *s = settings_read_fd(fd, "settings", r->pop3, &err);
	if (s == NULL)
		fatal("settings from the master: %s", err);
	return s;
}

static void
take_order(struct role *r)
{
	uint32_t a = 0, b = 0;

	switch (scratch.type) {
	case CTL_SETTINGS:
		a = msg_get_u32(&scratch);
		r->pop3 = a & CTL_F_POP3;
		r->root = a & CTL_F_ROOT;
		r->inetd = a & CTL_F_INETD;
		r->idle_exit = a & CTL_F_IDLE_EXIT;
		r->settings = settings_from(r);
		break;
	case CTL_PEER:
		a = msg_get_u32(&scratch);
		b = msg_get_u32(&scratch);
		if (a >= ROLE__N)
			_exit(1);
		*(b == 1     ? &r->key_ask
		    : b == 2 ? &r->log_intro
			     : &r->peer[a]) = scratch.fd;
		scratch.fd = -1;
		break;
	case CTL_LISTEN:
		if (r->listen_n == ROLE_LISTEN_MAX)
			_exit(1);
		r->listen_fd[r->listen_n++] = scratch.fd;
		scratch.fd = -1;
		break;
	case CTL_FILE:
		if (r->file_n == ROLE_FILES_MAX)
			_exit(1);
		r->file[r->file_n++] = scratch.fd;
		scratch.fd = -1;
		break;
	}
}

noreturn void
role_start(int argc, char **argv, role_main *const mains[ROLE__N])
{
	static struct role r = {
		.ctl = ROLE_CTL_FD, .key_ask = -1, .log_intro = -1
	};
	const char *name = argv[1] + strlen("--role=");

	for (unsigned i = 0; i < ROLE__N; i++) {
		r.peer[i] = -1;
		if (strcmp(names[i], name) == 0)
			r.id = (enum role_id)i;
	}
	if (r.id == ROLE_MASTER || mains[r.id] == NULL) {
		fprintf(stderr, "%s: there is no role \"%s\"\n", argv[0], name);
		exit(2);
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* the write fails with EFBIG instead */
	signal(SIGHUP, SIG_IGN);  /* those of a terminal are the master's */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fcntl(ROLE_CTL_FD, F_SETFD, FD_CLOEXEC);
	proc_title_init(argc, argv);
	do {
		next_order(r.ctl);
		take_order(&r);
	} while (scratch.type != CTL_GO);
	log_open(r.peer[ROLE_LOG],
	    r.pop3 && r.id == ROLE_POOL ? "pop3-login" : tags[r.id]);
	log_level_set(r.settings->log_verbose ? LOG_LVL_DEBUG : LOG_LVL_INFO);
	proc_title("%s", names[r.id]);
	mains[r.id](&r);
	_exit(1); /* a role's main does not return */
}

void
role_ready(struct role *r)
{
	msg_start(&scratch, CTL_READY);
	if (msg_send(r->ctl, &scratch) == -1)
		fatal("the master does not listen: %s", strerror(errno));
}

noreturn void
role_failed(struct role *r, const char *fmt, ...)
{
	char text[LOG_LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	msg_start(&scratch, CTL_FAILED);
	msg_put_str(&scratch, text);
	if (msg_send(r->ctl, &scratch) == -1)
		log_error("%s", text);
	log_flush();
	exit(1);
}

/* ---- the control channel in the service loop ---- */

static struct role *watched;
static void (*on_intro)(enum role_id, int);
static void (*on_settings)(struct settings *);
static void (*on_stop)(uint32_t);
static void (*on_listen)(int);
static void (*on_drain)(void);

static void
ctl_ready(void *arg, uint32_t events)
{
	struct role *r = arg;

	(void)events;
	int rc = msg_recv(r->ctl, &scratch);
	if (rc == -1 && errno == EAGAIN)
		return;
	if (rc != 1) {
		log_flush();
		exit(0); /* the master has gone: so do we */
	}
	if (scratch.type == CTL_STOP) {
		uint32_t grace = msg_get_u32(&scratch);
		if (on_stop != NULL)
			on_stop(grace);
		else
			service_stop();
	} else if (scratch.type == CTL_PEER && on_intro != NULL) {
		uint32_t from = msg_get_u32(&scratch);
		int fd = scratch.fd;
		scratch.fd = -1;
		on_intro(from < ROLE__N ? (enum role_id)from : ROLE_MASTER, fd);
	} else if (scratch.type == CTL_LISTEN && on_listen != NULL) {
		int fd = scratch.fd;
		scratch.fd = -1;
		on_listen(fd);
	} else if (scratch.type == CTL_DRAIN && on_drain != NULL) {
		on_drain();
	} else if (scratch.type == CTL_SETTINGS && on_settings != NULL) {
		on_settings(settings_from(r));
	}
	close_fd(&scratch.fd);
}

void
role_watch_master(struct role *r, void (*add_intro)(enum role_id, int),
    void (*new_settings)(struct settings *))
{
	watched = r;
	on_intro = add_intro;
	on_settings = new_settings;
	if (watch_add(r->ctl, EPOLLIN, ctl_ready, r) == NULL)
		fatal("control channel: %s", strerror(errno));
}

void
role_on_stop(void (*stop)(uint32_t))
{
	on_stop = stop;
}

void
role_on_listen(void (*listen)(int))
{
	on_listen = listen;
}

void
role_on_drain(void (*drain)(void))
{
	on_drain = drain;
}

void
role_drained(const struct role *r)
{
	msg_start(&scratch, CTL_DRAINED);
	if (msg_send(r->ctl, &scratch) == -1)
		log_error("the master does not listen: %s", strerror(errno));
}

/* ---- introductions ---- */

int
introduce(int intro_sock, const struct intro *in)
{
	int end[2];

	if (channel_pair(end) == -1)
		return -1;
	/* The log wants the kernel to say who wrote each line, from the first
	 * on. */
	if (in->kind == INTRO_LOG && setsockopt(end[1], SOL_SOCKET, SO_PASSCRED,
					 &(int){ 1 }, sizeof(int)) == -1)
		fatal("SO_PASSCRED: %s", strerror(errno));
	msg_start(&scratch, MSG_INTRODUCE);
	msg_put_u32(&scratch, in->kind);
	msg_put_str(&scratch, in->user);
	msg_put_u32(&scratch, in->uid);
	msg_put_u32(&scratch, in->gid);
	msg_put_str(&scratch, in->home);
	scratch.fd = end[1];
	for (int tries = 0; msg_send(intro_sock, &scratch) == -1; tries++) {
		/* The role reads these first and fast: a full socket means
		 * that it is being started, or that many come at once. */
		struct pollfd p = { .fd = intro_sock, .events = POLLOUT };
		if ((errno != EAGAIN && errno != ETOOMANYREFS) || tries == 50) {
			int e = errno;
			close(end[0]);
			close(end[1]);
			scratch.fd = -1;
			errno = e;
			return -1;
		}
		poll(&p, errno == EAGAIN, 10);
	}
	close_fd(&scratch.fd);
	return end[0];
}

struct introductions {
	int sock;
	struct watch *watch;
	void (*add)(int, const struct intro *);
};

static void
intro_ready(void *arg, uint32_t events)
{
	struct introductions *x = arg;
	struct intro in = { 0 };

	(void)events;
	for (int i = 0; i < 64; i++) {
		int rc = msg_recv(x->sock, &scratch);
		if (rc == -1 && errno == EAGAIN)
			return;
		if (rc != 1 || scratch.type != MSG_INTRODUCE ||
		    scratch.fd == -1) {
			close_fd(&scratch.fd);
			watch_del(x->watch);
			close(x->sock);
			free(x);
			return;
		}
		in.kind = (enum introduce)msg_get_u32(&scratch);
		msg_get_str(&scratch, in.user, sizeof(in.user));
		in.uid = msg_get_u32(&scratch);
		in.gid = msg_get_u32(&scratch);
		msg_get_str(&scratch, in.home, sizeof(in.home));
		int fd = scratch.fd;
		scratch.fd = -1;
		if (msg_done(&scratch))
			x->add(fd, &in);
		else
			close(fd);
	}
}

void
service_introductions(int sock, void (*add)(int, const struct intro *))
{
	struct introductions *x;

	if (sock == -1)
		return;
	x = calloc(1, sizeof(*x));
	if (x == NULL)
		fatal("out of memory");
	*x = (struct introductions){ .sock = sock, .add = add };
	x->watch = watch_add(sock, EPOLLIN, intro_ready, x);
	if (x->watch == NULL)
		fatal("introductions: %s", strerror(errno));
}

/* ---- forking within a role ---- */

pid_t
role_fork(const struct role *r, enum role_id as, const int *keep, unsigned n)
{
	pid_t pid;

	log_flush();
	pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fds_keep_only(keep, n);
	proc_title("%s", names[as]);
	priv_drop(r, as, r->settings->empty_directory);
	sandbox_enter(r, as);
	return 0;
}
