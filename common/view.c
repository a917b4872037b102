/* Text as pointer and length.  Runs in: every role. */
#include "common/view.h"

#include <string.h>

int
ascii_lower(int c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

bool
ascii_alpha(int c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool
ascii_digit(int c)
{
	return c >= '0' && c <= '9';
}

bool
ascii_alnum(int c)
{
	return ascii_alpha(c) || ascii_digit(c);
}

bool
ascii_white(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct view
view_of(const char *cstr)
{
	return (struct view){ cstr, cstr == NULL ? 0 : strlen(cstr) };
}

bool
view_eq(struct view a, struct view b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
view_eqs(struct view a, const char *cstr)
{
	return view_eq(a, view_of(cstr));
}

bool
view_caseeq(struct view a, struct view b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
			return false;
	return true;
}

bool
view_caseeqs(struct view a, const char *cstr)
{
	return view_caseeq(a, view_of(cstr));
}

bool
view_casestarts(struct view a, const char *prefix)
{
	size_t n = strlen(prefix);

	return a.n >= n &&
	       view_caseeq((struct view){ a.p, n }, view_of(prefix));
}

static bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct view
skip_blanks(struct view v)
{
	while (v.n > 0 && blank(v.p[0])) {
		v.p++;
		v.n--;
	}
	return v;
}

struct view
view_trim(struct view v)
{
	v = skip_blanks(v);
	while (v.n > 0 && blank(v.p[v.n - 1]))
		v.n--;
	return v;
}

struct view
view_strip(struct view v)
{
	while (v.n > 0 && ascii_white(v.p[0]))
		v = (struct view){ v.p + 1, v.n - 1 };
	while (v.n > 0 && ascii_white(v.p[v.n - 1]))
		v.n--;
	return v;
}

struct view
view_token(struct view *v)
{
	struct view rest = skip_blanks(*v);
	struct view word = { rest.p, 0 };

	while (word.n < rest.n && !blank(rest.p[word.n]))
		word.n++;
	*v = skip_blanks((struct view){ rest.p + word.n, rest.n - word.n });
	return word;
}

struct view
view_split(struct view *v, char c, bool *found)
{
	struct view all = *v;
	const char *at = all.n == 0 ? NULL : memchr(all.p, c, all.n);

	if (found != NULL)
		*found = at != NULL;
	if (at == NULL) {
		*v = (struct view){ NULL, 0 };
		return all;
	}
	size_t n = (size_t)(at - all.p);
	*v = (struct view){ at + 1, all.n - n - 1 };
	return (struct view){ all.p, n };
}

struct view
view_take(struct view *v, size_t n)
{
	struct view first = *v;

	if (n >= first.n) {
		*v = (struct view){ NULL, 0 };
		return first;
	}
	first.n = n;
	*v = (struct view){ v->p + n, v->n - n };
	return first;
}

struct view
view_field(struct view *v)
{
	size_t n = 0;

	while (n < v->n && (n == 0 || blank(v->p[n]))) {
		const char *lf = memchr(v->p + n, '\n', v->n - n);
		n = lf == NULL ? v->n : (size_t)(lf - v->p) + 1;
	}
	return view_take(v, n);
}

bool
view_copy(struct view v, char *dst, size_t size)
{
	dst[0] = '\0';
	if (v.n >= size || (v.n > 0 && memchr(v.p, '\0', v.n) != NULL))
		return false;
	if (v.n > 0)
		memcpy(dst, v.p, v.n);
	dst[v.n] = '\0';
	return true;
}

bool
view_ascii(struct view v)
{
	unsigned char all = 0;

	for (size_t i = 0; i < v.n; i++)
		all |= (unsigned char)v.p[i];
	return all < 0x80;
}

bool
view_number(struct view v, unsigned long long max, unsigned long long *out)
{
	unsigned long long sum = 0;

	if (v.n == 0)
		return false;
	for (size_t i = 0; i < v.n; i++) {
		if (!ascii_digit(v.p[i]))
			return false;
		unsigned digit = (unsigned)(v.p[i] - '0');
		if (digit > max || sum > (max - digit) / 10)
			return false;
		sum = sum * 10 + digit;
	}
	*out = sum;
	return true;
}
