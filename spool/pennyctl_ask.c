/* pennyctl asks the pools and the queue.  Runs in: pennyctl. */
#define _GNU_SOURCE
#include "spool/pennyctl_ask.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/msg.h"
#include "common/paths.h"
#include "common/settings.h"
#include "spool/control_client.h"
#include "spool/pennyctl_proc.h"

#define ENVIRONMENT "PENNYPOST_CONTROL"
enum { ANSWER_SECONDS = 10, SESSIONS_MAX = 1 << 20, LINE_ROOM = 4096 };

/* ---- one line ---- */

static bool
add_session(struct ctl_daemon *d, const struct view *word)
{
	unsigned long long pid, number, since;

	if (!view_number(word[1], INT32_MAX, &pid) ||
	    !view_number(word[2], UINT32_MAX, &number) ||
	    !view_number(word[5], INT64_MAX, &since))
		return false;
	struct ctl_session *s = ctl_session_add(d);
	if (s == NULL)
		return false;
	s->pid = (pid_t)pid;
	s->number = (uint32_t)number;
	s->since = (int64_t)since;
	ctl_word(word[3], s->listener);
	ctl_word(word[4], s->client);
	return true;
}

static bool
figure(struct ctl_daemon *d, const struct view *word)
{
	unsigned long long all, minute;

	if (!view_number(word[2], UINT64_MAX, &all) ||
	    !view_number(word[3], UINT64_MAX, &minute))
		return false;
	for (int i = 0; i < POOL_F__N; i++)
		if (view_eqs(word[1], pool_figure_name((enum pool_figure)i))) {
			d->all[i] = all;
			d->minute[i] = minute;
		}
	return true;
}

static bool
gauge(struct ctl_daemon *d, const struct view *word)
{
	unsigned long long n;

	if (!view_number(word[2], UINT64_MAX, &n))
		return false;
	if (view_eqs(word[1], "workers_idle"))
		d->idle = n;
	else if (view_eqs(word[1], "workers_busy"))
		d->busy = n;
	else if (view_eqs(word[1], "workers_max"))
		d->max = n;
	return true;
}

static bool
who(struct ctl_daemon *d, const struct view *word)
{
	unsigned long long master, pool, since;

	if (!view_eqs(word[1], d->name) ||
	    !view_number(word[2], INT32_MAX, &master) ||
	    !view_number(word[3], INT32_MAX, &pool) ||
	    !view_number(word[4], INT64_MAX, &since))
		return false;
	d->master = (pid_t)master;
	d->pool = (pid_t)pool;
	d->since = (int64_t)since;
	return true;
}

/* One line of an answer.  1: the end; 0: more; -1: it makes no sense, or is an
 * error, which is in d->why. */
static int
take_line(struct ctl_daemon *d, struct view line, uint64_t *ended)
{
	struct view word[POOL_CONTROL_WORDS] = { { NULL, 0 } };
	unsigned long long n;
	bool more = true, good = false;

	for (unsigned i = 0; more && i < POOL_CONTROL_WORDS; i++)
		word[i] = view_split(&line, '\t', &more);
	if (view_eqs(word[0], "E")) {
		char text[CTL_WORD];
		ctl_word(word[1], text);
		snprintf(d->why, sizeof(d->why), "%s", text);
		return -1;
	}
	if (view_eqs(word[0], "=")) {
		good = view_number(word[1], UINT64_MAX, &n);
		*ended = good ? n : 0;
		if (good)
			return 1;
	}
	if (view_eqs(word[0], "D"))
		good = who(d, word);
	else if (view_eqs(word[0], "F"))
		good = figure(d, word);
	else if (view_eqs(word[0], "G"))
		good = gauge(d, word);
	else if (view_eqs(word[0], "C"))
		good = d->n < SESSIONS_MAX && add_session(d, word);
	if (!good)
		snprintf(d->why, sizeof(d->why), "its answer makes no sense");
	return good ? 0 : -1;
}

/* ---- one question ---- */

static bool
socket_path(const struct ctl_daemon *d, char *out, size_t size)
{
	const char *dir = getenv(ENVIRONMENT);
	int n;

	if (d->path[0] != '\0')
		n = snprintf(out, size, "%s", d->path);
	else
		n = snprintf(out, size, "%s/%s.control",
		    dir != NULL && dir[0] != '\0' ? dir : PENNYPOST_RUN_DIR,
		    d->name);
	return n >= 0 && (size_t)n < size;
}

/* Why it cannot be asked.  Where its configuration was named, that has such a
 * line. */
static void
absent(struct ctl_daemon *d, int e)
{
	if (e == ENOENT && d->path[0] == '\0')
		snprintf(d->why, sizeof(d->why),
		    "not running, or without a line listen control in %s.conf",
		    d->name);
	else
		snprintf(d->why, sizeof(d->why), "%s",
		    e == EACCES ? "no permission; only root may ask"
		    : e == ENOENT || e == ECONNREFUSED ? "not running"
						       : strerror(e));
}

static int
reach(struct ctl_daemon *d)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = ANSWER_SECONDS };

	if (!socket_path(d, a.sun_path, sizeof(a.sun_path))) {
		snprintf(d->why, sizeof(d->why), ENVIRONMENT ": too long");
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd != -1 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		sizeof(patience)) == 0 &&
	    connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	absent(d, errno);
	close_fd(&fd);
	return -1;
}

