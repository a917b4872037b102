/* The languages of replies (pop3d/lang.c, pop3d/lang_table.c). */
#define _GNU_SOURCE /* memfd_create */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/settings.h"
#include "common/utf8.h"
#include "pop3d/lang.h"
#include "t/unit/tap.h"

/* The conversions of a format, one behind the other. */
static void
conversions(const char *fmt, char *out, size_t size)
{
	size_t n = 0;

	while (*fmt != '\0' && n + 8 < size) {
		if (*fmt++ != '%')
			continue;
		size_t k = strspn(fmt, "0123456789.*-+ #hlzjt") + 1;
		memcpy(out + n, fmt, k);
		n += k;
		out[n++] = ' ';
		fmt += k;
	}
	out[n] = '\0';
}

/* Letters outside of conversions: there is something to be read. */
static bool
has_text(const char *t, bool ascii_only)
{
	for (; *t != '\0'; t++) {
		if ((unsigned char)*t > 127 && !ascii_only)
			return true;
		if ((unsigned char)*t > 127)
			return false;
	}
	return true;
}

static void
row(const char *const text[])
{
	const char *en = text[LANG_EN];
	char want[100], got[100];
	bool good = true;

	if (!ok(en != NULL && en[0] != '\0' && has_text(en, true),
		"%.50s: English is ASCII", en == NULL ? "(none)" : en))
		return;
	conversions(en, want, sizeof(want));
	for (int l = 0; l < LANG__N; l++) {
		const char *t = text[l];
		bool fine = t != NULL && t[0] != '\0';
		if (fine) {
			conversions(t, got, sizeof(got));
			/* RFC 2449 8: "[" at the start is a response code. */
			fine = strcmp(got, want) == 0 && t[0] != '[' &&
			       utf8_valid(view_of(t)) && strlen(t) <= 400 &&
			       strpbrk(t, "\r\n\t\x7f") == NULL &&
			       !isspace((unsigned char)t[strlen(t) - 1]) &&
			       (l == LANG_EN || strcmp(t, en) != 0);
		}
		/* Those written in other letters hold some. */
		if (fine && (l == LANG_RU || l == LANG_ZH))
			fine = has_text(t, false) && !has_text(t, true);
		if (!fine)
			printf("# %s: %s\n", lang_tag((enum lang)l),
			    t == NULL ? "(none)" : t);
		good &= fine;
	}
	ok(good, "%.50s: in all languages", en);
}

static void
ranges(void)
{
	static const struct {
		const char *range, *tag;
	} cases[] = {
		{ "de", "de" },
		{ "DE", "de" },
		{ "de-CH", "de" },
		{ "de-Latn-DE-1996", "de" },
		{ "zh-Hans-CN", "zh" },
		{ "en-GB-x-oed", "en" },
		{ "i-default", "en" },
		{ "I-Default", "en" },
		{ "es-419", "es" },
		{ "fr", "fr" },
		{ "ru", "ru" },
		{ "mul", NULL },
		{ "d", NULL },
		{ "deu", NULL },
		{ "", NULL },
		{ "-", NULL },
		{ "-de", NULL },
		{ "x-de", NULL },
		{ "*", NULL },
		{ "de ", NULL },
	};
	for (size_t i = 0; i < NELEM(cases); i++) {
		enum lang l = LANG__N;
		bool found = lang_find(view_of(cases[i].range), &l);
		ok(cases[i].tag == NULL
			? !found && l == LANG__N
			: found && strcmp(lang_tag(l), cases[i].tag) == 0,
		    "range \"%s\"", cases[i].range);
	}
}

/* pop3d.conf knows the languages that there are. */
static void
settings(void)
{
	for (int l = 0; l < LANG__N; l++) {
		char text[40], *err = NULL;
		int fd = memfd_create("conf", 0);
		int n = snprintf(text, sizeof(text), "language %s\n",
		    lang_tag((enum lang)l));
		enum lang found = LANG__N;
		if (write(fd, text, (size_t)n) != n ||
		    lseek(fd, 0, SEEK_SET) != 0)
			abort();
		struct settings *s = settings_read_fd(fd, "f", true, &err);
		ok(s != NULL && lang_find(view_of(s->language), &found) &&
			found == (enum lang)l,
		    "pop3d.conf: %.*s", n - 1, text);
		settings_free(s);
		free(err);
	}
}

int
main(void)
{
	for (size_t i = 0; i < lang_rows_n; i++) {
		row(lang_rows[i]);
		for (size_t k = 0; k < i; k++)
			if (strcmp(lang_rows[i][0], lang_rows[k][0]) == 0)
				ok(false, "twice: %s", lang_rows[i][0]);
	}
	ok(lang_rows_n > 60, "%zu texts", lang_rows_n);
	ok(strcmp(lang_text(LANG_DE, "Goodbye."), "Auf Wiedersehen.") == 0,
	    "a text is found by its English");
	ok(strcmp(lang_text(LANG_EN, "Goodbye."), "Goodbye.") == 0,
	    "English is English");
	const char *none = "%s";
	ok(lang_text(LANG_RU, none) == none, "what is not there stays");
	ranges();
	settings();
	return done_testing();
}
