#ifndef T_UNIT_WIRE_PIECES_H
#define T_UNIT_WIRE_PIECES_H
/* Text that comes in pieces, through dot_read() of spool/wire.h. */
#include "spool/wire.h"
#include "t/unit/tap.h"

enum { ROOM = 4096 };

static struct view
piece(struct view in, size_t from, size_t to)
{
	return (struct view){ in.p + from, to - from };
}

static size_t
run_dot(struct view in, size_t a, size_t b, struct buf *out)
{
	const size_t cut[] = { 0, a, b, in.n };
	struct dot_reader d;
	bool end = false;

	buf_clear(out);
	dot_reader_init(&d);
	for (int i = 0; i < 3; i++) {
		size_t n =
		    dot_read(&d, piece(in, cut[i], cut[i + 1]), out, &end);
		if (end)
			return cut[i] + n;
		if (n != cut[i + 1] - cut[i])
			return (size_t)-1;
	}
	return 0;
}
#endif
