/*
 * Mail addresses: RFC 5321's grammar, and no policy.  Nothing is allocated and
 * every octet is looked at once.  Runs in: every role.
 */
#include "common/address.h"

#include <stdio.h>
#include <string.h>

#include "common/utf8.h"

/* Octets outside ASCII come this far only where RFC 6531 is spoken, and are
 * UTF-8 then. */
static bool
is_utf8(char c)
{
	return (unsigned char)c >= 0x80;
}

/* May v be looked at? */
static enum address_error
octets_error(struct view v, bool utf8)
{
	if (view_ascii(v))
		return ADDR_OK;
	if (!utf8)
		return ADDR_UTF8;
	return utf8_printable(v) ? ADDR_OK : ADDR_SYNTAX;
}

/* RFC 5322 3.2.3 */
static bool
is_atext(char c)
{
	return ascii_alnum(c) || is_utf8(c) ||
	       (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool
is_printable(char c)
{
	return (c >= ' ' && c <= '~') || is_utf8(c);
}

/* sub-domain *("." sub-domain), RFC 5321 4.1.2, and the underscore, which no
 * rule allows and many a host name has. */
static bool
is_domain(struct view v)
{
	size_t label = 0; /* octets of it so far */

	if (v.n == 0 || v.n > ADDR_DOMAIN_MAX)
		return false;
	if (v.p[0] == '[')
		return address_literal_valid(v);
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (c == '.') {
			if (label == 0 || v.p[i - 1] == '-')
				return false;
			label = 0;
		} else if (ascii_alnum(c) || is_utf8(c) || c == '_' ||
			   (c == '-' && label > 0)) {
			if (++label > 63) /* RFC 1035 2.3.4 */
				return false;
		} else {
			return false;
		}
	}
	return label > 0 && v.p[v.n - 1] != '-';
}

bool
domain_valid(struct view v)
{
	return view_ascii(v) && is_domain(v);
}

/* RFC 5321 4.1.3.  address_read() takes no scope (%eth0) and no short forms. */
bool
address_literal_read(struct view v, unsigned char out[ADDRESS_OCTETS])
{
	bool v6;

	memset(out, 0, ADDRESS_OCTETS);
	if (v.n < 2 || v.p[0] != '[' || v.p[v.n - 1] != ']')
		return false;
	v = (struct view){ v.p + 1, v.n - 2 };
	v6 = view_casestarts(v, "IPv6:");
	if (v6)
		v = (struct view){ v.p + 5, v.n - 5 };
	return v6 == (memchr(v.p, ':', v.n) != NULL) && address_read(v, out);
}

bool
address_literal_valid(struct view v)
{
	unsigned char octets[ADDRESS_OCTETS];

	return address_literal_read(v, octets);
}

bool
address_literal_is(const char *domain, const char *numeric)
{
	unsigned char a[ADDRESS_OCTETS], b[ADDRESS_OCTETS];

	return address_literal_read(view_of(domain), a) &&
	       address_read(view_of(numeric), b) &&
	       memcmp(a, b, sizeof(a)) == 0;
}

/* "a b\"c"@...: takes the quoted string off *v, unquoted into local.  RFC 5321
 * 4.1.2: Quoted-string. */
static enum address_error
unquote(struct view *v, char *local)
{
	size_t i = 1, n = 0;

	for (; i < v->n && v->p[i] != '"'; i++) {
		if (v->p[i] == '\\' && ++i == v->n)
			return ADDR_SYNTAX;
		if (!is_printable(v->p[i]))
			return ADDR_SYNTAX;
		if (n == ADDR_LOCAL_MAX)
			return ADDR_TOO_LONG;
		local[n++] = v->p[i];
	}
	if (i == v->n)
		return ADDR_SYNTAX;
	local[n] = '\0';
	*v = (struct view){ v->p + i + 1, v->n - i - 1 };
	return ADDR_OK;
}

/* atom *("." atom), taken off *v. */
static enum address_error
dot_string(struct view *v, char *local)
{
	size_t n = 0;

	for (; n < v->n && v->p[n] != '@'; n++) {
		char c = v->p[n];
		bool dot_fits = n > 0 && v->p[n - 1] != '.';

		if (!is_atext(c) && !(c == '.' && dot_fits))
			return ADDR_SYNTAX;
	}
	if (n == 0 || v->p[n - 1] == '.')
		return ADDR_SYNTAX;
	if (n > ADDR_LOCAL_MAX)
		return ADDR_TOO_LONG;
	memcpy(local, v->p, n);
	local[n] = '\0';
	*v = (struct view){ v->p + n, v->n - n };
	return ADDR_OK;
}

/* Could this stand without quotes? */
static bool
is_dot_string(const char *local)
{
	char scratch[ADDR_LOCAL_MAX + 1];
	struct view v = view_of(local);

	return dot_string(&v, scratch) == ADDR_OK && v.n == 0;
}

/* local@domain into text, quoted only if it must be. */
static enum address_error
spell(struct address *a)
{
	char *to = a->text;
	bool quoted = !is_dot_string(a->local);
	size_t n = 0;

	if (quoted)
		to[n++] = '"';
	for (const char *c = a->local; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			to[n++] = '\\';
		to[n++] = *c;
	}
	if (quoted)
		to[n++] = '"';
	/* At most 2 * 64 + 2 so far: there is room for more. */
	size_t room = ADDR_MAX - 2 - n;
	if (a->domain[0] != '\0' && strlen(a->domain) + 1 > room)
		return ADDR_TOO_LONG;
	snprintf(to + n, sizeof(a->text) - n, "%s%s",
	    a->domain[0] == '\0' ? "" : "@", a->domain);
	return ADDR_OK;
}

static enum address_error
parse(struct view v, bool utf8, struct address *out)
{
	struct address a = { .domain = "" };
	enum address_error e;

	memset(out, 0, sizeof(*out));
	if (v.n == 0)
		return ADDR_SYNTAX;
	e = octets_error(v, utf8);
	if (e != ADDR_OK)
		return e;
	e = v.p[0] == '"' ? unquote(&v, a.local) : dot_string(&v, a.local);
	if (e != ADDR_OK)
		return e;
	if (v.n > 0) {
		if (v.p[0] != '@')
			return ADDR_SYNTAX;
		v = (struct view){ v.p + 1, v.n - 1 };
		if (v.n > ADDR_DOMAIN_MAX)
			return ADDR_TOO_LONG;
		if (!is_domain(v) || !view_copy(v, a.domain, sizeof(a.domain)))
			return ADDR_SYNTAX;
	}
	e = spell(&a);
	if (e != ADDR_OK)
		return e;
	for (char *c = a.domain; *c != '\0'; c++)
		*c = (char)ascii_lower(*c);
	*out = a;
	return ADDR_OK;
}

void
address_cut_domain(struct address *a)
{
	a->domain[0] = '\0';
	(void)spell(a); /* it is shorter than before */
}

enum address_error
address_parse(struct view v, struct address *out)
{
	return parse(v, false, out);
}

enum address_error
address_parse_utf8(struct view v, struct address *out)
{
	return parse(v, true, out);
}

bool
address_is_utf8(const struct address *a)
{
	return !view_ascii(view_of(a->text));
}

/* Octets of v up to, not including, the first stop (or blank, when stop is a
 * blank) that is not inside a quoted string. */
static size_t
span_unquoted(struct view v, char stop)
{
	bool quoted = false;

	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == stop || (stop == ' ' && c == '\t')))
			return i;
	}
	return v.n;
}

