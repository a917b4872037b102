/*
 * The surrogate of any message.
 *
 * The input: an octet that seeds the sizes of the pieces, and the message as it
 * is in the mbox, behind its From_ line.  Checked: however it is cut, the same
 * comes out; the header is ASCII, in lines that are neither empty nor blank
 * unless they were; what is ASCII stays as it is; the header ends where it did;
 * a surrogate is its own surrogate, its parts included.
 */
#include "common/surrogate.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The octets of in that were taken; behind them it is left alone. */
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
		    surrogate_add(&s, (struct view){ in.p + at, k }, out);
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
header(struct view in, bool *ended)
{
	*ended = true;
	for (size_t at = 0, n; at < in.n; at += n) {
		const char *lf = memchr(in.p + at, '\n', in.n - at);
		if (lf == NULL)
			break;
		n = (size_t)(lf - in.p) + 1 - at;
		if (n == 1 || (n == 2 && in.p[at] == '\r'))
			return at + n;
	}
	*ended = false;
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
	bool ended, also;
	struct view was = { in.p, header(in, &ended) };
	buf_init(&a, 1 << 26);
	buf_init(&b, 1 << 26);
	buf_init(&c, 1 << 26);
	size_t taken = convert(in, 0, &a);
	must(taken >= was.n && !a.bad);
	must(convert(in, data[0] * 2654435761u + 1, &b) == taken && !b.bad);
	must(view_eq(buf_view(&a), buf_view(&b)));
	struct view head = { a.p, header(buf_view(&a), &also) };
	must(view_ascii(head));
	if (view_ascii((struct view){ in.p, taken }) &&
	    taken <= SURROGATE_FIELD_MAX)
		must(view_eq(buf_view(&a), (struct view){ in.p, taken }));
	must(ended == also);
	/* No new line of blanks only. */
	size_t before = 0, after = 0;
	for (size_t i = 0, lf; i < was.n; i = lf + 1) {
		for (lf = i; lf < was.n && was.p[lf] != '\n'; lf++)
			continue;
		before += blank_line(was.p + i, was.p + lf);
	}
	for (size_t i = 0, lf; i < head.n; i = lf + 1) {
		for (lf = i; lf < head.n && head.p[lf] != '\n'; lf++)
			continue;
		after += blank_line(head.p + i, head.p + lf);
	}
	must(after <= before);
	/* A surrogate needs none. */
	buf_add(&a, in.p + taken, in.n - taken);
	taken = convert(buf_view(&a), 0, &c);
	buf_add(&c, a.p + taken, a.n - taken);
	must(view_eq(buf_view(&a), buf_view(&c)));
	buf_free(&a);
	buf_free(&b);
	buf_free(&c);
	return 0;
}
