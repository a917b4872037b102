/* Connecting to Unix sockets.  Runs in: dialer; relay and sender (asking). */
#define _GNU_SOURCE
#include "smtpd/dialer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fds.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/nexthop.h"
#include "common/service.h"

enum { DIALER_CONNECT = 1, WAIT_MS = 10000 };

static const struct settings *set;
static int intro = -1, asked = -1;

bool
dialer_wanted(const struct settings *s)
{
	struct nexthop hop;

	for (unsigned i = 0; i < s->transport_n; i++)
		if (nexthop_parse(view_of(s->transports[i].nexthop), &hop) &&
		    hop.kind == NEXTHOP_UNIX)
			return true;
	return false;
}

/* ---- the process ---- */

static bool
configured(const char *path)
{
	struct nexthop hop;

	for (unsigned i = 0; i < set->transport_n; i++)
		if (nexthop_parse(view_of(set->transports[i].nexthop), &hop) &&
		    hop.kind == NEXTHOP_UNIX && strcmp(hop.name, path) == 0)
			return true;
	return false;
}

/* DIALER_CONNECT: str path.  Answer: nothing but an fd, or none. */
static enum answer
answer_connect(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	(void)p;
	msg_get_str(rq, un.sun_path, sizeof(un.sun_path));
	if (!msg_done(rq) || !configured(un.sun_path))
		return ANSWER_DROP;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* A full backlog is EAGAIN: the message waits, this does not. */
	if (fd != -1 && connect(fd, (struct sockaddr *)&un, sizeof(un)) == -1)
		close_fd(&fd);
	rp->fd = fd;
	return ANSWER;
}

static const struct request requests[] = {
	{ DIALER_CONNECT, 5, 4 + LISTEN_ADDRESS_MAX, false, BIT(DIALER_CONNECT),
	    answer_connect, "DIALER_CONNECT" },
};
static const struct service service = {
	.name = "sender",
	.requests = requests,
	.n = NELEM(requests),
	.first = BIT(DIALER_CONNECT),
};

static void
add_sender(int sock, const struct intro *in)
{
	(void)in;
	service_add(sock, &service, NULL);
}

/* The relay has gone.  No signal tells: its domain (Landlock) may send none to
 * a process outside of it. */
static void
relay_gone(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
	_exit(0);
}

static noreturn void
dialer_main(struct role *r, int sock)
{
	int end = fcntl(sock, F_DUPFD_CLOEXEC, 0);
	int keep[] = { sock, end, r->peer[ROLE_LOG] };

	fds_keep_only(keep, NELEM(keep));
	proc_title("dialer");
	priv_drop(r, ROLE_DIALER, NULL);
	sandbox_enter(r, ROLE_DIALER);
	set = r->settings;
	service_init();
	/* No events: the hang-up is always told. */
	if (end == -1 || watch_add(end, 0, relay_gone, NULL) == NULL)
		fatal("dialer: %s", strerror(errno));
	service_introductions(sock, add_sender);
	service_run();
	_exit(0);
}

bool
dialer_start(struct role *r)
{
	int end[2];

	if (channel_pair(end) == -1)
		return false;
	log_flush();
	pid_t pid = fork();
	if (pid == 0)
		dialer_main(r, end[1]); /* goes with its parent */
	close(end[1]);
	intro = end[0];
	return pid != -1;
}

/* ---- whoever asks ---- */

int
dialer_channel(void)
{
	const struct intro who = { .kind = INTRO_WORKER };

	return intro == -1 ? -1 : introduce(intro, &who);
}

void
dialer_use(int sock)
{
	asked = sock;
}

int
dialer_connect(const char *path)
{
	msg_start(&scratch, DIALER_CONNECT);
	msg_put_str(&scratch, path);
	if (asked == -1 || !msg_call(asked, &scratch, WAIT_MS))
		return -1;
	int fd = scratch.fd;
	scratch.fd = -1;
	return fd;
}
