/* Asking the queue.  Runs in: pennyctl, sendmail. */
#define _GNU_SOURCE
#include "spool/control_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/msg.h"
#include "common/paths.h"
#include "common/role.h"
#include "common/settings.h"
#include "spool/control.h"

enum { ANSWER_MS = 120 * 1000, LINE_ROOM = 65536 };

/* Where the server of that configuration answers. */
static char configured[LISTEN_ADDRESS_MAX];

static const char *
socket_path(void)
{
	const char *path = getenv("PENNYPOST_QUEUE");

	if (path != NULL && path[0] != '\0')
		return path;
	return configured[0] != '\0' ? configured : PENNYPOST_RUN_DIR "/queue";
}

/* Who names a configuration means its server, not the one that happens to be at
 * the usual place.  What cannot be read is said later, if it matters. */
static void
find_configured(const struct control_from *f)
{
	struct settings *s = NULL;
	char *err = NULL;

	if (f->config != NULL)
		s = settings_read(f->config, false, &err);
	for (unsigned i = 0; s != NULL && i < s->listener_n; i++)
		if (s->listeners[i].type == LISTEN_QUEUE)
			view_copy(view_of(s->listeners[i].address), configured,
			    sizeof(configured));
	settings_free(s);
	free(err);
}

/* ---- the answer ---- */

static bool
take_line(struct control_parser *p, struct view line)
{
	struct view word[CONTROL_WORDS];
	unsigned long long content;
	unsigned n = 0;
	bool more = true;

	while (more && n < CONTROL_WORDS)
		word[n++] = view_split(&line, '\t', &more);
	if (view_eqs(word[0], "E")) {
		if (n < 2 || !view_copy(word[1], p->error, sizeof(p->error)))
			p->bad = true;
		p->ended = true;
		return false;
	}
	if (view_eqs(word[0], "C")) {
		p->bad = n != 2 || !view_number(word[1], INT64_MAX, &content);
		if (p->bad)
			return false;
		p->content = content;
		p->after = true;
	}
	p->ended = view_eqs(word[0], "=");
	return p->reader->line(p->reader->arg, word, n) && !p->ended;
}

bool
control_take(struct control_parser *p, struct view *v)
{
	while (v->n > 0) {
		if (p->content > 0) {
			size_t n =
			    p->content < v->n ? (size_t)p->content : v->n;
			if (!p->reader->content(
				p->reader->arg, (struct view){ v->p, n }))
				return false;
			p->content -= n;
			*v = (struct view){ v->p + n, v->n - n };
			continue;
		}
		const char *lf = memchr(v->p, '\n', v->n);
		if (lf == NULL)
			return true;
		struct view line = { v->p, (size_t)(lf - v->p) };
		*v = (struct view){ lf + 1, v->n - line.n - 1 };
		if (p->after && line.n == 0)
			p->after = false;
		else if (!take_line(p, line))
			return false;
	}
	return true;
}

static int
verdict(const struct control_from *f, const struct control_parser *p)
{
	if (p->ended && !p->bad && p->error[0] == '\0')
		return 0;
	if (!f->quiet)
		fprintf(stderr, "%s: %s\n", f->program,
		    p->bad		  ? "the queue's answer makes no sense"
		    : p->error[0] != '\0' ? p->error
					  : "the queue's answer was cut off");
	return p->bad ? EX_SOFTWARE : p->ended ? EX_NOPERM : EX_TEMPFAIL;
}

/* ---- the server ---- */

static int
connect_queue(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = -1;

	if (!view_copy(
		view_of(socket_path()), a.sun_path, sizeof(a.sun_path))) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd != -1 &&
	    connect(fd, (const struct sockaddr *)&a, sizeof(a)) == -1) {
		int e = errno;
		close_fd(&fd);
		errno = e;
	}
	return fd;
}

static bool
say(int fd, const char *question)
{
	struct part {
		const char *p;
		size_t n;
	} part[] = { { question, strlen(question) }, { "\n", 1 } };

	for (int i = 0; i < 2; i++)
		while (part[i].n > 0) {
			ssize_t n =
			    send(fd, part[i].p, part[i].n, MSG_NOSIGNAL);
			if (n == -1 && errno != EINTR)
				return false;
			if (n > 0) {
				part[i].p += n;
				part[i].n -= (size_t)n;
			}
		}
	return true;
}

