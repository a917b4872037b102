/*
 * Writes the log.  Runs in: log.
 *
 * Each line is one write: to standard error, to the system's log socket, or to
 * that of systemd's journal.
 * What arrives is text from processes that may have been broken into: a line
 * is stamped with the pid that the kernel gives, and made printable again.
 */
#define _GNU_SOURCE
#include "common/svc_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/log_journal.h"
#include "common/service.h"

/* Nobody honest writes more than PER_SECOND lines; who does is not heard for
 * the rest of that second, and it is his own lines that are lost. */
enum { DATAGRAM = 16384, TAG_MAX = LOG_TAG_MAX, BURST = 32, PER_SECOND = 2000 };

struct writer {
	int sock;
	struct watch *watch;
	struct timer *pause;
	int64_t since; /* now_ms() when the count was begun */
	unsigned lines;
};

static const struct settings *settings;
static char host[256];
static int system_sock = -1; /* syslog's or the journal's */
static bool to_stderr, to_journal;

/* ---- one record ---- */

static bool
tag_char(char c)
{
	return ascii_alnum((unsigned char)c) ||
	       (c != '\0' && strchr("-_/.@+()<>", c) != NULL);
}

static size_t
put_tag(char *out, size_t size, struct view tag, pid_t pid, bool postfix)
{
	char clean[TAG_MAX + 1];
	size_t n = tag.n < TAG_MAX ? tag.n : TAG_MAX;

	for (size_t i = 0; i < n; i++)
		clean[i] = tag_char(tag.p[i]) ? tag.p[i] : '?';
	clean[n] = '\0';
	int len;
	if (!postfix)
		len = snprintf(
		    out, size, "pennypost/%s[%ld]: ", clean, (long)pid);
	else if (strncmp(clean, "pop3", 4) == 0 ||
		 strncmp(clean, "auth", 4) == 0)
		len = snprintf(out, size, "dovecot: %s: ", clean);
	else
		len =
		    snprintf(out, size, "postfix/%s[%ld]: ", clean, (long)pid);
	return len < 0 ? 0 : (size_t)len;
}

bool
svc_log_line(
    struct view *v, pid_t pid, bool postfix, char *out, size_t size, int *level)
{
	bool found;
	struct view tag = view_split(v, '\0', &found);

	if (!found || tag.n < 1 || tag.p[0] < '0' ||
	    tag.p[0] > '0' + LOG_LVL_ERROR)
		return false;
	*level = tag.p[0] - '0';
	tag.p++;
	tag.n--;
	struct view text = view_split(v, '\n', NULL);
	size_t at = put_tag(out, size, tag, pid, postfix);
	if (text.n > LOG_LINE_MAX)
		text.n = LOG_LINE_MAX;
	for (size_t i = 0; i < text.n && at + 1 < size; i++) {
		unsigned char c = (unsigned char)text.p[i];
		out[at++] = c >= 0x20 && c < 0x7f ? (char)c : '?';
	}
	out[at] = '\0';
	return true;
}

/* ---- where it goes ---- */

static const char *
system_path(void)
{
	return to_journal ? LOG_JOURNAL_SOCKET : "/dev/log";
}

