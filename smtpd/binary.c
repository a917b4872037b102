/*
 * From binary MIME to base64, from 8 bits to 7.  Runs in: worker, sender.
 *
 *	HEADER --blank line--> TEXT, ENCODE or QUOTE, by the fields
 *	  ^  \--message/rfc822: the header of the enclosed message--> HEADER
 *	  |
 *	  +-- a boundary of a multipart that we are in -- from any state
 *
 * A line is held until it is known whether it is a boundary or a field that
 * matters; nothing else is looked at as a whole.  In text and headers LF alone
 * ends a line too, as it becomes CRLF later; inside binary octets it does not.
 */
#include "smtpd/binary.h"

#include <string.h>

#include "common/base64.h"
#include "smtpd/binary_header.h"

void
binary_init(struct binary *b, enum binary_how how, struct binary_leaves *leaves)
{
	memset(b, 0, sizeof(*b));
	b->how = how;
	b->leaves = leaves;
	b->leaf = BINARY_LEAVES;
	b->message = true;
}

static bool
encoding(const struct binary *b)
{
	return b->state == BINARY_ENCODE || b->state == BINARY_QUOTE;
}

/* ---- out ---- */

static void
encode_row(struct binary *b, struct buf *out)
{
	char text[BASE64_LEN(BINARY_ROW) + 1];

	if (b->row_n == 0)
		return;
	base64_encode((struct view){ b->row, b->row_n }, text, sizeof(text));
	buf_addf(out, "%s\r\n", text);
	b->row_n = 0;
}

/* What is encoded ends. */
static void
encode_end(struct binary *b, struct buf *out)
{
	encode_row(b, out);
	if (b->state == BINARY_QUOTE)
		quoted_end(&b->quoted, out);
}

/* BINARY_LOOK: octets that are not in a boundary or a header. */
static void
look(struct binary *b, struct view v)
{
	if (b->how == BINARY_LOOK && b->leaf != BINARY_LEAVES && !view_ascii(v))
		b->leaves->eight[b->leaf / 8] |=
		    (unsigned char)(1u << b->leaf % 8);
}

/* Gives octets of a body out. */
static void
body(struct binary *b, struct view v, struct buf *out)
{
	look(b, v);
	if (b->state == BINARY_QUOTE) {
		quoted_add(&b->quoted, v, out);
		return;
	}
	if (b->state != BINARY_ENCODE) {
		buf_addv(out, v);
		return;
	}
	while (v.n > 0) {
		struct view some = view_take(&v, sizeof(b->row) - b->row_n);
		memcpy(b->row + b->row_n, some.p, some.n);
		b->row_n += some.n;
		if (b->row_n == sizeof(b->row))
			encode_row(b, out);
	}
}

/* ---- lines ---- */

/* Is line, of which n octets are its text, a boundary of ours?  Then what it
 * ends has ended. */
static bool
is_boundary(struct binary *b, struct view line, struct buf *out)
{
	bool last;

	if (!mime_boundary(&b->in, line, &last))
		return false;
	encode_end(b, out);
	binary_header_cut(b, out);
	if (b->state == BINARY_QUOTE && b->held_crlf)
		buf_adds(out, "\r\n");
	b->held_crlf = false;
	b->leaf = BINARY_LEAVES;
	if (b->in.depth < b->signed_depth)
		b->signed_depth = 0;
	if (last)
		b->state = BINARY_TEXT;
	else
		binary_header_begin(b, b->in.level[b->in.depth - 1].digest);
	return true;
}

static void
keep(char *to, size_t *n, struct view v, bool *bad)
{
	if (v.n > BINARY_LINE - *n) {
		*bad = true;
		return;
	}
	memcpy(to + *n, v.p, v.n);
	*n += v.n;
}

/* A line of a header, its end included; text is without it. */
static void
header_line(
    struct binary *b, struct view line, struct view text, struct buf *out)
{
	struct view rest = text, name;
	bool colon;

	if (text.n == 0) {
		binary_header_end(b, out);
		return;
	}
	if (text.p[0] != ' ' && text.p[0] != '\t') {
		name = view_trim(view_split(&rest, ':', &colon));
		b->field = BINARY_OTHER;
		/* The first one of each counts; a second coding could be
		 * believed by others. */
		if (colon && b->type_n == 0 &&
		    view_caseeqs(name, "Content-Type"))
			b->field = BINARY_TYPE;
		if (colon && view_caseeqs(name, "MIME-Version"))
			b->versioned = true;
		if (colon && view_caseeqs(name, "Content-Transfer-Encoding"))
			b->field =
			    b->coding_n == 0 ? BINARY_CODING : BINARY_DROP;
	}
	if (b->field == BINARY_CODING)
		keep(b->coding, &b->coding_n, line, &b->bad);
	if (!b->untouched &&
	    (b->field == BINARY_CODING || b->field == BINARY_DROP))
		return;
	if (b->field == BINARY_TYPE)
		keep(b->type, &b->type_n, rest, &b->bad);
	buf_addv(out, line);
}

