/*
 * Message content between wire and mbox.  Runs in: worker, append, maildrop.
 *
 * Each direction is a function of one octet, which holds the state machine, and
 * in front of it a loop that takes whole lines where nothing can happen to
 * them. Both give the same result however the input is cut.
 */
#include "spool/wire.h"

#include <string.h>

static const char from_[] = "From ";

/* Where the writer and the reader are.  AT_START + k, 0 < k < 5: the first k
 * octets of "From " came at the start of the line and are held back. */
enum {
	AT_START = 0, /* at the start of a line, or behind its first '>'s */
	AT_TEXT = 5,  /* it is no From_ line, or that was dealt with */
	AT_CR = 6     /* (writer) behind a CR, which is held back */
};

enum {
	SLICE = 16384, /* octets converted at once */
	SLACK = 8      /* output of n octets is at most 2 n + SLACK */
};

/* ---- the end of DATA ---- */

/*
 * DOT_LINE --'.'--> DOT_DOT --CR--> DOT_DOTCR --LF--> end
 *    ^                 | the dot is dropped, what follows is text
 *   LF                 v
 * DOT_CR <---CR--- DOT_TEXT
 *
 * As long as no CR was seen (lf_only):
 *
 * DOT_LINE, DOT_LF --'.'--> DOT_DOT, DOT_LFDOT --LF--> end
 *
 * DOT_LF is a line's start only then: a CR behind its dot makes the dot text.
 */
enum { DOT_LINE, DOT_DOT, DOT_DOTCR, DOT_TEXT, DOT_CR, DOT_LF, DOT_LFDOT };

void
dot_reader_init(struct dot_reader *d)
{
	*d = (struct dot_reader){ .state = DOT_LINE };
}

/* One octet of text that was not part of a line's leading dot. */
static void
dot_text(struct dot_reader *d, char c)
{
	if (d->state == DOT_CR && c != '\n')
		d->bare_cr = true;
	if (c == '\n' && d->state != DOT_CR)
		d->bare_lf = true;
	if (c == '\r') {
		d->state = DOT_CR;
		d->lf_only = false;
	} else if (c == '\n' && d->state == DOT_CR) {
		d->state = DOT_LINE;
	} else {
		d->state = c == '\n' && d->lf_only ? DOT_LF : DOT_TEXT;
	}
}

/* Takes text from p up to where a line may start with a dot, at most to end.
 * Nothing in it is changed, so the caller copies it in one go. */
static const char *
dot_run(struct dot_reader *d, const char *p, const char *end)
{
	while (p < end) {
		if ((d->state == DOT_LINE || d->state == DOT_LF) && *p == '.')
			break;
		if (d->state == DOT_CR || *p == '\n') {
			dot_text(d, *p++);
			continue;
		}
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		const char *stop = lf != NULL ? lf : end;
		/* p..stop is a line without its LF, and not empty. */
		const char *cr = stop[-1] == '\r' ? stop - 1 : stop;
		if (!d->bare_cr && memchr(p, '\r', (size_t)(cr - p)) != NULL)
			d->bare_cr = true;
		d->lf_only &= cr == stop && !d->bare_cr;
		d->state = cr < stop ? DOT_CR : DOT_TEXT;
		p = stop;
		if (lf != NULL)
			dot_text(d, *p++);
	}
	return p;
}