/* Asks; ended: the number of its last line. */
static bool
ask(struct ctl_daemon *d, const char *question, uint64_t *ended)
{
	static char piece[LINE_ROOM];
	size_t kept = 0;
	int end = -1, fd = reach(d);

	if (fd == -1)
		return false;
	snprintf(d->why, sizeof(d->why), "its answer was cut off");
	/* One line goes in whole into a socket that is fresh.  That it was shut
	 * shows when the answer is read, which may be a refusal. */
	(void)!send(fd, question, strlen(question), MSG_NOSIGNAL);
	for (end = 0; end == 0;) {
		ssize_t n = recv(fd, piece + kept, sizeof(piece) - kept, 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		struct view v = { piece, kept + (size_t)n };
		const char *lf;
		while (end == 0 && (lf = memchr(v.p, '\n', v.n)) != NULL) {
			size_t len = (size_t)(lf - v.p);
			end = take_line(d, (struct view){ v.p, len }, ended);
			v = (struct view){ lf + 1, v.n - len - 1 };
		}
		memmove(piece, v.p, v.n);
		kept = v.n;
		if (kept == sizeof(piece))
			end = -1;
	}
	close_fd(&fd);
	if (end == 1)
		d->why[0] = '\0';
	return end == 1;
}

/* ---- both ---- */

static const char *const names[CTL_DAEMONS] = { "smtpd", "pop3d" };

/* Whose configuration it is is tried in the order that its name suggests, and
 * the first word on it is what is said if it is nobody's. */
static struct settings *
read_config(const char *file, const char **only)
{
	const char *base = strrchr(file, '/');
	char *err = NULL, *other = NULL;
	bool pop3 = strncmp(base == NULL ? file : base + 1, "pop3", 4) == 0;

	if (*only != NULL)
		pop3 = strcmp(*only, names[1]) == 0;
	struct settings *s = settings_read(file, pop3, &err);
	if (s == NULL && *only == NULL) {
		pop3 = !pop3;
		s = settings_read(file, pop3, &other);
	}
	if (s == NULL)
		fprintf(stderr, "pennyctl: %s\n", err == NULL ? file : err);
	*only = names[pop3];
	free(err);
	free(other);
	return s;
}

bool
ctl_find(const char *config, const char *only, struct ctl_where *w)
{
	const char *dir = getenv(ENVIRONMENT);
	bool found = false;

	*w = (struct ctl_where){ .config = config, .only = only };
	if (config == NULL || (dir != NULL && dir[0] != '\0'))
		return true;
	struct settings *s = read_config(config, &w->only);
	if (s == NULL)
		return false;
	for (unsigned i = 0; i < s->listener_n && !found; i++)
		found = s->listeners[i].type == LISTEN_CONTROL &&
			view_copy(view_of(s->listeners[i].address), w->path,
			    sizeof(w->path));
	if (!found)
		fprintf(stderr,
		    "pennyctl: %s: there is no line listen control "
		    "unix:/PATH\n",
		    config);
	settings_free(s);
	return found;
}

int
ctl_ask(const struct ctl_where *w, struct ctl_daemon d[CTL_DAEMONS])
{
	uint64_t ended;
	int n = 0;

	for (int i = 0; i < CTL_DAEMONS; i++) {
		if (w->only != NULL && strcmp(w->only, names[i]) != 0)
			continue;
		struct ctl_daemon *one = &d[n++];
		memset(one, 0, sizeof(*one));
		one->name = names[i];
		one->path = w->path;
		one->up = ask(one, "status\n", &ended) &&
			  ask(one, "sessions\n", &ended);
		if (one->up)
			ctl_proc_look(one);
	}
	return n;
}

void
ctl_ask_free(struct ctl_daemon d[CTL_DAEMONS], int n)
{
	for (int i = 0; i < n; i++) {
		free(d[i].sessions);
		d[i].sessions = NULL;
		d[i].n = d[i].cap = 0;
	}
}

static int
by_client(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t
ctl_clients(const struct ctl_daemon *d)
{
	const char **name = calloc(d->n + 1, sizeof(*name));
	size_t n = 0;

	if (name == NULL)
		return d->n;
	for (size_t i = 0; i < d->n; i++)
		name[i] = d->sessions[i].client;
	qsort(name, d->n, sizeof(*name), by_client);
	for (size_t i = 0; i < d->n; i++)
		n += i == 0 || strcmp(name[i], name[i - 1]) != 0;
	free(name);
	return n;
}

bool
ctl_end_session(
    const struct ctl_daemon *d, const struct ctl_session *s, const char **why)
{
	static struct ctl_daemon asked;
	char question[POOL_CONTROL_LINE];
	uint64_t ended = 0;

	*why = "it has ended";
	if (s->former)
		return ctl_proc_kill(d, s, why);
	asked = (struct ctl_daemon){ .name = d->name, .path = d->path };
	snprintf(question, sizeof(question), "kick %ld %lu\n", (long)s->pid,
	    (unsigned long)s->number);
	if (ask(&asked, question, &ended))
		return ended == 1;
	*why = asked.why;
	return false;
}

/* ---- the queue ---- */

static bool
count_line(void *arg, const struct view *word, unsigned n)
{
	struct ctl_queue_count *c = arg;
	unsigned long long octets;

	if (n < 4 || !view_eqs(word[0], "M"))
		return true;
	if (view_eqs(word[2], "active"))
		c->active++;
	else if (view_eqs(word[2], "hold"))
		c->hold++;
	else
		c->queued++;
	if (view_number(word[3], UINT64_MAX, &octets))
		c->octets += octets;
	return true;
}

static bool
no_content(void *arg, struct view v)
{
	(void)arg;
	(void)v;
	return false;
}

void
ctl_ask_queue(const struct ctl_where *w, struct ctl_queue_count *c)
{
	const struct control_from f = { .program = "pennyctl",
		.config = w->config,
		.quiet = true,
		.server_only = true };
	const struct control_reader r = { count_line, no_content, c };

	memset(c, 0, sizeof(*c));
	c->up = control_ask(&f, "list", &r) == 0;
}
