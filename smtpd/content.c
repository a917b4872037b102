/* The content of a message on its way in.  Runs in: worker. */
#include "smtpd/content.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/msg.h"
#include "spool/ask_queue.h"

void
content_begin(struct content *c, uint64_t max, int queue, struct view trace)
{
	close_fd(&c->file);
	buf_clear(&c->mem);
	buf_addv(&c->mem, trace);
	c->queue = queue;
	c->length = trace.n;
	c->trace_n = trace.n;
	c->taken = 0;
	c->max = max;
	c->cr = c->bare_lf = c->too_big = c->binary = false;
	c->status = c->mem.bad ? ERR_NOMEM : OK;
	c->date[0] = c->message_id[0] = '\0';
	header_init(&c->header);
}

void
content_fail(struct content *c, enum status st)
{
	if (c->status == OK)
		c->status = st;
	buf_clear(&c->mem);
}

/* Puts one line of ours behind the trace header; all is still in mem. */
static void
insert(struct content *c, const char *line)
{
	size_t n = strlen(line), rest = c->mem.n - c->trace_n;

	if (n == 0 || !buf_add(&c->mem, line, n))
		return;
	char *at = c->mem.p + c->trace_n;
	memmove(at + n, at, rest);
	memcpy(at, line, n);
	c->length += n;
}

/* RFC 6409 8: a submission server adds what is missing.  A header that is
 * longer than what fits into memory is left as it is. */
static void
complete_header(struct content *c, bool all_seen)
{
	if (!all_seen && c->header.state != HEADER_DONE)
		return;
	if (!c->header.message_id)
		insert(c, c->message_id);
	if (!c->header.date)
		insert(c, c->date);
}

static void
write_out(struct content *c)
{
	const char *p = c->mem.p;
	size_t n = c->mem.n;

	while (n > 0) {
		ssize_t w = write(c->file, p, n);
		if (w == -1 && errno == EINTR)
			continue;
		if (w <= 0) {
			content_fail(
			    c, w == 0 ? ERR_IO : status_from_errno(errno));
			return;
		}
		p += w;
		n -= (size_t)w;
	}
	buf_clear(&c->mem);
}

/* From memory into the file, which comes into being when it is needed. */
static void
spill(struct content *c)
{
	enum status st = OK;

	if (c->file == -1) {
		complete_header(c, false);
		c->file = ask_queue_spool(c->queue, &st);
		if (c->file == -1) {
			content_fail(c, st == OK ? ERR_DOWN : st);
			return;
		}
	}
	write_out(c);
}

static void
keep(struct content *c, struct view v)
{
	header_scan(&c->header, v);
	buf_addv(&c->mem, v);
	c->length += v.n;
}

/* Takes v, which ends behind an LF or at the end of the piece. */
static void
keep_line(struct content *c, struct view v)
{
	bool lf = v.p[v.n - 1] == '\n';
	bool cr = v.n > 1 ? v.p[v.n - 2] == '\r' : c->cr;

	if (lf && !cr) {
		c->bare_lf = true;
		keep(c, (struct view){ v.p, v.n - 1 });
		keep(c, view_of("\r\n"));
	} else {
		keep(c, v);
	}
	c->cr = v.p[v.n - 1] == '\r';
}

/* Puts octets where they belong. */
static void
store(struct content *c, struct view v)
{
	/* What it becomes must be taken by everybody behind us. */
	if (c->length + 2 * v.n > c->max + QUEUE_ROOM - CONTENT_FIELDS_MAX) {
		c->too_big = true;
		buf_clear(&c->mem);
		return;
	}
	while (v.n > 0) {
		const char *lf = memchr(v.p, '\n', v.n);
		size_t n = lf == NULL ? v.n : (size_t)(lf - v.p) + 1;

		keep_line(c, (struct view){ v.p, n });
		v = (struct view){ v.p + n, v.n - n };
	}
	if (c->mem.bad)
		content_fail(c, ERR_NOMEM);
	else if (c->file == -1 ? c->mem.n > MSG_INLINE_MAX - CONTENT_FIELDS_MAX
			       : c->mem.n >= CONTENT_PIECE)
		spill(c);
}

void
content_binary(struct content *c)
{
	c->binary = true;
	binary_init(&c->convert, BINARY_TO_LINES, NULL);
}

/* The same, from binary MIME; with last, what was held back follows. */
static void
store_binary(struct content *c, struct view v, bool last)
{
	struct buf out = { .max = 2 * v.n + 2 * BINARY_SLACK };

	binary_convert(&c->convert, v, &out);
	if (last)
		binary_end(&c->convert, &out);
	if (out.bad)
		content_fail(c, ERR_NOMEM);
	else
		store(c, buf_view(&out));
	buf_free(&out);
}

void
content_add(struct content *c, struct view v)
{
	if (c->status != OK || c->too_big)
		return;
	if (v.n > c->max - c->taken) {
		c->too_big = true;
		buf_clear(&c->mem);
		return;
	}
	c->taken += v.n;
	if (c->binary)
		store_binary(c, v, false);
	else
		store(c, v);
}

void
content_end(struct content *c)
{
	if (c->status != OK || c->too_big)
		return;
	if (c->binary)
		store_binary(c, (struct view){ NULL, 0 }, true);
	if (c->status != OK)
		return;
	if (c->file == -1)
		complete_header(c, true);
	else
		write_out(c);
	if (c->mem.bad)
		content_fail(c, ERR_NOMEM);
}

void
content_drop(struct content *c)
{
	close_fd(&c->file);
	buf_clear(&c->mem);
}

void
content_free(struct content *c)
{
	close_fd(&c->file);
	buf_free(&c->mem);
}