size_t
dot_read(struct dot_reader *d, struct view in, struct buf *out, bool *end)
{
	const char *p = in.p, *stop = in.p + in.n;

	*end = false;
	while (p < stop) {
		const char *run = p;
		switch (d->state) {
		case DOT_LFDOT:
			if (*p == '\r') {
				buf_addc(out, '.');
				dot_text(d, *p++);
				break;
			}
			/* fallthrough */
		case DOT_DOT:
			if (*p == '\n' && d->lf_only) {
				d->state = DOT_LINE;
				*end = true;
				return (size_t)(p + 1 - in.p);
			}
			if (*p == '\r') {
				d->lf_only = false;
				d->state = DOT_DOTCR;
				p++;
				continue;
			}
			d->state = DOT_TEXT;
			dot_text(d, *p++);
			break;
		case DOT_DOTCR:
			if (*p == '\n') {
				d->state = DOT_LINE;
				*end = true;
				return (size_t)(p + 1 - in.p);
			}
			buf_addc(out, '\r');
			d->state = DOT_CR; /* and *p is seen next */
			continue;
		default:
			p = dot_run(d, p, stop);
			break;
		}
		buf_add(out, run, (size_t)(p - run));
		if (p < stop && (d->state == DOT_LINE || d->state == DOT_LF)) {
			d->state = d->state == DOT_LF ? DOT_LFDOT : DOT_DOT;
			p++;
		}
	}
	return in.n;
}

/* ---- what both conversions share ---- */

/* Converts in, writing to o what comes out of it; returns the end of that. */
typedef char *convert(void *state, struct view in, char *o);

/* Converts slice by slice, each into room for the worst case.  Near the maximum
 * of out, octet by octet through a small array, so that only what really does
 * not fit fails. */
static bool
convert_all(convert *fn, void *state, struct view in, struct buf *out)
{
	while (in.n > 0 && !out->bad) {
		size_t room = out->max - out->n;
		size_t n = in.n < SLICE ? in.n : SLICE;
		if (room < 2 * n + SLACK)
			n = room < SLACK + 2 ? 0 : (room - SLACK) / 2;
		if (n > 0) {
			char *o = buf_room(out, 2 * n + SLACK);
			if (o == NULL)
				break;
			char *e = fn(state, (struct view){ in.p, n }, o);
			out->n += (size_t)(e - o);
		} else {
			char o[2 + SLACK];
			n = 1;
			char *e = fn(state, (struct view){ in.p, n }, o);
			buf_add(out, o, (size_t)(e - o));
		}
		in.p += n;
		in.n -= n;
	}
	return !out->bad;
}

static char *
put(char *o, const char *p, size_t n)
{
	memcpy(o, p, n);
	return o + n;
}

/* ---- content -> mbox ---- */

void
mbox_writer_init(struct mbox_writer *w, bool mboxrd)
{
	*w = (struct mbox_writer){ .mboxrd = mboxrd, .state = AT_START };
}

static char *
writer_octet(struct mbox_writer *w, char c, char *o)
{
	if (w->state < AT_TEXT) {
		if (w->state == AT_START && c == '>') {
			w->quoted++;
			*o++ = c;
			return o;
		}
		if (c == from_[w->state]) {
			if (++w->state < AT_TEXT)
				return o;
			if (!w->bare && (w->mboxrd || w->quoted == 0))
				*o++ = '>';
			return put(o, from_, 5);
		}
		o = put(o, from_, (size_t)w->state);
		w->state = AT_TEXT;
	}
	if (w->state == AT_CR && c != '\n')
		*o++ = '\r';
	if (c == '\r') {
		w->state = AT_CR;
		return o;
	}
	*o++ = c;
	w->state = c == '\n' ? AT_START : AT_TEXT;
	if (c == '\n')
		w->quoted = 0;
	return o;
}

static char *
writer_slice(void *state, struct view in, char *o)
{
	struct mbox_writer *w = state;
	const char *p = in.p, *end = in.p + in.n;

	while (p < end) {
		bool plain = w->state == AT_TEXT ||
			     (w->state == AT_START && w->quoted == 0 &&
				 *p != 'F' && *p != '>');
		if (!plain) {
			o = writer_octet(w, *p++, o);
			continue;
		}
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		const char *stop = lf != NULL ? lf : end;
		bool cr = stop > p && stop[-1] == '\r';
		o = put(o, p, (size_t)(stop - p) - cr);
		p = stop;
		w->state = cr ? AT_CR : AT_TEXT;
		if (lf == NULL)
			continue;
		*o++ = '\n';
		p++;
		w->state = AT_START;
		w->quoted = 0;
	}
	return o;
}

