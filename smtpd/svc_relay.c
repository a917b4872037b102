/*
 * The role relay: forks a sender for each channel that the queue asks for.
 * Runs in: relay, until the fork; sender, behind it.
 *
 *   queue --INTRODUCE--> relay --fork--> sender <--RELAY_SEND-- queue
 *                          ^---- life ----'
 *
 * The life line is a socket pair: its end on the sender's side says that the
 * sender has ended, its end on ours that it is to end.
 */
#define _GNU_SOURCE
#include "smtpd/svc_relay.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fds.h"
#include "common/log.h"
#include "common/private_file.h"
#include "common/service.h"
#include "smtpd/dialer.h"
#include "smtpd/dns_wait.h"
#include "smtpd/route.h"
#include "smtpd/sender.h"
#include "smtpd/sts.h"
#include "spool/ask_relay.h"

#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"

enum { STOP_MAX = 20000, SECRET_MAX = 1 << 20, SECRET_LINE = 1024 };

static struct role *role;
static struct sender_means means = { .connect_local = dialer_connect };
static char secret[SECRET_LINE];
static unsigned senders;
static bool stopping;

/* ---- the sender ---- */

/* Is the relay to end, or are its settings of yesterday? */
static bool
life_over(int life)
{
	struct pollfd p = { .fd = life, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

static bool
content_ok(const struct msg *m, const struct relay_request *rq)
{
	struct stat st;

	return m->fd != -1 && fstat(m->fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       rq->offset <= (uint64_t)st.st_size &&
	       rq->length <= (uint64_t)st.st_size - rq->offset;
}

/* Answers one request.  False: the channel is of no more use. */
static bool
answer_send(int sock, struct msg *m, int life)
{
	static struct relay_request rq;
	static struct relay_answer head;
	bool good =
	    m->type == RELAY_SEND && relay_read(m, &rq) && content_ok(m, &rq);
	int fd = m->fd;

	m->fd = -1;
	if (good) {
		proc_title("sender %s %s", rq.id, rq.nexthop);
		sender_run(&rq, fd, &head);
		if (life_over(life))
			head.bits |= RELAY_B_LAST;
		msg_start(m, RELAY_SEND);
		relay_put_answer(m, &head, &rq);
		good = !m->bad && msg_send(sock, m) == 0;
		proc_title("sender");
	}
	close_fd(&fd);
	return good && (head.bits & RELAY_B_LAST) == 0;
}

/* Waits for the next request.  False: there will be none. */
static bool
next_request(int sock, struct msg *m, int *life)
{
	for (;;) {
		struct pollfd p[] = { { .fd = sock, .events = POLLIN },
			{ .fd = *life, .events = POLLIN } };
		int rc = msg_recv(sock, m);
		if (rc == 1)
			return true;
		if (rc == 0 || errno != EAGAIN)
			return false;
		int n = poll(p, NELEM(p), sender_kept_ms());
		if (n == 0)
			sender_end();
		if (n > 0 && p[1].revents != 0 && p[0].revents == 0) {
			/* What is under way is still taken, nothing is
			 * behind it. */
			shutdown(sock, SHUT_RD);
			return msg_recv(sock, m) == 1;
		}
	}
}

static noreturn void
sender_main(int sock, int life, int dialer)
{
	static struct msg m;
	int keep[] = { sock, life, dialer, role->peer[ROLE_LOG] };

	fds_keep_only(keep, NELEM(keep));
	signal(SIGCHLD, SIG_DFL);
	proc_title("sender");
	sandbox_enter(role, ROLE_SENDER);
	dialer_use(dialer);
	while (next_request(sock, &m, &life) && answer_send(sock, &m, life))
		log_flush();
	sender_end();
	log_flush();
	_exit(0);
}

/* ---- the parent ---- */

struct life {
	int fd;
	struct watch *watch;
	struct life *prev, *next;
};
static struct life *lives;

static void
sender_ended(void *arg, uint32_t events)
{
	struct life *l = arg;

	(void)events;
	watch_del(l->watch);
	close(l->fd);
	if (l->next != NULL)
		l->next->prev = l->prev;
	if (l->prev != NULL)
		l->prev->next = l->next;
	else
		lives = l->next;
	free(l);
	senders--;
	if (stopping && senders == 0)
		service_stop();
}

static bool
keep_life(int fd)
{
	struct life *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return false;
	*l = (struct life){ .fd = fd, .next = lives };
	l->watch = watch_add(fd, EPOLLIN | EPOLLRDHUP, sender_ended, l);
	if (l->watch == NULL) {
		free(l);
		return false;
	}
	if (lives != NULL)
		lives->prev = l;
	lives = l;
	senders++;
	return true;
}

static void
add_queue(int sock, const struct intro *in)
{
	int life[2] = { -1, -1 }, dialer = -1;

	if (in->kind != INTRO_QUEUE || stopping ||
	    senders >= (unsigned)role->settings->relay_processes ||
	    channel_pair(life) == -1)
		goto out;
	dialer = dialer_channel();
	log_flush();
	pid_t pid = fork();
	if (pid == 0)
		sender_main(sock, life[1], dialer);
	if (pid == -1)
		log_error("error: fork: %s", strerror(errno));
	else if (keep_life(life[0]))
		life[0] = -1;
out:
	close_fd(&life[0]);
	close_fd(&life[1]);
	close_fd(&dialer);
	close(sock);
}

static void
add_intro(enum role_id from, int fd)
{
	if (from == ROLE_QUEUE)
		service_introductions(fd, add_queue);
	else
		close(fd);
}

static void
stop_late(void *arg)
{
	(void)arg;
	service_stop();
}

/* Whoever is in the middle of a message is given time to end it. */
static void
stop(uint32_t grace)
{
	(void)grace;
	stopping = true;
	for (struct life *l = lives; l != NULL; l = l->next)
		shutdown(l->fd, SHUT_WR);
	if (senders == 0)
		service_stop();
	else
		timer_add(STOP_MAX, stop_late, NULL);
}

/* ---- the start: what is read before it may not be read any more ---- */

static void
read_secret(struct role *r)
{
	struct private_file f = { .text = NULL };
	const char *path = r->settings->relay_secret;
	char *err = NULL;

	if (path[0] == '\0' || r->settings->relay_user[0] == '\0')
		return;
	if (!private_file_read(path, "relay_secret", SECRET_MAX, &f, &err))
		role_failed(r, "%s", err == NULL ? "relay_secret" : err);
	struct view text = { f.text, f.size };
	struct view line = view_split(&text, '\n', NULL);
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	bool good = line.n > 0 && view_copy(line, secret, sizeof(secret));
	private_file_wipe(&f);
	if (!good)
		role_failed(r,
		    "relay_secret %s: the password must stand in "
		    "the first line",
		    path);
}

static void
read_all(struct role *r)
{
	const struct settings *s = r->settings;
	const char *ca = s->relay_tls_ca;
	char err[512];

	if (ca[0] == '\0' && access(SYSTEM_CA, R_OK) == 0)
		ca = SYSTEM_CA;
	means.settings = s;
	means.secret = secret;
	means.tls = tls_client_new(ca, err, sizeof(err));
	if (means.tls == NULL ||
	    !sts_load(s->mta_sts_policies, err, sizeof(err)))
		role_failed(r, "%s", err);
	read_secret(r);
	dns_wait_init(s);
	route_init(s);
	sender_init(&means);
}

noreturn void
svc_relay_main(struct role *r)
{
	role = r;
	/* Senders' ends are seen on their life lines. */
	signal(SIGCHLD, SIG_IGN);
	read_all(r);
	if (dialer_wanted(r->settings) && !dialer_start(r))
		role_failed(r, "fork: %s", strerror(errno));
	priv_drop(r, ROLE_RELAY, r->settings->empty_directory);
	sandbox_enter(r, ROLE_RELAY);
	service_init();
	if (r->peer[ROLE_QUEUE] != -1)
		add_intro(ROLE_QUEUE, r->peer[ROLE_QUEUE]);
	role_watch_master(r, add_intro, NULL);
	role_on_stop(stop);
	role_ready(r);
	service_run();
	log_flush();
	_exit(0);
}
