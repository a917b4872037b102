/*
 * The surrogate of any message.
 *
 * The input: an octet that seeds the sizes of the pieces, and the message as it
 * is in the mbox, behind its From_ line.  Checked: however it is cut, the same
 * comes out; the header is ASCII, in lines that are neither empty nor blank
 * unless they were; ASCII headers stay as they are; the body begins where it
 * did; a surrogate is its own surrogate.
 */
#include "pop3d/surrogate.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
must(bool good)
{
	if (!good)
		abort();
}

/* The octets of in that are the header. */
static size_t
convert(struct view in, uint32_t seed, struct buf *out)
{
	struct surrogate s;
	size_t at = 0;

	surrogate_init(&s);
	while (at < in.n && !s.done) {
		size_t k = seed == 0 ? in.n : seed >> 16 & 63;
		seed = seed == 0 ? 0 : seed * 1103515245u + 12345u;
		k = k < in.n - at ? k : in.n - at;
		size_t used =
		    surrogate_header(&s, (struct view){ in.p + at, k }, out);
		must(used == k || (used < k && s.done));
		at += used;
	}
	if (!s.done)
		surrogate_end(&s, out);
	surrogate_free(&s);
	return at;
}

/* The end of the header, its blank line included. */
static size_t
header(struct view in)
{
	for (size_t i = 0; i < in.n; i++)
		if (in.p[i] == '\n' && (i == 0 || in.p[i - 1] == '\n'))
			return i + 1;
	return in.n;
}

static bool
blank_line(const char *p, const char *lf)
{
	for (; p < lf; p++)
		if (*p != ' ' && *p != '\t' && *p != '\r')
			return false;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf a, b, c;

	if (n == 0)
		return 0;
	struct view in = { (const char *)data + 1, n - 1 };
	size_t head = header(in);
	struct view was = { in.p, head };
	buf_init(&a, 1 << 26);
	buf_init(&b, 1 << 26);
	buf_init(&c, 1 << 26);
	must(convert(in, 0, &a) == head && !a.bad);
	must(convert(in, data[0] * 2654435761u + 1, &b) == head && !b.bad);
	must(view_eq(buf_view(&a), buf_view(&b)));
	must(!surrogate_needed(buf_view(&a)));
	if (!surrogate_needed(was) && head <= SURROGATE_FIELD_MAX)
		must(view_eq(buf_view(&a), was));
	/* It ends where it ended, and nowhere before. */
	bool ended = head > 0 && in.p[head - 1] == '\n' &&
		     (head == 1 || in.p[head - 2] == '\n');
	must(header(buf_view(&a)) == a.n);
	must(!ended || (a.n > 0 && a.p[a.n - 1] == '\n'));
	/* No new line of blanks only. */
	size_t before = 0, after = 0;
	for (size_t i = 0, lf; i < was.n; i = lf + 1) {
		for (lf = i; lf < was.n && was.p[lf] != '\n'; lf++)
			continue;
		before += blank_line(was.p + i, was.p + lf);
	}
	for (size_t i = 0, lf; i < a.n; i = lf + 1) {
		for (lf = i; lf < a.n && a.p[lf] != '\n'; lf++)
			continue;
		after += blank_line(a.p + i, a.p + lf);
	}
	must(after <= before);
	/* A surrogate needs none. */
	convert(buf_view(&a), 0, &c);
	must(view_eq(buf_view(&a), buf_view(&c)));
	buf_free(&a);
	buf_free(&b);
	buf_free(&c);
	return 0;
}
