#ifndef POP3D_LANG_H
#define POP3D_LANG_H
/*
 * The languages of replies (RFC 6856 3).  What the program says stands in the
 * code in English; lang_text() gives it in another language, from the table in
 * lang_table.c.  Before LANG was used, replies are English and ASCII.
 */
#include "common/view.h"

enum lang { LANG_EN, LANG_RU, LANG_ZH, LANG_DE, LANG_FR, LANG_ES, LANG__N };

/* Marks a text that reaches lang_text() as a variable, for the test that looks
 * for what the table lacks. */
#define LANG_TEXT(english) english

/* The text, a printf format with the same conversions.  What is not in the
 * table (such as "%s") is given back as it is. */
const char *lang_text(enum lang, const char *english)
    __attribute__((format_arg(2)));
/* The language that a basic language range names (RFC 4647 2.1), where need be
 * without its last subtags (3.4): de-CH is de; i-default is English.  False:
 * there is none. */
bool lang_find(struct view range, enum lang *out);
const char *lang_tag(enum lang);  /* "de" */
const char *lang_name(enum lang); /* "Deutsch" */

/* The table; for lang_text() and the tests. */
extern const char *const lang_rows[][LANG__N];
extern const size_t lang_rows_n;
#endif