static int
ask_server(const struct control_from *f, int fd, const char *question,
    const struct control_reader *reader)
{
	struct control_parser p = { .reader = reader };
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	struct view v = { NULL, 0 };
	static char piece[LINE_ROOM];
	size_t kept = 0;

	if (!say(fd, question))
		return verdict(f, &p);
	for (;;) {
		int rc = poll(&wait, 1, ANSWER_MS);
		ssize_t n =
		    rc <= 0 ? rc
			    : recv(fd, piece + kept, sizeof(piece) - kept, 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		v = (struct view){ piece, kept + (size_t)n };
		if (!control_take(&p, &v))
			break;
		memmove(piece, v.p, v.n);
		kept = v.n;
		p.bad |= kept == sizeof(piece);
		if (p.bad)
			break;
	}
	return verdict(f, &p);
}

/* ---- the directory ---- */

static struct queue queue;

static const char *
act(enum control_verb verb, const char *id, bool held)
{
	enum status st = OK;

	switch (verb) {
	case CONTROL_RELEASE:
		if (!held)
			return "it is not on hold";
		st = queue_release(&queue, id);
		break;
	case CONTROL_DELETE:
		st = held ? queue_remove_held(&queue, id)
			  : queue_remove(&queue, id);
		break;
	case CONTROL_HOLD:
		if (held)
			return "it is on hold";
		st = queue_hold(&queue, id);
		break;
	default:
		return "no server runs that could deliver it";
	}
	return st == OK ? NULL : status_text(st);
}

static const char *
state(const char *id, int64_t *next)
{
	(void)id;
	*next = 0;
	return "queued";
}

static int
ask_queue_files(const struct control_from *f, const char *question,
    const struct control_reader *reader)
{
	static const struct control_host host = {
		.queue = &queue, .act = act, .state = state
	};
	struct control_parser p = { .reader = reader };
	static struct control_walk w;
	struct buf out;
	bool more = true;

	buf_init(&out, ENVELOPE_MAX + 2 * LINE_ROOM);
	control_begin(&w, &host, view_of(question), geteuid(), true);
	while (more && !p.ended && !p.bad) {
		more = control_more(&w, &out);
		struct view v = buf_view(&out);
		if (out.bad || !control_take(&p, &v))
			break;
		p.bad = v.n > 0;
		buf_clear(&out);
	}
	control_end(&w);
	buf_free(&out);
	return verdict(f, &p);
}

/* The directory's owner is who may work in it; root becomes that one. */
static int
open_files(const struct control_from *f, const char *name)
{
	char why[300] = "";
	struct stat st;
	int dir = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir == -1 || fstat(dir, &st) == -1) {
		snprintf(why, sizeof(why), "%s", strerror(errno));
	} else if (geteuid() == 0 && st.st_uid != 0) {
		priv_become(st.st_uid, st.st_gid);
	}
	if (why[0] == '\0') {
		enum status s = queue_open(&queue, dir, why, sizeof(why));
		if (s == OK && !queue.runner) {
			queue_close(&queue);
			snprintf(why, sizeof(why),
			    "a server has it in use, but does not listen on "
			    "unix:%s (listen queue ...)",
			    socket_path());
			s = ERR_BUSY;
		}
		close_fd(&dir);
		if (s == OK)
			return 0;
	}
	close_fd(&dir);
	if (!f->quiet)
		fprintf(stderr, "%s: queue_directory %s: %s\n", f->program,
		    name, why);
	return EX_TEMPFAIL;
}

static int
ask_files(const struct control_from *f, const char *question,
    const struct control_reader *reader)
{
	const char *config =
	    f->config != NULL ? f->config : PENNYPOST_CONFIG_DIR "/smtpd.conf";
	char *err = NULL;
	struct settings *s = settings_read(config, false, &err);
	int rc;

	if (s == NULL) {
		if (!f->quiet)
			fprintf(stderr, "%s: %s\n", f->program,
			    err == NULL ? config : err);
		free(err);
		return EX_CONFIG;
	}
	rc = open_files(f, s->queue_directory);
	settings_free(s);
	if (rc != 0)
		return rc;
	rc = ask_queue_files(f, question, reader);
	queue_close(&queue);
	return rc;
}

int
control_ask(const struct control_from *f, const char *question,
    const struct control_reader *reader)
{
	find_configured(f);
	int fd = connect_queue();

	if (fd != -1) {
		int rc = ask_server(f, fd, question, reader);
		close_fd(&fd);
		return rc;
	}
	if (errno == EACCES || errno == EPERM) {
		if (!f->quiet)
			fprintf(stderr, "%s: no permission to connect to %s\n",
			    f->program, socket_path());
		return EX_NOPERM;
	}
	if (!f->server_only &&
	    (geteuid() == 0 ||
		(f->config != NULL && access(f->config, R_OK) == 0)))
		return ask_files(f, question, reader);
	if (!f->quiet)
		fprintf(stderr,
		    "%s: smtpd is not running, or does not listen on unix:%s "
		    "(listen queue ...); only root can look into the queue "
		    "without it\n",
		    f->program, socket_path());
	return EX_TEMPFAIL;
}
