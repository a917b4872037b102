/* Solicitation class keywords.  Runs in: worker. */
#include "smtpd/solicit.h"

#include <string.h>

enum { LIST_MAX = 1000 };

static bool
is_word(struct view v)
{
	if (v.n == 0 || !ascii_alpha(v.p[0]))
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_alnum(v.p[i]) && memchr(".-_:", v.p[i], 4) == NULL)
			return false;
	return true;
}

bool
solicit_valid(struct view v)
{
	bool more = v.n <= LIST_MAX;

	if (!more)
		return false;
	while (more)
		if (!is_word(view_split(&v, ',', &more)))
			return false;
	return true;
}

struct view
solicit_match(struct view list, struct view unwanted)
{
	bool more = unwanted.n > 0;

	while (more) {
		struct view word = view_trim(view_split(&list, ',', &more));
		struct view rest = unwanted;
		bool others = word.n > 0;

		while (others)
			if (view_caseeq(word,
				view_trim(view_split(&rest, ',', &others))))
				return word;
	}
	return (struct view){ NULL, 0 };
}
