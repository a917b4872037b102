/* The answer to a question about the queue, piece by piece, so that a million
 * messages cost neither memory nor others' time.  Runs in: queue, pennyctl. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "spool/control.h"

enum {
	LOOKS = 32,  /* messages in one go */
	LEAVE = 4096 /* octets that are left of a piece for a message */
};

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static bool
open_dir(struct control_walk *w)
{
	struct queue *q = w->host->queue;
	int fd = openat(w->in_hold ? q->hold : q->active, ".",
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	w->dir = fd == -1 ? NULL : fdopendir(fd);
	if (w->dir == NULL)
		close_fd(&fd);
	return w->dir != NULL;
}

void
control_begin(struct control_walk *w, const struct control_host *host,
    struct view line, uid_t uid, bool all)
{
	*w = (struct control_walk){ .host = host, .uid = uid, .all = all };
	w->shown.fd = w->shown.read_fd = -1;
	if (!control_parse(line, &w->query, &w->why)) {
		w->ended = true;
		return;
	}
	if (!all && w->query.verb > CONTROL_RETRY) {
		w->why = "only root may do that";
		w->ended = true;
		return;
	}
	if (all && host->began != NULL)
		host->began(&w->query);
	w->in_hold = !w->query.queued;
}

void
control_end(struct control_walk *w)
{
	if (w->dir != NULL)
		closedir(w->dir);
	w->dir = NULL;
	if (w->shown_left > 0)
		queue_unload(&w->shown);
	w->shown_left = 0;
	w->ended = true;
}

/* ---- one message ---- */

/* Whose message it is stands in the record as deposit.c has written it. */
static bool
is_own(const struct control_walk *w, const struct envelope *e)
{
	char own[64];

	if (w->all)
		return true;
	snprintf(
	    own, sizeof(own), "uid %lu of this host", (unsigned long)w->uid);
	return view_eqs(e->user, own);
}

static const char *
kind_name(enum envelope_kind k)
{
	static const char *const names[] = { [KIND_ADDRESS] = "",
		[KIND_USER] = "user",
		[KIND_COMMAND] = "command",
		[KIND_FILE] = "file" };

	return names[k];
}

static void
print_message(struct control_walk *w, const struct envelope *e, struct buf *out)
{
	char id[ENVELOPE_ID_MAX + 1];
	int64_t next = 0;

	view_copy(e->id, id, sizeof(id));
	const char *state = w->in_hold ? "hold" : w->host->state(id, &next);
	buf_addf(out, "M\t%s\t%s\t%" PRIu64 "\t%lld\t%lld\t", id, state,
	    e->content_n, (long long)(e->arrived_us / 1000000),
	    (long long)next);
	buf_addv(out, e->sender);
	buf_addc(out, '\t');
	buf_addv(out, e->user);
	buf_addc(out, '\n');
	for (unsigned i = 0; i < e->rcpt_n; i++) {
		const struct envelope_rcpt *c = &e->rcpt[i];
		bool done = rcpt_closed(c->state);
		if (done && w->query.verb == CONTROL_LIST)
			continue;
		buf_addf(out, "R\t%c\t", c->state);
		buf_addv(out, c->address);
		buf_addc(out, '\t');
		buf_addv(out, c->original);
		buf_addf(out, "\t%s\t%d\t%s\n", kind_name(c->kind), done,
		    done || w->host->reason == NULL
			? ""
			: w->host->reason(e->id, i));
	}
}

/* A message that matches: w->shown holds it if it is to be shown. */
static void
take(struct control_walk *w, struct record *r, const char *id, struct buf *out)
{
	enum control_verb verb = w->query.verb;

	if (verb == CONTROL_LIST || verb == CONTROL_SHOW) {
		print_message(w, &r->env, out);
		w->n++;
	} else {
		const char *why = w->host->act(verb, id, w->in_hold);
		if (why != NULL)
			buf_addf(out, "A\t%s\t%s\n", id, why);
		else
			w->n++;
	}
	if (verb != CONTROL_SHOW)
		return;
	buf_addf(out, "C\t%" PRIu64 "\n", r->env.content_n);
	if (r->env.content_n == 0) {
		buf_addc(out, '\n');
		return;
	}
	w->shown = *r;
	w->shown_at = r->env.content_at;
	w->shown_left = r->env.content_n;
	*r = (struct record){ .fd = -1, .read_fd = -1 };
}

static void
look_at(struct control_walk *w, const char *id, struct buf *out)
{
	struct queue *q = w->host->queue;
	struct record r;
	const char *why;
	enum status st = w->in_hold ? queue_load_held(q, id, &r, &why)
				    : queue_load(q, id, &r, &why);

	/* What is damaged is found, and said, when it is handed out. */
	if (st != OK)
		return;
	if (is_own(w, &r.env) && control_matches(&w->query, &r.env, now_us()))
		take(w, &r, id, out);
	queue_unload(&r);
}

/* ---- pieces ---- */

static void
more_content(struct control_walk *w, struct buf *out)
{
	size_t n = w->shown_left < CONTROL_PIECE ? (size_t)w->shown_left
						 : CONTROL_PIECE;
	char *p = buf_room(out, n);
	ssize_t got =
	    p == NULL ? -1 : pread(w->shown.fd, p, n, (off_t)w->shown_at);

	if (got <= 0) { /* it is shorter now: the reader sees the end */
		out->bad = true;
		return;
	}
	out->n += (size_t)got;
	w->shown_at += (uint64_t)got;
	w->shown_left -= (uint64_t)got;
	if (w->shown_left == 0) {
		queue_unload(&w->shown);
		buf_addc(out, '\n');
	}
}

/* The next name; NULL: there are no more in this directory. */
static const char *
next_name(struct control_walk *w)
{
	struct dirent *e;

	if (w->dir == NULL && !open_dir(w))
		return NULL;
	while ((e = readdir(w->dir)) != NULL)
		if (envelope_id_valid(view_of(e->d_name)))
			return e->d_name;
	return NULL;
}

/* A question with an id looks at that one only. */
static bool
more_by_id(struct control_walk *w, struct buf *out)
{
	if (w->in_hold ? w->query.held : w->query.queued)
		look_at(w, w->query.id, out);
	bool last = w->in_hold || w->n > 0;
	w->in_hold = true;
	return !last;
}

static bool
more_by_name(struct control_walk *w, struct buf *out)
{
	for (int i = 0; i < LOOKS && out->n + LEAVE < CONTROL_PIECE; i++) {
		const char *id = next_name(w);
		if (id != NULL) {
			look_at(w, id, out);
			continue;
		}
		if (w->dir != NULL)
			closedir(w->dir);
		w->dir = NULL;
		if (w->in_hold || !w->query.held)
			return false;
		w->in_hold = true;
	}
	return true;
}

bool
control_more(struct control_walk *w, struct buf *out)
{
	if (w->ended) { /* it never began */
		buf_addf(out, "E\t%s\n", w->why);
		return false;
	}
	if (w->shown_left > 0) {
		more_content(w, out);
		return !out->bad;
	}
	if (!w->looked)
		w->looked = w->query.id[0] != '\0' ? !more_by_id(w, out)
						   : !more_by_name(w, out);
	if (!w->looked || w->shown_left > 0)
		return true;
	buf_addf(out, "=\t%" PRIu64 "\n", w->n);
	control_end(w);
	return false;
}
