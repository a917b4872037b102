/* Any message, in pieces of any size: the same comes out, in bounds, and it
 * holds no binary part any more: a second conversion changes nothing. */
#include "smtpd/binary.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool good)
{
	if (!good)
		abort();
}

static bool
convert(struct view in, size_t step, struct buf *out)
{
	static struct binary b;

	binary_init(&b);
	for (size_t at = 0; at < in.n; at += step) {
		size_t n = in.n - at < step ? in.n - at : step;
		size_t before = out->n;
		binary_convert(&b, (struct view){ in.p + at, n }, out);
		must(out->n - before <= 2 * n + BINARY_SLACK);
	}
	binary_end(&b, out);
	must(!out->bad);
	return !b.bad;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, cut, again;

	if (size < 1)
		return 0;
	struct view in = { (const char *)data + 1, size - 1 };
	buf_init(&whole, 3 * size + BINARY_SLACK);
	buf_init(&cut, 3 * size + BINARY_SLACK);
	buf_init(&again, 9 * size + 4 * BINARY_SLACK);
	bool good = convert(in, in.n + 1, &whole);
	must(convert(in, data[0] % 61 + 1, &cut) == good);
	must(view_eq(buf_view(&whole), buf_view(&cut)));
	if (good && convert(buf_view(&whole), in.n + 1, &again))
		must(view_eq(buf_view(&whole), buf_view(&again)));
	buf_free(&whole);
	buf_free(&cut);
	buf_free(&again);
	return 0;
}
