/*
 * Surrogates of messages: their headers and those of their parts.  Runs in:
 * worker (pop3d), sender.
 *
 *	HEADER --blank line--> BODY, or done if it has no parts
 *	  ^  \--message/rfc822: the header of the enclosed message--> HEADER
 *	  +-- a boundary of a multipart that we are in -- from any state
 *
 * A line that could be a boundary, or blank but for a CR, is held until it is
 * there as a whole.
 */
#include "common/surrogate.h"

#include <string.h>

enum { NAME_MAX_LOOK = 256 }; /* octets in which a field's colon must come */

void
surrogate_init(struct surrogate *s)
{
	*s = (struct surrogate){ .state = SURROGATE_HEADER };
	buf_init(&s->field, SURROGATE_FIELD_MAX);
}

void
surrogate_free(struct surrogate *s)
{
	buf_free(&s->field);
}

static void
header_begin(struct surrogate *s)
{
	s->state = SURROGATE_HEADER;
	s->kind = MIME_LEAF;
	s->typed = false;
}

/* ---- fields ---- */

/* Does it begin like one?  What does not, in a part, is text of a part that has
 * no header (RFC 2046 5.1), and is not ours to change. */
static bool
is_field(struct view v)
{
	bool colon;

	if (v.n > NAME_MAX_LOOK)
		v.n = NAME_MAX_LOOK;
	struct view name = view_trim(view_split(&v, ':', &colon));
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~')
			return false;
	return colon && name.n > 0;
}

/* What begins behind this header.  The first type counts. */
static void
look_at_type(struct surrogate *s, struct view field)
{
	bool digest;
	struct view name = view_trim(view_split(&field, ':', NULL));

	if (s->typed || !view_caseeqs(name, "Content-Type"))
		return;
	s->typed = true;
	struct view type = field;
	s->kind = mime_kind(&field, false, &digest);
	if (s->keep && view_caseeqs(mime_token(&type), "message/global"))
		s->kind = MIME_LEAF;
	if (s->kind == MIME_MULTIPART) {
		s->next = s->in;
		if (!mime_enter(&s->next, field, digest))
			s->kind = MIME_LEAF;
	}
}

/* Ends the field at hand. */
static void
flush(struct surrogate *s, struct buf *out)
{
	struct view field = buf_view(&s->field);
	bool eight = !view_ascii(field);

	if (field.n == 0 && !s->overlong)
		return;
	if (s->part && !s->overlong && !is_field(field)) {
		buf_addv(out, field);
		s->state = SURROGATE_BODY;
	} else if (!s->overlong) {
		size_t before = out->n;
		if (eight)
			surrogate_field(field, s->keep, out);
		else
			buf_addv(out, field);
		if (out->n > before) /* what the client will see */
			look_at_type(s,
			    (struct view){ out->p + before, out->n - before });
	}
	s->needed |= eight && s->state == SURROGATE_HEADER;
	s->overlong = false;
	buf_clear(&s->field);
}

/* The blank line has come. */
static void
header_end(struct surrogate *s)
{
	bool digest =
	    s->in.depth > 0 && s->part && s->in.level[s->in.depth - 1].digest;

	s->state = SURROGATE_BODY;
	if (!s->typed && digest)
		s->kind = MIME_MESSAGE;
	if (s->kind == MIME_MULTIPART)
		s->in = s->next;
	else if (s->kind == MIME_MESSAGE)
		header_begin(s);
	s->part = true;
	s->done = s->state == SURROGATE_BODY && s->in.depth == 0;
}

/* ---- lines ---- */

/* The line in s->field, which began with '-' or CR, as far as it has come. */
static void
held_line(struct surrogate *s, struct buf *out)
{
	struct view line = buf_view(&s->field), text = line;
	bool last;

	s->holding = false;
	while (text.n > 0 &&
	       (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
		text.n--;
	if (line.n <= SURROGATE_HOLD && mime_boundary(&s->in, text, &last)) {
		s->state = SURROGATE_BODY;
		if (!last)
			header_begin(s);
		s->part = true;
		s->done = s->in.depth == 0;
	} else if (s->state == SURROGATE_HEADER) {
		if (!view_eqs(line, "\r\n"))
			return; /* a field as any other */
		header_end(s);
	}
	buf_addv(out, line);
	buf_clear(&s->field);
}

/* Takes octets of a line of a header; more than fit are swallowed. */
static void
add_field(struct surrogate *s, struct view v, struct buf *out)
{
	size_t room = SURROGATE_FIELD_MAX - s->field.n;
	size_t n = v.n < room ? v.n : room;

	if (!s->overlong && !buf_add(&s->field, v.p, n))
		out->bad = true; /* no memory */
	if (n == v.n)
		return;
	if (!s->overlong && s->part && !is_field(buf_view(&s->field))) {
		buf_addv(out, buf_view(&s->field));
		buf_add(out, v.p + n, v.n - n);
		s->state = SURROGATE_BODY;
		buf_clear(&s->field);
		return;
	}
	s->needed |= !view_ascii(buf_view(&s->field)) ||
		     !view_ascii((struct view){ v.p + n, v.n - n });
	s->overlong = s->cut = true;
	buf_clear(&s->field);
}

/* Takes octets up to the end of a line, or of what has come. */
static void
add(struct surrogate *s, struct view v, struct buf *out)
{
	bool lf = v.p[v.n - 1] == '\n', first = !s->in_line;

	if (first && *v.p != ' ' && *v.p != '\t' &&
	    s->state == SURROGATE_HEADER)
		flush(s, out);
	s->in_line = !lf;
	if (first && s->state == SURROGATE_HEADER && *v.p == '\n') {
		buf_addv(out, v);
		header_end(s);
		return;
	}
	if (first && ((s->in.depth > 0 && *v.p == '-') ||
			 (s->state == SURROGATE_HEADER && *v.p == '\r')))
		s->holding = true;
	if (s->holding) {
		size_t room = SURROGATE_HOLD + 1 - s->field.n;
		size_t n = v.n < room ? v.n : room;
		if (!buf_add(&s->field, v.p, n))
			out->bad = true;
		if (n == v.n && !lf && s->field.n <= SURROGATE_HOLD)
			return;
		held_line(s, out);
		v.p += n;
		v.n -= n;
	}
	if (v.n == 0)
		return;
	if (s->state == SURROGATE_HEADER)
		add_field(s, v, out);
	else
		buf_addv(out, v);
}

size_t
surrogate_add(struct surrogate *s, struct view in, struct buf *out)
{
	size_t at = 0;

	while (at < in.n && !s->done) {
		const char *p = in.p + at;
		const char *lf = memchr(p, '\n', in.n - at);
		size_t n = lf != NULL ? (size_t)(lf - p) + 1 : in.n - at;
		add(s, (struct view){ p, n }, out);
		at += n;
	}
	return at;
}

void
surrogate_end(struct surrogate *s, struct buf *out)
{
	if (s->holding)
		held_line(s, out);
	flush(s, out);
	s->done = true;
}