bool
wire_to_mbox(struct mbox_writer *w, struct view in, struct buf *out)
{
	return convert_all(writer_slice, w, in, out);
}

bool
wire_to_mbox_end(struct mbox_writer *w, struct buf *out)
{
	bool open = w->state != AT_START || w->quoted > 0;

	if (w->state < AT_TEXT)
		buf_add(out, from_, (size_t)w->state);
	if (w->state == AT_CR)
		buf_addc(out, '\r');
	buf_adds(out, open ? "\n\n" : "\n");
	w->state = AT_START;
	w->quoted = 0;
	return !out->bad;
}

/* ---- mbox -> RETR ---- */

void
mbox_reader_init(struct mbox_reader *r, bool mboxrd, int64_t body_lines)
{
	*r = (struct mbox_reader){
		.mboxrd = mboxrd, .state = AT_START, .lines_left = body_lines
	};
}

/* A line is complete; empty: there was nothing in it. */
static void
reader_line(struct mbox_reader *r, bool empty)
{
	if (!r->in_body)
		r->in_body = empty;
	else if (r->lines_left > 0)
		r->lines_left--;
	r->done = r->in_body && r->lines_left == 0;
	r->state = AT_START;
	r->quoted = 0;
}

/* Writes what was held back because it might have been a quoted From_ line. */
static char *
reader_held(struct mbox_reader *r, char *o)
{
	if (r->state < AT_TEXT && r->quoted > 0) {
		*o++ = '>';
		o = put(o, from_, (size_t)r->state);
	}
	return o;
}

/* Of a run of '>' the first is held back and the others are written: they are
 * all alike, and the one held back is the one that goes if it was quoting. */
static char *
reader_octet(struct mbox_reader *r, char c, char *o)
{
	bool first = r->state == AT_START && r->quoted == 0;

	if (r->state < AT_TEXT) {
		if (r->state == AT_START && c == '>' && r->mboxrd) {
			if (r->quoted++ > 0)
				*o++ = c;
			return o;
		}
		if (r->quoted > 0 && c == from_[r->state]) {
			if (++r->state < AT_TEXT)
				return o;
			return put(o, from_, 5);
		}
		o = reader_held(r, o);
		r->state = AT_TEXT;
	}
	if (c == '\n') {
		*o++ = '\r';
		*o++ = '\n';
		reader_line(r, first);
		return o;
	}
	if (first && c == '.')
		*o++ = '.';
	*o++ = c;
	return o;
}

static char *
reader_slice(void *state, struct view in, char *o)
{
	struct mbox_reader *r = state;
	const char *p = in.p, *end = in.p + in.n;

	while (p < end && !r->done) {
		bool plain = r->state == AT_TEXT ||
			     (r->state == AT_START && r->quoted == 0 &&
				 *p != '>' && *p != '.' && *p != '\n');
		if (!plain) {
			o = reader_octet(r, *p++, o);
			continue;
		}
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		const char *stop = lf != NULL ? lf : end;
		o = put(o, p, (size_t)(stop - p));
		p = stop;
		r->state = AT_TEXT;
		if (lf == NULL)
			continue;
		*o++ = '\r';
		*o++ = '\n';
		p++;
		reader_line(r, false);
	}
	return o;
}

bool
mbox_to_wire(struct mbox_reader *r, struct view in, struct buf *out)
{
	return convert_all(reader_slice, r, in, out);
}

bool
mbox_to_wire_end(struct mbox_reader *r, struct buf *out)
{
	char o[SLACK + 2], *e = reader_held(r, o);

	if (r->state != AT_START || r->quoted > 0) {
		e = put(e, "\r\n", 2);
		reader_line(r, false);
	}
	return buf_add(out, o, (size_t)(e - o));
}
