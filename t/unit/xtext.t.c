/* xtext, RFC 3461 4. */
#include "common/xtext.h"

#include <string.h>

#include "t/unit/tap.h"

int
main(void)
{
	static const struct {
		const char *in, *out; /* NULL: it is none */
		bool printable;
	} cases[] = { { "", "", false }, { "abc", "abc", true },
		{ "a+2Bb", "a+b", true }, { "+3D+20", "= ", true },
		{ "+0A", "\n", false }, { "+7F", "\177", false },
		{ "+C3+B6", "\xc3\xb6", false }, { "+", NULL, false },
		{ "a+2", NULL, false }, { "+2b", NULL, false },
		{ "+G0", NULL, false }, { "+00", NULL, false },
		{ "a=b", NULL, false }, { "a b", NULL, false },
		{ "\xc3\xb6", NULL, false }, { "12345678", NULL, true },
		{ "+31+32+33+34+35+36+37", "1234567", true } };

	for (size_t i = 0; i < NELEM(cases); i++) {
		char out[8];
		bool good =
		    xtext_decode(view_of(cases[i].in), out, sizeof(out));
		ok(good == (cases[i].out != NULL) &&
			(!good || strcmp(out, cases[i].out) == 0),
		    "\"%s\"", cases[i].in);
		ok(xtext_printable(view_of(cases[i].in)) == cases[i].printable,
		    "\"%s\": printable", cases[i].in);
	}
	return done_testing();
}
