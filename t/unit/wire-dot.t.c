/* The end of data: what ends a message and what does not, bare CR and LF, and
 * what is taken of who sends LF alone. */
#include "spool/wire.h"

#include <string.h>

#include "t/unit/wire_pieces.h"

static void
end_of_data(void)
{
	static const struct {
		const char *in, *name, *want;
		size_t used;
	} cases[] = {
		{ ".\r\n", "an empty message", "", 3 },
		{ "a\r\n.\r\nQUIT\r\n", "what is behind the end stays", "a\r\n",
		    6 },
		{ "\r\n.\r\n", "one empty line", "\r\n", 5 },
		{ "a\n.\n", "LF.LF does not end", "a\n.\n", 0 },
		{ "a\n.\r\n", "LF.CRLF does not end", "a\n.\r\n", 0 },
		{ "a\r\n.\n\r\n", "CRLF.LF does not end", "a\r\n\n\r\n", 0 },
		{ "a\r.\r\n", "CR.CRLF does not end", "a\r.\r\n", 0 },
		{ "a\r\n.\r\r\n", "CRLF.CRCRLF does not end", "a\r\n\r\r\n",
		    0 },
		{ "a\r\n.\rb", "CRLF.CR does not end", "a\r\n\rb", 0 },
		{ "..\r\n...\r\n.\r\n", "stuffing", ".\r\n..\r\n", 12 },
		{ ".x\r\n.\r\n", "a dot goes, whatever follows", "x\r\n", 7 },
		{ "a\r\r\n.\r\n", "CRCRLF ends a line", "a\r\r\n", 7 },
	};
	struct buf out;

	buf_init(&out, ROOM);
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct view in = view_of(cases[i].in);
		ok(run_dot(in, 0, 0, &out) == cases[i].used &&
			view_eqs(buf_view(&out), cases[i].want),
		    "DATA: %s", cases[i].name);
	}
	buf_free(&out);
}

static void
bare(void)
{
	static const struct {
		const char *in;
		bool lf, cr;
	} cases[] = { { "a\r\nb\r\n..\r\n", false, false },
		{ "a\nb\r\n", true, false }, { "a\rb\r\n", false, true },
		{ "a\r\r\n", false, true }, { "\n", true, false },
		{ ".\n", true, false }, { ".\rx", false, true },
		{ "x\r\n.\r\rx", false, true } };
	bool good = true;

	for (size_t i = 0; i < NELEM(cases); i++) {
		for (size_t a = 0; a <= strlen(cases[i].in); a++) {
			struct view in = view_of(cases[i].in);
			struct dot_reader d;
			struct buf out;
			bool end;
			buf_init(&out, ROOM);
			dot_reader_init(&d);
			dot_read(&d, piece(in, 0, a), &out, &end);
			dot_read(&d, piece(in, a, in.n), &out, &end);
			good = good && d.bare_lf == cases[i].lf &&
			       d.bare_cr == cases[i].cr;
			buf_free(&out);
		}
	}
	ok(good, "bare CR and bare LF are noticed in every cut");
}

/* As simply as can be: what comes of v when no CR was seen before it.  Returns
 * where the end is, 0: nowhere. */
static size_t
ref_lf_only(struct view v, struct buf *out)
{
	bool cr = false; /* seen */

	for (size_t i = 0; i < v.n; i++) {
		struct view at = { v.p + i, v.n - i };
		bool crlf =
		    i == 0 || (i > 1 && memcmp(at.p - 2, "\r\n", 2) == 0);
		bool lf = !cr && i > 0 && at.p[-1] == '\n';

		cr |= at.p[0] == '\r';
		if (at.p[0] == '.' && (crlf || lf)) {
			if (crlf && at.n >= 3 && memcmp(at.p, ".\r\n", 3) == 0)
				return i + 3;
			if (!cr && at.n >= 2 && at.p[1] == '\n')
				return i + 2;
			if (crlf && at.n == 2 && at.p[1] == '\r')
				return 0; /* not known yet */
			if (crlf || at.n == 1 || at.p[1] != '\r')
				continue;
		}
		buf_addc(out, at.p[0]);
	}
	return 0;
}

/* Every text of n octets of these four, in every two pieces. */
static void
lf_only(size_t n)
{
	char text[16];
	size_t all = 1;
	bool good = true;

	for (size_t i = 0; i < n; i++)
		all *= 4;
	for (size_t k = 0; k < all && good; k++) {
		struct buf want;
		struct view in = { text, n };
		for (size_t i = 0, rest = k; i < n; i++, rest /= 4)
			text[i] = "x.\r\n"[rest % 4];
		buf_init(&want, ROOM);
		size_t end_at = ref_lf_only(in, &want);
		for (size_t a = 0; a <= n && good; a++) {
			struct dot_reader d;
			struct buf out;
			bool end;
			buf_init(&out, ROOM);
			dot_reader_init(&d);
			d.lf_only = true;
			size_t used = dot_read(&d, piece(in, 0, a), &out, &end);
			if (!end)
				used +=
				    dot_read(&d, piece(in, a, n), &out, &end);
			good = end == (end_at != 0) &&
			       used == (end ? end_at : n) &&
			       view_eq(buf_view(&out), buf_view(&want)) &&
			       d.lf_only == (memchr(text, '\r', used) == NULL);
			if (!good)
				printf("# text %zu, cut %zu, end %zu\n", k, a,
				    used);
			buf_free(&out);
		}
		buf_free(&want);
	}
	ok(good, "%zu octets without a CR before them, all of them", n);
}

int
main(void)
{
	end_of_data();
	bare();
	for (size_t n = 1; n <= 8; n++)
		lf_only(n);
	return done_testing();
}
