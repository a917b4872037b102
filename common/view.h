#ifndef COMMON_VIEW_H
#define COMMON_VIEW_H
/*
 * A view is text that somebody else owns: a pointer and a length.  It may hold
 * any octet, NUL included, and has no terminator.  {NULL, 0} is empty.
 */
#include <stdbool.h>
#include <stddef.h>

struct view {
	const char *p;
	size_t n; /* octets */
};

#define NELEM(a) (sizeof(a) / sizeof((a)[0]))

struct view view_of(const char *cstr); /* NULL gives the empty view */
bool view_eq(struct view a, struct view b);
bool view_eqs(struct view a, const char *cstr);
/* Without regard to the case of ASCII letters; the locale does not matter. */
bool view_caseeq(struct view a, struct view b);
bool view_caseeqs(struct view a, const char *cstr);
bool view_casestarts(struct view a, const char *prefix);
/* Without leading and trailing spaces and tabs. */
struct view view_trim(struct view v);
/* And without CR and LF there: a field's value, or a line. */
struct view view_strip(struct view v);
/* Takes at most n octets off *v. */
struct view view_take(struct view *v, size_t n);
/* Takes a header field with its continuation lines (RFC 5322 2.2.3) and line
 * end off *v, or what is there of it; empty only if *v is. */
struct view view_field(struct view *v);
/* Takes the first word off *v: skips spaces and tabs, returns what stands up
 * to the next one, and leaves *v behind it with leading blanks skipped. */
struct view view_token(struct view *v);
/* Splits *v at the first c: returns what is before it and leaves in *v what is
 * behind it.  Without c: returns all and leaves *v empty.  *found says which
 * (may be NULL). */
struct view view_split(struct view *v, char c, bool *found);
/* Copies v as a string into dst of size octets.  False, and dst empty, when it
 * does not fit or holds a NUL. */
bool view_copy(struct view v, char *dst, size_t size);
/* Decimal digits only, nothing else, at most max.  *out is set on success. */
bool view_number(struct view v, unsigned long long max,
    unsigned long long *out);

/* Has v no octet above 127? */
bool view_ascii(struct view v);

/* ASCII only, whatever the locale says. */
int ascii_lower(int c);
bool ascii_alpha(int c);
bool ascii_digit(int c);
bool ascii_alnum(int c);
bool ascii_white(int c); /* a space or tab, CR or LF: in folded fields */
#endif