static bool
system_connect(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", system_path());
	if (system_sock == -1)
		system_sock = socket(
		    AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return system_sock != -1 &&
	       connect(system_sock, (struct sockaddr *)&a, sizeof(a)) == 0;
}

static void
write_system(const char *when, const char *line, int level)
{
	static const int severity[] = { 7, 6, 4, 3 };
	char out[LOG_LINE_MAX + 768];
	size_t n;

	if (to_journal) {
		n = log_journal_entry(line, severity[level], out, sizeof(out));
	} else {
		int len = snprintf(out, sizeof(out), "<%d>%s %s",
		    (2 << 3) | severity[level], when, line);
		n = len < 0 ? 0 : (size_t)len;
		if (n >= sizeof(out))
			n = sizeof(out) - 1;
	}
	if (send(system_sock, out, n, MSG_NOSIGNAL) != -1)
		return;
	/* The system's log was restarted, or starts later than we do. */
	if (errno == EAGAIN || !system_connect() ||
	    send(system_sock, out, n, MSG_NOSIGNAL) == -1)
		(void)!dprintf(2, "%s %s %s\n", when, host, line);
}

static void
write_line(const char *line, int level)
{
	static time_t last;
	static char when[32];
	char out[LOG_LINE_MAX + 512];
	time_t now = time(NULL);
	struct tm tm;

	if (now != last) {
		last = now;
		localtime_r(&now, &tm);
		strftime(when, sizeof(when), "%b %e %H:%M:%S", &tm);
	}
	if (!to_stderr) {
		write_system(when, line, level);
		return;
	}
	int n = snprintf(out, sizeof(out), "%s %s %s\n", when, host, line);
	if (n > 0 && (size_t)n < sizeof(out))
		(void)!write(2, out, (size_t)n); /* where to complain? */
}

/* ---- the writers ---- */

/* 1: a datagram of *n octets by *pid; 0: the end, or somebody who sends what
 * is no log; -1: errno.  There is room for the sender's credentials and nothing
 * else: descriptors that come along never reach us. */
static int
receive(int sock, char *p, size_t *n, pid_t *pid)
{
	union {
		struct cmsghdr h;
		char b[CMSG_SPACE(sizeof(struct ucred))];
	} cb = { .b = { 0 } };
	struct iovec iov = { p, DATAGRAM };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = cb.b,
		.msg_controllen = sizeof(cb.b) };
	struct ucred cred = { 0 };
	ssize_t r = recvmsg(sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (r == -1)
		return -1;
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
	if (r == 0 || c == NULL || c->cmsg_level != SOL_SOCKET ||
	    c->cmsg_type != SCM_CREDENTIALS || (mh.msg_flags & MSG_CTRUNC))
		return 0;
	memcpy(&cred, CMSG_DATA(c), sizeof(cred));
	*n = (size_t)r;
	*pid = cred.pid;
	return 1;
}

static void
writer_gone(struct writer *w)
{
	watch_del(w->watch);
	timer_del(w->pause);
	close(w->sock);
	free(w);
}

static void
hear_again(void *arg)
{
	struct writer *w = arg;

	w->pause = NULL;
	w->lines = 0;
	watch_change(w->watch, EPOLLIN);
}

/* True: this one has written enough in this second. */
static bool
paused(struct writer *w)
{
	int64_t now = now_ms();

	if (now - w->since >= 1000) {
		w->since = now;
		w->lines = 0;
	}
	if (w->lines < PER_SECOND)
		return false;
	watch_change(w->watch, 0);
	w->pause = timer_add(1000 - (now - w->since), hear_again, w);
	return true;
}

static void
writer_ready(void *arg, uint32_t events)
{
	static char datagram[DATAGRAM];
	struct writer *w = arg;
	size_t n;
	pid_t pid;

	/* Its end is told even while it is not heard. */
	if (w->pause != NULL && (events & (EPOLLHUP | EPOLLERR))) {
		writer_gone(w);
		return;
	}
	for (int i = 0; i < BURST && !paused(w); i++) {
		int rc = receive(w->sock, datagram, &n, &pid);
		if (rc == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		if (rc != 1) {
			writer_gone(w);
			return;
		}
		struct view v = { datagram, n };
		char line[LOG_LINE_MAX + TAG_MAX + 64];
		int level;
		while (v.n > 0 && svc_log_line(&v, pid, settings->log_postfix,
				      line, sizeof(line), &level)) {
			write_line(line, level);
			w->lines++;
		}
	}
}

static void
add_writer(int sock, const struct intro *in)
{
	struct writer *w = calloc(1, sizeof(*w));

	(void)in;
	if (w != NULL) {
		w->sock = sock;
		w->watch = watch_add(sock, EPOLLIN, writer_ready, w);
	}
	if (w == NULL || w->watch == NULL) {
		free(w);
		close(sock);
	}
}

static void
add_intro(enum role_id from, int fd)
{
	(void)from;
	service_introductions(fd, add_writer);
}

static void
new_settings(struct settings *s)
{
	bool journal = strcmp(s->log_to, "journal") == 0;

	/* The old ones are not freed: a few KiB per reload. */
	settings = s;
	to_stderr = strcmp(s->log_to, "stderr") == 0;
	if (journal != to_journal) {
		to_journal = journal;
		if (system_sock != -1)
			system_connect(); /* if not, the next line tries */
	}
}

noreturn void
svc_log_main(struct role *r)
{
	char *dot;

	new_settings(r->settings);
	snprintf(host, sizeof(host), "%s", r->settings->hostname);
	if ((dot = strchr(host, '.')) != NULL)
		*dot = '\0';
	log_open(-1, "log");
	if (!to_stderr && !system_connect() && errno != ENOENT &&
	    errno != ECONNREFUSED)
		role_failed(r, "%s: %s", system_path(), strerror(errno));
	service_init();
	priv_drop(r, ROLE_LOG, NULL);
	sandbox_enter(r, ROLE_LOG);
	service_introductions(r->peer[ROLE_MASTER], add_writer);
	role_watch_master(r, add_intro, new_settings);
	role_ready(r);
	service_run();
	exit(0);
}
