#ifndef T_UNIT_CUTS_H
#define T_UNIT_CUTS_H
/* Converters of text that comes in pieces, by table: in every cut the same must
 * come out. */
#include <stdbool.h>
#include <stdio.h>

#include "common/buf.h"
#include "common/view.h"
#include "t/unit/tap.h"

struct cuts_row {
	const char *name, *in, *want; /* want NULL: refused; "": as it was */
};

/* convert gives in to the converter, step octets at a time, and fills out anew.
 * False: it is refused. */
static void
cuts_table(const struct cuts_row *rows, size_t n,
    bool (*convert)(struct view in, size_t step, struct buf *out))
{
	struct buf out = { .max = 1 << 22 };

	for (size_t i = 0; i < n; i++) {
		struct view in = view_of(rows[i].in);
		const char *want = rows[i].want;
		bool good = true;

		if (want != NULL && want[0] == '\0')
			want = rows[i].in;
		for (size_t step = 1; step <= in.n + 1 && good; step++)
			good = convert(in, step, &out) == (want != NULL) &&
			       (want == NULL || view_eqs(buf_view(&out), want));
		if (!ok(good, "%s", rows[i].name))
			printf("# %s\n", buf_cstr(&out));
	}
	buf_free(&out);
}
#endif
