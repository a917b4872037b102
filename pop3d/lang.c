/* Languages, by tag and range; the texts are in lang_table.c.  Runs in: worker
 * (pop3d). */
#include "pop3d/lang.h"

#include <string.h>

/* clang-format off */
static const struct {
	const char *tag, *name; /* RFC 5646; the language in itself */
} languages[LANG__N] = {
	[LANG_EN] = { "en", "English" },
	[LANG_RU] = { "ru", "Русский" },
	[LANG_ZH] = { "zh", "中文" },
	[LANG_DE] = { "de", "Deutsch" },
	[LANG_FR] = { "fr", "Français" },
	[LANG_ES] = { "es", "Español" },
};
/* clang-format on */

const char *
lang_tag(enum lang l)
{
	return languages[l].tag;
}

const char *
lang_name(enum lang l)
{
	return languages[l].name;
}

const char *
lang_text(enum lang l, const char *english)
{
	if (l == LANG_EN)
		return english;
	for (size_t i = 0; i < lang_rows_n; i++)
		if (strcmp(lang_rows[i][LANG_EN], english) == 0)
			return lang_rows[i][l];
	return english;
}

bool
lang_find(struct view range, enum lang *out)
{
	if (view_caseeqs(range, "i-default")) {
		*out = LANG_EN;
		return true;
	}
	while (range.n > 0) {
		for (int l = 0; l < LANG__N; l++) {
			if (view_caseeqs(range, languages[l].tag)) {
				*out = (enum lang)l;
				return true;
			}
		}
		while (range.n > 0 && range.p[--range.n] != '-')
			continue;
	}
	return false;
}
