/* SASLprep: the examples of RFC 4013 3, and what they do not show. */
#include "common/saslprep.h"

#include <string.h>

#include "t/unit/tap.h"

#define NO "" /* refused */

static const struct {
	const char *name, *in, *query, *stored;
} cases[] = {
	/* clang-format off */
	/* RFC 4013 3 */
	{ "1: a soft hyphen is mapped to nothing", "I\xc2\xadX", "IX", "IX" },
	{ "2: nothing is changed", "user", "user", "user" },
	{ "3: nor is case", "USER", "USER", "USER" },
	{ "4: normal form KC", "\xc2\xaa", "a", "a" },
	{ "5: normal form KC, the same as 1", "\xe2\x85\xa8", "IX", "IX" },
	{ "6: a prohibited character", "\x07", NO, NO },
	{ "7: bidirectional check", "\xd8\xa7""1", NO, NO },
	/* 2.1 */
	{ "a space that is none of ASCII's", "a\xc2\xa0""b", "a b", "a b" },
	{ "an ideographic space", "a\xe3\x80\x80""b", "a b", "a b" },
	{ "nothing but what is mapped to nothing", "\xc2\xad\xe2\x81\xa0", NO, NO },
	{ "nothing", "", NO, NO },
	/* 2.2 */
	{ "a letter and its accent", "o\xcc\x88", "\xc3\xb6", "\xc3\xb6" },
	{ "composed", "\xc3\xb6", "\xc3\xb6", "\xc3\xb6" },
	{ "two accents in another order", "a\xcc\x82\xcc\xa3", "\xe1\xba\xad", "\xe1\xba\xad" },
	{ "one mark blocks another", "a\xcc\x84\xcc\x81\xcc\x84", "\xc4\x81\xcc\x81\xcc\x84", "\xc4\x81\xcc\x81\xcc\x84" },
	{ "one that makes nothing blocks, too", "a\xcc\x85\xcc\x81", "a\xcc\x85\xcc\x81", "a\xcc\x85\xcc\x81" },
	{ "a mark with no letter", "\xcc\x88o", "\xcc\x88o", "\xcc\x88o" },
	{ "what is never composed", "\xe0\xa5\x98", "\xe0\xa4\x95\xe0\xa4\xbc", "\xe0\xa4\x95\xe0\xa4\xbc" },
	{ "a ligature", "\xef\xac\x81sh", "fish", "fish" },
	{ "a wide letter", "\xef\xbc\xa1", "A", "A" },
	{ "a wide tilde is no less", "\xef\xbd\x9e", "~", "~" },
	{ "two made of one made of two", "\xe1\xba\x9b\xcc\xa3", "\xe1\xb9\xa9", "\xe1\xb9\xa9" },
	{ "eighteen made of one", "\xef\xb7\xba", "\xd8\xb5\xd9\x84\xd9\x89 \xd8\xa7\xd9\x84\xd9\x84\xd9\x87 "
	  "\xd8\xb9\xd9\x84\xd9\x8a\xd9\x87 \xd9\x88\xd8\xb3\xd9\x84\xd9\x85",
	  "\xd8\xb5\xd9\x84\xd9\x89 \xd8\xa7\xd9\x84\xd9\x84\xd9\x87 "
	  "\xd8\xb9\xd9\x84\xd9\x8a\xd9\x87 \xd9\x88\xd8\xb3\xd9\x84\xd9\x85" },
	{ "Hangul", "\xe1\x84\x92\xe1\x85\xb5\xe1\x87\x82", "\xed\x9e\xa3", "\xed\x9e\xa3" },
	{ "Hangul, composed by halves", "\xea\xb0\x80\xe1\x86\xa8", "\xea\xb0\x81", "\xea\xb0\x81" },
	{ "Hangul that is whole takes no more", "\xea\xb0\x81\xe1\x86\xa8", "\xea\xb0\x81\xe1\x86\xa8", "\xea\xb0\x81\xe1\x86\xa8" },
	/* 2.3 */
	{ "a line end", "a\nb", NO, NO },
	{ "DEL", "a\x7f", NO, NO },
	{ "C1", "a\xc2\x85", NO, NO },
	{ "private use", "\xee\x80\x80", NO, NO },
	{ "a noncharacter", "\xef\xbf\xbe", NO, NO },
	{ "a replacement character", "a\xef\xbf\xbd", NO, NO },
	{ "an ideographic description", "\xe2\xbf\xb0", NO, NO },
	{ "a change of direction", "a\xe2\x80\xae""b", NO, NO },
	{ "a tag", "\xf3\xa0\x81\x81", NO, NO },
	{ "no UTF-8", "\xe4", NO, NO },
	{ "an overlong slash", "\xc0\xaf", NO, NO },
	{ "a surrogate", "\xed\xa0\x80", NO, NO },
	/* 2.4 */
	{ "Hebrew", "\xd7\xa9\xd7\x9c", "\xd7\xa9\xd7\x9c", "\xd7\xa9\xd7\x9c" },
	{ "a digit in the middle of it", "\xd7\xa9""1\xd7\x9c", "\xd7\xa9""1\xd7\x9c", "\xd7\xa9""1\xd7\x9c" },
	{ "a letter in the middle of it", "\xd7\xa9""a\xd7\x9c", NO, NO },
	{ "a Greek letter in the middle of it", "\xd7\xa9\xce\xb1\xd7\x9c", NO, NO },
	{ "a digit before it", "1\xd7\x9c", NO, NO },
	/* 2.5 */
	{ "what Unicode 3.2 does not have", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", NO },
	{ "a letter of later, not decomposed", "\xe1\xac\x86", "\xe1\xac\x86", NO },
	/* clang-format on */
};

int
main(void)
{
	char out[128], big[3 * 2100];

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct view in = view_of(cases[i].in);
		size_t n = saslprep(in, SASLPREP_QUERY, out, sizeof(out));
		ok(n == strlen(out) && strcmp(out, cases[i].query) == 0, "%s",
		    cases[i].name);
		n = saslprep(in, SASLPREP_STORED, out, sizeof(out));
		ok(n == strlen(out) && strcmp(out, cases[i].stored) == 0,
		    "%s, to be stored", cases[i].name);
		if (n > 0) /* what is prepared stays so */
			ok(saslprep(view_of(cases[i].stored), SASLPREP_STORED,
			       out, sizeof(out)) == n &&
				strcmp(out, cases[i].stored) == 0,
			    "and once more");
	}
	ok(saslprep((struct view){ "a\0b", 3 }, SASLPREP_QUERY, out,
	       sizeof(out)) == 0,
	    "a NUL");
	for (size_t size = 1; size <= 5; size++)
		ok(saslprep(view_of("user"), SASLPREP_QUERY, out, size) ==
			(size == 5 ? 4 : 0),
		    "room for %zu", size);
	ok(saslprep(view_of("user"), SASLPREP_QUERY, out, 3) == 0 &&
		out[0] == '\0' && out[1] == '\0' && out[2] == '\0',
	    "what does not fit leaves nothing");
	memset(big, 'a', sizeof(big));
	static char much[sizeof(big)];
	ok(saslprep((struct view){ big, 2048 }, SASLPREP_QUERY, much,
	       sizeof(much)) == 2048,
	    "many characters");
	ok(saslprep((struct view){ big, 2049 }, SASLPREP_QUERY, much,
	       sizeof(much)) == 0,
	    "too many");
	for (size_t i = 0; i < 2100; i++)
		memcpy(big + 3 * i, "\xef\xb7\xba", 3);
	ok(saslprep((struct view){ big, sizeof(big) }, SASLPREP_QUERY, much,
	       sizeof(much)) == 0,
	    "few that become too many");
	return done_testing();
}
