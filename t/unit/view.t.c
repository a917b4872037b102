/* Pieces of text: words, fields, and what is around them. */
#include "common/view.h"

#include "t/unit/tap.h"

static void
fields(void)
{
	static const struct {
		const char *name, *in, *first, *rest;
	} t[] = {
		{ "nothing", "", "", "" },
		{ "one", "A: b\r\n", "A: b\r\n", "" },
		{ "without a line end", "A: b", "A: b", "" },
		{ "the first of two", "A: b\nC: d\n", "A: b\n", "C: d\n" },
		{ "folded", "A: b\r\n c\r\n\td\r\nE: f\r\n",
		    "A: b\r\n c\r\n\td\r\n", "E: f\r\n" },
		{ "folded to the end", "A:\n b", "A:\n b", "" },
		{ "a blank at the start", " x\nA: b\n", " x\n", "A: b\n" },
		{ "an empty line", "\r\nA: b\r\n", "\r\n", "A: b\r\n" },
	};

	for (size_t i = 0; i < NELEM(t); i++) {
		struct view rest = view_of(t[i].in), first = view_field(&rest);
		ok(view_eqs(first, t[i].first) && view_eqs(rest, t[i].rest),
		    "a field: %s", t[i].name);
	}
	struct view none = { NULL, 0 };
	ok(view_field(&none).n == 0 && none.n == 0, "of no text");
}

static void
around(void)
{
	static const struct {
		const char *in, *trimmed, *stripped;
	} t[] = {
		{ " \ta b\t ", "a b", "a b" },
		{ "\r\n a\r\n b \r\n", "\r\n a\r\n b \r\n", "a\r\n b" },
		{ " \r\n\t", "\r\n", "" },
		{ "", "", "" },
		{ "a", "a", "a" },
	};

	for (size_t i = 0; i < NELEM(t); i++)
		ok(view_eqs(view_trim(view_of(t[i].in)), t[i].trimmed) &&
			view_eqs(view_strip(view_of(t[i].in)), t[i].stripped),
		    "what is around text %zu", i);
	ok(view_strip((struct view){ "\0 ", 2 }).n == 1, "a NUL is text");
}

static void
pieces(void)
{
	struct view v = view_of("abcde"), none = { NULL, 0 };

	ok(view_eqs(view_take(&v, 2), "ab") && view_eqs(v, "cde"),
	    "the first two octets");
	ok(view_take(&v, 0).n == 0 && v.n == 3, "none");
	ok(view_eqs(view_take(&v, 3), "cde") && v.n == 0, "all there are");
	v = view_of("fg");
	ok(view_eqs(view_take(&v, 3), "fg") && v.n == 0, "no more than these");
	ok(view_take(&none, 1).n == 0 && none.n == 0, "of no text");
}

int
main(void)
{
	bool good = true;

	fields();
	around();
	pieces();
	for (int c = 0; c < 256; c++) {
		char octets[] = { 'a', (char)c, 'b' };
		good &= view_ascii((struct view){ octets, 3 }) == (c < 128);
	}
	ok(good && view_ascii((struct view){ NULL, 0 }), "ASCII ends at 127");
	return done_testing();
}
