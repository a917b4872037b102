/* Names that are the same although their octets differ (common/fold.c). */
#include "common/fold.h"

#include <string.h>

#include "t/unit/tap.h"

static const struct {
	const char *a, *b, *name;
	bool same, caseless; /* the same; the same but for case */
} cases[] = {
	{ "bob", "bob", "ASCII", true, true },
	{ "bob", "BOB", "its case", false, true },
	{ "\xc3\xb6", "o\xcc\x88", "an accent", true, true },
	{ "\xc3\x96", "o\xcc\x88", "case and accent", false, true },
	{ "\xc3\xb6", "o", "without it", false, false },
	{ "\xc3\xb6", "\xc3\xb3", "another one", false, false },
	{ "\xe1\xba\xad", "a\xcc\xa3\xcc\x82", "two accents", true, true },
	{ "\xe1\xba\xad", "a\xcc\x82\xcc\xa3", "in another order", true, true },
	{ "\xe1\xba\xad", "\xc3\xa2\xcc\xa3", "one of them composed", true,
	    true },
	{ "a\xcc\x81\xcc\x82", "a\xcc\x82\xcc\x81",
	    "the order of two above matters", false, false },
	{ "\xea\xb0\x81", "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", "Hangul LVT",
	    true, true },
	{ "\xea\xb0\x80", "\xe1\x84\x80\xe1\x85\xa1", "Hangul LV", true, true },
	{ "\xed\x9e\xa3", "\xe1\x84\x92\xe1\x85\xb5\xe1\x87\x82",
	    "the last syllable", true, true },
	{ "\xef\xa4\x80", "\xe8\xb1\x88", "a CJK compatibility ideograph", true,
	    true },
	{ "\xf0\xaf\xa8\x9d", "\xf0\xaa\x98\x80", "the last of them", true,
	    true },
	{ "\xe2\x84\xab", "\xc3\xa5", "the Angstrom sign", false, true },
	{ "\xd0\x96", "\xd0\xb6", "Cyrillic", false, true },
	{ "\xce\xa3", "\xcf\x82", "sigma at the end", false, true },
	{ "\xf0\x90\x90\x80", "\xf0\x90\x90\xa8", "Deseret", false, true },
	{ "\xc5\xbf", "s", "a long s is no s", false, false },
	{ "\xc3\x9f", "ss", "a sharp s is one letter", false, false },
	{ "\xef\xac\x81", "fi", "compatibility is not equality", false, false },
	{ "\xe0\xa6\x95\xe0\xa6\xbe", "\xe0\xa6\x95\xe0\xa6\xbe", "Bengali",
	    true, true },
	{ "\xff", "\xff", "no UTF-8", true, true },
	{ "a\xff", "A\xff", "which has no case", false, false },
	{ "", "", "nothing", true, true },
};

int
main(void)
{
	char all[FOLD_IN + 1], out[FOLD_OUT];

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct view a = view_of(cases[i].a), b = view_of(cases[i].b);
		ok(fold_same(a, b, false) == cases[i].same &&
			fold_same(b, a, false) == cases[i].same,
		    "%s", cases[i].name);
		ok(fold_same(a, b, true) == cases[i].caseless &&
			fold_same(b, a, true) == cases[i].caseless,
		    "%s, caseless", cases[i].name);
	}
	/* What grows most: U+0390, U+1D160. */
	for (size_t i = 0; i < FOLD_IN; i += 2)
		memcpy(all + i, "\xce\x90", 2);
	ok(fold_name((struct view){ all, FOLD_IN }, true, out) == FOLD_OUT,
	    "there is room for the worst");
	for (size_t i = 0; i < FOLD_IN; i += 4)
		memcpy(all + i, "\xf0\x9d\x85\xa0", 4);
	ok(fold_name((struct view){ all, FOLD_IN }, true, out) == FOLD_OUT,
	    "on the other planes, too");
	ok(fold_name((struct view){ all, FOLD_IN + 1 }, true, out) == 0,
	    "not more");
	return done_testing();
}
