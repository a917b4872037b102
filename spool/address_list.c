/* Lists of addresses (RFC 5322 3.4).  Runs in: sendmail. */
#include "spool/address_list.h"

#include <string.h>

/* An address that is longer than this is none, whatever is left out of it. */
enum { TEXT_MAX = 1024 };

struct item {
	char p[TEXT_MAX]; /* without comments, and blanks joined */
	size_t n;
	bool bad;    /* it does not fit, or is not closed */
	bool blank;  /* a blank is due before the next octet */
	bool angle;  /* p is what stood in <> */
	bool closed; /* and the > was there */
};

static void
put(struct item *it, char c)
{
	if (it->n == sizeof(it->p))
		it->bad = true;
	else
		it->p[it->n++] = c;
}

/* Blanks around dots and @ are obsolete syntax and mean nothing; those between
 * words of a name stay, so that two words are no address. */
static void
add(struct item *it, char c)
{
	bool joins = c == '.' || c == '@' || c == ',' || c == ':';

	if (it->blank && it->n > 0 && !joins &&
	    strchr(".@,:", it->p[it->n - 1]) == NULL)
		put(it, ' ');
	it->blank = false;
	/* Behind <...> only comments may stand; else it is not clear which of
	 * the two is meant. */
	if (it->closed)
		it->bad = true;
	else
		put(it, c);
}

/* v begins with '(': how long the comment is, nested ones included. */
static size_t
comment(struct view v, bool *bad)
{
	unsigned depth = 0;

	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '\\')
			i++;
		else if (v.p[i] == '(')
			depth++;
		else if (v.p[i] == ')' && --depth == 0)
			return i + 1;
	}
	*bad = true;
	return v.n;
}

/* v begins with '"': copies the quoted string, and says how long it is. */
static size_t
quoted(struct item *it, struct view v)
{
	size_t i = 1;

	add(it, '"');
	for (; i < v.n && v.p[i] != '"'; i++) {
		if (v.p[i] == '\r' || v.p[i] == '\n')
			continue; /* folded */
		if (v.p[i] == '\\' && i + 1 < v.n)
			add(it, v.p[i++]);
		add(it, v.p[i]);
	}
	if (i >= v.n) {
		it->bad = true;
		return v.n;
	}
	add(it, '"');
	return i + 1;
}

/* v begins with '[': a domain literal, in which there are colons. */
static size_t
literal(struct item *it, struct view v)
{
	size_t i = 0;

	while (i < v.n && v.p[i] != ']')
		add(it, v.p[i++]);
	if (i == v.n)
		it->bad = true;
	else
		add(it, v.p[i++]);
	return i;
}

/* What stood before is a name: of the person, or of the group. */
static void
begin(struct item *it, bool angle)
{
	it->n = 0;
	it->blank = false;
	it->angle = angle;
}

/* Takes one octet, or what it begins, of the item; 0: the item ends there. */
static size_t
step(struct item *it, struct view v, bool *inside)
{
	switch (v.p[0]) {
	case '(':
		it->blank = true;
		return comment(v, &it->bad);
	case '"':
		return quoted(it, v);
	case '[':
		return literal(it, v);
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		it->blank = true;
		return 1;
	case '<':
		it->bad |= *inside || it->angle;
		begin(it, true);
		*inside = true;
		return 1;
	case '>':
		it->bad |= !*inside;
		*inside = false;
		it->closed = true;
		return 1;
	case ':': /* a group's name, or in <> a route */
		if (*inside)
			break;
		it->bad |= it->angle;
		begin(it, false);
		return 1;
	case ',':
	case ';':
		if (!*inside)
			return 0;
		break;
	}
	add(it, v.p[0]);
	return 1;
}

/* Reads one item; false: nothing stands there. */
static bool
read_item(struct view *rest, struct item *it, struct view *text)
{
	const char *from = rest->p;
	bool inside = false;

	it->n = 0;
	it->bad = it->blank = it->angle = it->closed = false;
	while (rest->n > 0) {
		size_t n = step(it, *rest, &inside);
		if (n == 0)
			break;
		*rest = (struct view){ rest->p + n, rest->n - n };
	}
	it->bad |= inside;
	*text = view_trim((struct view){ from, (size_t)(rest->p - from) });
	if (rest->n > 0) /* the comma, or the end of the group */
		*rest = (struct view){ rest->p + 1, rest->n - 1 };
	return it->n > 0 || it->bad || it->angle;
}

enum address_item
address_list_next(struct view *rest, struct address *out, struct view *text)
{
	struct item it;

	*out = (struct address){ .text = "" };
	*text = (struct view){ NULL, 0 };
	while (rest->n > 0) {
		if (!read_item(rest, &it, text))
			continue;
		struct view v = { it.p, it.n };
		if (it.bad || v.n == 0)
			return ITEM_BAD;
		if (v.p[0] == '@') { /* a route: it is passed over */
			const char *colon = memchr(v.p, ':', v.n);
			if (colon == NULL)
				return ITEM_BAD;
			v.n -= (size_t)(colon + 1 - v.p);
			v.p = colon + 1;
		}
		return address_parse_utf8(v, out) == ADDR_OK ? ITEM_ADDRESS
							     : ITEM_BAD;
	}
	return ITEM_END;
}
