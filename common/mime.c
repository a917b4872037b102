/* The structure of MIME.  Runs in: worker. */
#include "common/mime.h"

#include <string.h>

/* ---- fields, RFC 2045 5.1, 6.1 ---- */

/* Skips blanks, line ends and comments (RFC 5322 3.2.2). */
static struct view
skip_cfws(struct view v)
{
	unsigned depth = 0;

	for (; v.n > 0; v.p++, v.n--) {
		char c = *v.p;

		if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (c == '\\' && depth > 0 && v.n > 1)
			v.p++, v.n--;
		else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' &&
			 c != '\n')
			break;
	}
	return v;
}

static bool
is_token(char c)
{
	return c > ' ' && c <= '~' && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

struct view
mime_token(struct view *v)
{
	struct view t = skip_cfws(*v);
	size_t n = 0;

	while (n < t.n && (is_token(t.p[n]) || t.p[n] == '/'))
		n++;
	*v = t;
	if (n > 0) /* there may be nothing at all to point at */
		*v = (struct view){ t.p + n, t.n - n };
	t.n = n;
	return t;
}

/* A parameter's value into out, which has room for max octets; how many, or
 * max + 1 if it does not fit. */
static size_t
take_value(struct view *v, char *out, size_t max)
{
	struct view t = skip_cfws(*v);
	bool quoted = t.n > 0 && t.p[0] == '"';
	size_t i = quoted, n = 0;

	for (; i < t.n; i++) {
		char c = t.p[i];

		if (quoted && c == '"')
			break;
		if (quoted && (c == '\r' || c == '\n'))
			continue; /* folded */
		if (quoted && c == '\\' && i + 1 < t.n)
			c = t.p[++i];
		else if (!quoted && !is_token(c) && strchr("/:?=", c) == NULL)
			break;
		if (n < max)
			out[n] = c;
		n += n <= max;
	}
	i += quoted && i < t.n;
	*v = t;
	if (i > 0)
		*v = (struct view){ t.p + i, t.n - i };
	return n;
}

/* The boundary of a Content-Type's parameters; as take_value.  0: none. */
static size_t
find_boundary(struct view v, char *out, size_t max)
{
	char other[1];

	for (;;) {
		v = skip_cfws(v);
		if (v.n == 0 || v.p[0] != ';')
			return 0;
		v = (struct view){ v.p + 1, v.n - 1 };
		struct view name = mime_token(&v);
		v = skip_cfws(v);
		if (v.n == 0 || v.p[0] != '=')
			continue;
		v = (struct view){ v.p + 1, v.n - 1 };
		if (view_caseeqs(name, "boundary"))
			return take_value(&v, out, max);
		take_value(&v, other, sizeof(other));
	}
}

enum mime_kind
mime_kind(struct view *value, bool in_digest, bool *digest)
{
	struct view type = mime_token(value);

	*digest = view_caseeqs(type, "multipart/digest");
	if (view_casestarts(type, "multipart/"))
		return MIME_MULTIPART;
	return view_caseeqs(type, "message/rfc822") ||
		       view_caseeqs(type, "message/global") ||
		       (type.n == 0 && in_digest)
		   ? MIME_MESSAGE
		   : MIME_LEAF;
}

/* ---- multiparts, RFC 2046 5.1 ---- */

bool
mime_enter(struct mime_levels *l, struct view parameters, bool digest)
{
	char boundary[MIME_BOUNDARY];
	size_t n = find_boundary(parameters, boundary, sizeof(boundary));

	if (n == 0)
		return true; /* nobody can find its parts */
	if (n > sizeof(boundary) || l->depth == MIME_DEPTH)
		return false;
	memcpy(l->level[l->depth].boundary, boundary, n);
	l->level[l->depth].n = n;
	l->level[l->depth].digest = digest;
	l->depth++;
	return true;
}

bool
mime_boundary(struct mime_levels *l, struct view line, bool *last)
{
	size_t k = l->depth;

	*last = false;
	if (line.n < 3 || line.p[0] != '-' || line.p[1] != '-')
		return false;
	line = (struct view){ line.p + 2, line.n - 2 };
	while (k-- > 0) {
		size_t n = l->level[k].n;
		if (line.n < n || memcmp(line.p, l->level[k].boundary, n) != 0)
			continue;
		struct view rest = { line.p + n, line.n - n };
		*last = rest.n >= 2 && rest.p[0] == '-' && rest.p[1] == '-';
		if (*last)
			rest = (struct view){ rest.p + 2, rest.n - 2 };
		if (view_trim(rest).n > 0)
			continue;
		l->depth = *last ? k : k + 1;
		return true;
	}
	return false;
}