/* Gives out what is behind the start of a line, up to where the next one
 * starts; how many octets that were. */
static size_t
pass(struct binary *b, struct view v, struct buf *out)
{
	bool encode = encoding(b);
	const char *stop;
	size_t n;

	if (b->held_cr) {
		b->held_cr = false;
		if (v.p[0] == '\n') {
			b->held_crlf = true;
			b->passing = false;
			return 1;
		}
		body(b, view_of("\r"), out);
	}
	stop = memchr(v.p, encode ? '\r' : '\n', v.n);
	n = stop == NULL ? v.n : (size_t)(stop - v.p);
	body(b, (struct view){ v.p, n }, out);
	if (stop == NULL)
		return n;
	b->held_cr = encode;
	b->passing = encode;
	if (!encode)
		buf_addc(out, '\n');
	return n + 1;
}

/* What was held of a line is no boundary, and no field that matters. */
static void
release(struct binary *b, struct buf *out)
{
	struct view v = { b->line, b->line_n };
	bool folded = v.n > 0 && (v.p[0] == ' ' || v.p[0] == '\t');

	if (b->state == BINARY_HEADER) { /* so long: who could read it? */
		b->bad |= view_casestarts(v, "Content-T") ||
			  (folded && b->field != BINARY_OTHER);
		b->field = BINARY_OTHER;
	}
	if (b->held_crlf && b->state == BINARY_QUOTE) {
		quoted_end(&b->quoted, out);
		buf_adds(out, "\r\n");
	} else if (b->held_crlf) {
		body(b, view_of("\r\n"), out);
	}
	b->held_crlf = false;
	b->line_n = 0;
	b->passing = true;
	while (v.n > 0) {
		size_t n = pass(b, v, out);
		v = (struct view){ v.p + n, v.n - n };
	}
}

/* The line that is held is complete. */
static void
line_done(struct binary *b, struct buf *out)
{
	struct view line = { b->line, b->line_n }, text = line;

	text.n -= text.n >= 2 && text.p[text.n - 2] == '\r' ? 2 : 1;
	if (is_boundary(b, text, out)) {
		buf_addv(out, line);
		b->line_n = 0;
	} else if (b->state == BINARY_HEADER) {
		b->line_n = 0;
		header_line(b, line, text, out);
	} else {
		release(b, out);
	}
}

/* Could what is held become a line that matters? */
static bool
matters(const struct binary *b)
{
	if (b->line_n == sizeof(b->line))
		return false;
	return b->state == BINARY_HEADER ||
	       memcmp(b->line, "--", b->line_n < 2 ? b->line_n : 2) == 0;
}

/* Holds one octet more. */
static void
hold(struct binary *b, char c, struct buf *out)
{
	b->line[b->line_n++] = c;
	if (c == '\n' && (!encoding(b) || (b->line_n >= 2 &&
					      b->line[b->line_n - 2] == '\r')))
		line_done(b, out);
	else if (!matters(b))
		release(b, out);
}

/* BINARY_LOOK: does v, and what comes of it, touch what is signed? */
static void
look_signed(struct binary *b, struct view v)
{
	b->signed_eight |= b->signed_depth != 0 && !view_ascii(v);
}

void
binary_convert(struct binary *b, struct view v, struct buf *out)
{
	while (v.n > 0) {
		size_t n = 1;
		bool before = b->signed_depth != 0;

		if (b->passing)
			n = pass(b, v, out);
		else
			hold(b, *v.p, out);
		if (before)
			look_signed(b, (struct view){ v.p, n });
		v = (struct view){ v.p + n, v.n - n };
	}
}

void
binary_end(struct binary *b, struct buf *out)
{
	struct view line = { b->line, b->line_n };

	if (is_boundary(b, line, out))
		buf_addv(out, line);
	else if (b->state == BINARY_HEADER && line.n > 0)
		header_line(b, line, line, out);
	else
		release(b, out);
	b->line_n = 0;
	if (b->held_cr)
		body(b, view_of("\r"), out);
	b->held_cr = false;
	encode_end(b, out);
	binary_header_cut(b, out);
}
