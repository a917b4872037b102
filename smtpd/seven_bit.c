/*
 * From 8-bit content to 7 bits.  Runs in: sender.
 *
 *	content -> headers to ASCII -> line ends to CRLF -> bodies to ASCII
 */
#include "smtpd/seven_bit.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

enum { MIDDLE_MAX = SURROGATE_OUT_MAX + SURROGATE_FIELD_MAX + SEVEN_BIT_STEP };

void
seven_bit_init(struct seven_bit *s)
{
	memset(s, 0, sizeof(*s));
	buf_init(&s->middle, MIDDLE_MAX);
	buf_init(&s->lines, 2 * MIDDLE_MAX);
	surrogate_init(&s->header);
}

void
seven_bit_free(struct seven_bit *s)
{
	surrogate_free(&s->header);
	buf_free(&s->middle);
	buf_free(&s->lines);
}

void
seven_bit_begin(struct seven_bit *s, enum seven_phase phase)
{
	if (phase != SEVEN_CONVERT) {
		memset(&s->leaves, 0, sizeof(s->leaves));
		if (phase == SEVEN_SIGNED)
			s->stuck = NULL;
	}
	s->phase = phase;
	s->cr = false;
	surrogate_free(&s->header);
	surrogate_init(&s->header);
	s->header.keep = true;
	binary_init(&s->body,
	    phase == SEVEN_CONVERT ? BINARY_TO_ASCII : BINARY_LOOK, &s->leaves);
}

/* A CR or LF alone would be read as a line end by some, and not by others. */
static void
mend_lines(struct seven_bit *s, struct view v, bool last)
{
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (s->cr && c != '\n')
			buf_addc(&s->lines, ' ');
		s->cr = c == '\r';
		if (c == '\n')
			buf_adds(&s->lines, "\r\n");
		else if (c != '\r')
			buf_addc(&s->lines, c);
	}
	if (last && s->cr)
		buf_addc(&s->lines, ' ');
}

static void
to_body(struct seven_bit *s, struct view v, bool last, struct buf *out)
{
	struct buf none = { .max = SIZE_MAX };
	struct buf *to = s->phase == SEVEN_CONVERT ? out : &none;
	size_t before = to->n;

	while (v.n > 0) {
		binary_convert(&s->body, view_take(&v, SEVEN_BIT_STEP), to);
		if (to == &none)
			buf_clear(&none);
	}
	if (last)
		binary_end(&s->body, to);
	for (size_t i = before; i < to->n; i++)
		if ((unsigned char)to->p[i] >= 0x80)
			to->p[i] = '?';
	out->bad |= none.bad;
	buf_free(&none);
}

/* What came out of the first stage goes through the others. */
static void
onward(struct seven_bit *s, bool last, struct buf *out)
{
	mend_lines(s, buf_view(&s->middle), last);
	to_body(s, buf_view(&s->lines), last, out);
	out->bad |= s->middle.bad || s->lines.bad;
	buf_clear(&s->middle);
	buf_clear(&s->lines);
}

void
seven_bit_add(struct seven_bit *s, struct view v, struct buf *out)
{
	assert(v.n <= SEVEN_BIT_STEP);
	if (s->phase == SEVEN_SIGNED) {
		to_body(s, v, false, out);
		return;
	}
	if (!s->header.done)
		view_take(&v, surrogate_add(&s->header, v, &s->middle));
	buf_addv(&s->middle, v);
	onward(s, false, out);
}

void
seven_bit_end(struct seven_bit *s, struct buf *out)
{
	if (s->phase != SEVEN_SIGNED && !s->header.done)
		surrogate_end(&s->header, &s->middle);
	onward(s, true, out);
	if (s->stuck != NULL)
		return;
	if (s->phase == SEVEN_SIGNED && s->body.signed_eight)
		s->stuck = "in a signed part, which must not be changed";
	else if (s->header.cut)
		s->stuck = "and a field of its header is too long";
	else if (s->body.bad)
		s->stuck = "and its structure cannot be converted";
}
