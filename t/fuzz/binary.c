/*
 * Any message, in pieces of any size.
 *
 * To lines: the same comes out, in bounds, and it holds no binary part any
 * more: a second conversion changes nothing.
 *
 * To 7 bits: the same comes out, in bounds; it is ASCII, in lines that end in
 * CRLF.
 */
#include "smtpd/seven_bit.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
convert(struct view in, size_t step, struct buf *out)
{
	static struct binary b;

	binary_init(&b, BINARY_TO_LINES, NULL);
	while (in.n > 0) {
		struct view some = view_take(&in, step);
		size_t before = out->n;
		binary_convert(&b, some, out);
		must(out->n - before <= BINARY_GROWTH * some.n + BINARY_SLACK);
	}
	binary_end(&b, out);
	must(!out->bad);
	return !b.bad;
}

static void
to_lines(struct view in, size_t step)
{
	struct buf whole, cut, again;

	buf_init(&whole, 3 * in.n + 2 * BINARY_SLACK);
	buf_init(&cut, 3 * in.n + 2 * BINARY_SLACK);
	buf_init(&again, 9 * in.n + 8 * BINARY_SLACK);
	bool good = convert(in, in.n + 1, &whole);
	must(convert(in, step, &cut) == good);
	must(view_eq(buf_view(&whole), buf_view(&cut)));
	if (good && convert(buf_view(&whole), in.n + 1, &again))
		must(view_eq(buf_view(&whole), buf_view(&again)));
	buf_free(&whole);
	buf_free(&cut);
	buf_free(&again);
}

static void
give(struct seven_bit *s, enum seven_phase phase, struct view in, size_t step,
    struct buf *out)
{
	seven_bit_begin(s, phase);
	while (in.n > 0) {
		size_t before = out->n;
		seven_bit_add(s, view_take(&in, step), out);
		must(out->n - before <= SEVEN_BIT_OUT);
	}
	seven_bit_end(s, out);
	must(!out->bad);
	must(phase == SEVEN_CONVERT || out->n == 0);
}

static bool
plain(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] >= 0x80 ||
		    (v.p[i] == '\n' && (i == 0 || v.p[i - 1] != '\r')) ||
		    (v.p[i] == '\r' && (i + 1 == v.n || v.p[i + 1] != '\n')))
			return false;
	return true;
}

static void
to_ascii(struct view in, size_t step)
{
	static struct seven_bit s;
	struct buf whole, cut;

	if (s.lines.max == 0)
		seven_bit_init(&s);
	buf_init(&whole, 1 << 26);
	buf_init(&cut, 1 << 26);
	give(&s, SEVEN_SIGNED, in, SEVEN_BIT_STEP, &whole);
	give(&s, SEVEN_PARTS, in, SEVEN_BIT_STEP, &whole);
	give(&s, SEVEN_CONVERT, in, SEVEN_BIT_STEP, &whole);
	const char *stuck = s.stuck;
	give(&s, SEVEN_SIGNED, in, step, &cut);
	give(&s, SEVEN_PARTS, in, step, &cut);
	give(&s, SEVEN_CONVERT, in, step, &cut);
	must(s.stuck == stuck);
	if (stuck == NULL) {
		must(view_eq(buf_view(&whole), buf_view(&cut)));
		must(plain(buf_view(&whole)));
	}
	buf_free(&whole);
	buf_free(&cut);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct view in = { (const char *)data + 1, size - 1 };
	to_lines(in, data[0] % 61 + 1);
	to_ascii(in, data[0] % 61 + 1);
	return 0;
}
