/* Content on its way to another server.  Runs in: sender. */
#include "smtpd/smtpc_content.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/view.h"
#include "smtpd/seven_bit.h"

enum { PIECE = 65536 };

/* Where the last octet left it. */
enum where { AT_LINE, IN_LINE, BEHIND_CR };

static char piece[PIECE];

/* The next piece from *at on, *v empty at the end. */
static bool
next_piece(const struct smtpc_content *c, uint64_t *at, struct view *v)
{
	uint64_t left = c->length - *at;
	ssize_t n = 0;

	*v = (struct view){ piece, 0 };
	if (left == 0)
		return true;
	do
		n = pread(c->fd, piece, left < PIECE ? (size_t)left : PIECE,
		    (off_t)(c->offset + *at));
	while (n == -1 && errno == EINTR);
	if (n <= 0) /* a record that was cut short is damaged */
		return false;
	v->n = (size_t)n;
	*at += v->n;
	for (size_t i = 0; i < v->n && c->form == SMTPC_ASCII; i++)
		if ((unsigned char)piece[i] >= 0x80)
			piece[i] = '?';
	return true;
}

/* ---- looking ---- */

struct scan {
	bool in_header, line_empty, cr;
};

static void
scan_piece(struct smtpc_content *c, struct scan *s, struct view v)
{
	unsigned char high = 0;

	for (size_t i = 0; i < v.n; i++) {
		unsigned char b = (unsigned char)v.p[i];
		high |= b;
		if (s->in_header && b >= 0x80)
			c->header_utf8 = true;
		if (b == '\n') {
			c->strays |= !s->cr;
			s->in_header = s->in_header && !s->line_empty;
			s->line_empty = true;
		} else {
			c->strays |= s->cr;
			if (b != '\r')
				s->line_empty = false;
		}
		s->cr = b == '\r';
	}
	c->eight_bit |= high >= 0x80;
}

/* RFC 8689 3, in the first piece. */
static bool
finds_tls_optional(struct view v)
{
	while (v.n > 0) {
		struct view line = view_split(&v, '\n', NULL);
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		struct view name = view_split(&line, ':', NULL);
		if (name.n == 0)
			return false; /* the header's end */
		if (view_caseeqs(name, "TLS-Required"))
			return view_caseeqs(view_trim(line), "No");
	}
	return false;
}

bool
smtpc_content_scan(struct smtpc_content *c)
{
	struct scan s = { .in_header = true, .line_empty = true };
	uint64_t at = 0;
	struct view v;

	c->eight_bit = c->header_utf8 = c->strays = c->tls_optional = false;
	do {
		if (!next_piece(c, &at, &v))
			return false;
		if (at == v.n)
			c->tls_optional = finds_tls_optional(v);
		scan_piece(c, &s, v);
	} while (v.n > 0);
	/* The end: a CR that nothing follows, or a line that does not end. */
	if (s.cr || !s.line_empty)
		c->strays = true;
	return true;
}

/* ---- converting ---- */

/* Gives all of it to the converter; sink gets what comes out. */
static bool
convert(const struct smtpc_content *c, struct seven_bit *s,
    enum seven_phase phase, bool (*sink)(void *arg, struct view), void *arg)
{
	struct buf out;
	uint64_t at = 0;
	struct view v;
	bool ok = false, last;

	buf_init(&out, SEVEN_BIT_OUT);
	seven_bit_begin(s, phase);
	do {
		if (!next_piece(c, &at, &v))
			goto out;
		last = v.n == 0;
		do {
			buf_clear(&out);
			seven_bit_add(s, view_take(&v, SEVEN_BIT_STEP), &out);
			if (last)
				seven_bit_end(s, &out);
			if (out.bad || !sink(arg, buf_view(&out)))
				goto out;
		} while (v.n > 0);
	} while (!last);
	ok = true;
out:
	buf_free(&out);
	return ok;
}

static bool
count(void *arg, struct view v)
{
	*(uint64_t *)arg += v.n;
	return true;
}

/* There is one: a sender has one message at a time, and what was found by
 * looking at it stays until the next one is looked at. */
static struct seven_bit *
converter(void)
{
	static struct seven_bit s;
	static bool made;

	if (!made)
		seven_bit_init(&s);
	made = true;
	return &s;
}

bool
smtpc_content_convertible(struct smtpc_content *c)
{
	struct seven_bit *s = converter();
	uint64_t none = 0;

	if (c->looked)
		return true;
	c->converted_length = 0;
	if (!convert(c, s, SEVEN_SIGNED, count, &none) ||
	    !convert(c, s, SEVEN_PARTS, count, &none) ||
	    !convert(c, s, SEVEN_CONVERT, count, &c->converted_length))
		return false;
	c->stuck = s->stuck;
	c->looked = true;
	return true;
}

/* ---- writing ---- */

static void
write_octet(struct conn *out, enum where *w, char c)
{
	if (*w == BEHIND_CR) {
		if (c == '\n') {
			conn_write(out, "\r\n", 2);
			*w = AT_LINE;
			return;
		}
		conn_write(out, " ", 1); /* it was alone */
		*w = IN_LINE;
	}
	if (c == '\r') {
		/* Held back; at the start of a line no dot comes behind it. */
		*w = BEHIND_CR;
	} else if (c == '\n') {
		conn_write(out, "\r\n", 2);
		*w = AT_LINE;
	} else {
		if (c == '.' && *w == AT_LINE)
			conn_write(out, ".", 1);
		conn_write(out, &c, 1);
		*w = IN_LINE;
	}
}

/* Whole runs up to the next CR or LF go in one write. */
static void
write_piece(struct conn *out, enum where *w, struct view v)
{
	const char *p = v.p, *end = v.p + v.n;

	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		const char *stop = lf == NULL ? end : lf;
		const char *cr = memchr(p, '\r', (size_t)(stop - p));

		if (cr != NULL)
			stop = cr;
		if (stop - p < 2 || *w == BEHIND_CR) {
			write_octet(out, w, *p++);
			continue;
		}
		if (*w == AT_LINE && *p == '.')
			conn_write(out, ".", 1);
		/* The usual line end goes with its line. */
		if (cr != NULL && lf == cr + 1)
			stop = lf + 1;
		conn_write(out, p, (size_t)(stop - p));
		*w = stop[-1] == '\n' ? AT_LINE : IN_LINE;
		p = stop;
	}
}

struct writing {
	struct conn *out;
	enum where where;
};

static bool
write_sink(void *arg, struct view v)
{
	struct writing *w = arg;

	write_piece(w->out, &w->where, v);
	return !w->out->failed;
}

bool
smtpc_content_data(const struct smtpc_content *c, struct conn *out)
{
	struct writing w = { out, AT_LINE };
	uint64_t at = 0;
	struct view v;

	if (c->form == SMTPC_CONVERTED) {
		if (!convert(c, converter(), SEVEN_CONVERT, write_sink, &w))
			return out->failed;
	} else {
		do {
			if (!next_piece(c, &at, &v))
				return false;
		} while (v.n > 0 && write_sink(&w, v));
	}
	if (w.where != AT_LINE)
		conn_write(out, "\r\n", 2);
	return true;
}

bool
smtpc_content_raw(const struct smtpc_content *c, struct conn *out)
{
	uint64_t at = 0;
	struct view v;

	do {
		if (!next_piece(c, &at, &v))
			return false;
		conn_write(out, v.p, v.n);
	} while (v.n > 0 && !out->failed);
	return true;
}