/* "@a,@b:" must be accepted, should be ignored (RFC 5321 4.1.1.3, C). */
static bool
skip_route(struct view *v)
{
	bool found;
	struct view hops, hop;

	if (v->n == 0 || v->p[0] != '@')
		return true;
	/* A colon inside an address literal is not the end of the route. */
	size_t n = 0;
	for (bool literal = false; n < v->n; n++) {
		if (v->p[n] == '[' || v->p[n] == ']')
			literal = v->p[n] == '[';
		else if (v->p[n] == ':' && !literal)
			break;
	}
	if (n == v->n)
		return false;
	hops = (struct view){ v->p, n };
	*v = (struct view){ v->p + n + 1, v->n - n - 1 };
	do {
		hop = view_split(&hops, ',', &found);
		if (hop.n < 2 || hop.p[0] != '@' ||
		    !is_domain((struct view){ hop.p + 1, hop.n - 1 }))
			return false;
	} while (found);
	return true;
}

static enum address_error
take_path(struct view *v, bool allow_null, bool utf8, struct address *out)
{
	enum address_error e;
	struct view rest = view_trim(*v), path;
	bool bracket = rest.n > 0 && rest.p[0] == '<';

	memset(out, 0, sizeof(*out));
	if (bracket)
		rest = (struct view){ rest.p + 1, rest.n - 1 };
	path.p = rest.p;
	path.n = span_unquoted(rest, bracket ? '>' : ' ');
	rest = (struct view){ rest.p + path.n, rest.n - path.n };
	if (bracket) {
		if (rest.n == 0) /* no '>' */
			return ADDR_SYNTAX;
		rest = (struct view){ rest.p + 1, rest.n - 1 };
		if (rest.n > 0 && rest.p[0] != ' ' && rest.p[0] != '\t')
			return ADDR_SYNTAX;
	}
	*v = view_trim(rest);
	path = view_trim(path);
	if (bracket && path.n == 0)
		return allow_null ? ADDR_OK : ADDR_SYNTAX;
	if (path.n > ADDR_MAX - 2)
		return ADDR_TOO_LONG;
	e = octets_error(path, utf8);
	if (e != ADDR_OK)
		return e;
	if (!skip_route(&path))
		return ADDR_SYNTAX;
	return parse(path, utf8, out);
}

enum address_error
address_path(struct view *v, bool allow_null, struct address *out)
{
	return take_path(v, allow_null, false, out);
}

enum address_error
address_path_utf8(struct view *v, bool allow_null, struct address *out)
{
	return take_path(v, allow_null, true, out);
}
