/* Surrogates of messages: one field.  Runs in: worker (pop3d), sender. */
#include <string.h>

#include "common/encoded_word.h"
#include "common/mime.h"
#include "common/surrogate.h"
#include "common/utf8.h"

#define INVALID "<invalid@internationalized-address.invalid>"

/* ---- addresses (RFC 5322 3.4) ---- */

/* Where one is inside a structured value. */
struct lex {
	bool quote, angle, bracket;
	unsigned comment; /* depth */
};

/* Steps over the octet at v.p[i]; gives the index behind it. */
static size_t
lex_step(struct lex *x, struct view v, size_t i)
{
	char c = v.p[i];

	if (c == '\\' && (x->quote || x->comment > 0))
		return i + 1 < v.n ? i + 2 : i + 1;
	if (x->quote) {
		x->quote = c != '"';
	} else if (x->comment > 0 || c == '(') {
		x->comment += c == '(';
		x->comment -= c == ')';
	} else if (c == '"') {
		x->quote = true;
	} else if (c == '<' || c == '>') {
		x->angle = c == '<';
	} else if (c == '[' || c == ']') {
		x->bracket = c == '[';
	}
	return i + 1;
}

static bool
lex_top(const struct lex *x)
{
	return !x->quote && !x->angle && !x->bracket && x->comment == 0;
}

/* The parts of one address; text that is none is the address of nobody. */
struct address {
	struct view phrase, addr, comment;
	bool angle;
};

/* Takes v apart: phrase <addr>, or addr (comment). */
static void
address_parts(struct view v, struct address *a)
{
	struct lex x = { false, false, false, 0 }, was;
	size_t open = 0, comment = 0;

	*a = (struct address){ .addr = v };
	for (size_t i = 0, next; i < v.n; i = next) {
		was = x;
		next = lex_step(&x, v, i);
		if (x.angle && !was.angle) {
			open = i + 1;
		} else if (was.angle && !x.angle) {
			a->angle = true;
			a->phrase = view_strip((struct view){ v.p, open - 1 });
			a->addr =
			    view_strip((struct view){ v.p + open, i - open });
			return;
		} else if (x.comment == 1 && was.comment == 0) {
			comment = next;
			a->addr = view_strip((struct view){ v.p, i });
		} else if (x.comment == 0 && was.comment == 1) {
			a->comment = view_strip(
			    (struct view){ v.p + comment, i - comment });
			/* Between, or twice, is too odd to be understood. */
			if (view_strip((struct view){ v.p + next, v.n - next })
				.n > 0)
				a->addr = v;
		}
	}
	if (x.comment > 0)
		a->addr = v;
}

/* The text of a phrase: quoted strings without their quotes. */
static void
phrase_text(struct view v, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '\\' && i + 1 < v.n)
			i++;
		else if (v.p[i] == '"')
			continue;
		buf_addc(out, v.p[i]);
	}
}

/* A name of encoded-words and blanks only: it stays, as it would be shown raw
 * inside of another encoded-word. */
static bool
encoded_name(struct view v)
{
	bool all = v.n > 0 && view_ascii(v);

	while (all && v.n > 0) {
		struct view word = view_token(&v);
		all = word.n > 4 && memcmp(word.p, "=?", 2) == 0 &&
		      memcmp(word.p + word.n - 2, "?=", 2) == 0;
	}
	return all;
}

/* An address that no ASCII client could use, as a name in front of one that
 * belongs to nobody. */
static void
put_invalid(const struct address *a, bool path, struct buf *out)
{
	struct buf text;

	if (path) { /* Return-Path has no name */
		buf_adds(out, INVALID);
		return;
	}
	buf_init(&text, SURROGATE_FIELD_MAX + 8);
	if (encoded_name(a->phrase)) {
		buf_addv(out, a->phrase);
		buf_addc(out, ' ');
		buf_addc(&text, ' '); /* that one is not shown */
	} else if (a->phrase.n > 0) {
		phrase_text(a->phrase, &text);
		buf_addc(&text, ' ');
	}
	buf_adds(&text, a->angle ? "<" : "");
	buf_addv(&text, a->addr);
	buf_adds(&text, a->angle ? ">" : "");
	encoded_word(buf_view(&text), out);
	encoded_gap(out, sizeof(INVALID) - 1);
	buf_adds(out, INVALID);
	out->bad |= text.bad;
	buf_free(&text);
}

/* One address of a list, or (group) a group's name. */
static void
put_address(struct view v, bool group, bool path, struct buf *out)
{
	struct view body = view_strip(v);
	struct address a;
	struct buf text;

	if (view_ascii(v)) {
		buf_addv(out, v);
		return;
	}
	buf_add(out, v.p, (size_t)(body.p - v.p));
	address_parts(body, &a);
	if (!group && !a.angle)
		a.phrase = a.comment;
	if (!group && (!view_ascii(a.addr) || a.addr.n == 0)) {
		put_invalid(&a, path, out);
		return;
	}
	buf_init(&text, SURROGATE_FIELD_MAX);
	phrase_text(group ? body : a.phrase, &text);
	if (view_ascii(buf_view(&text))) {
		buf_addv(out, a.angle ? a.phrase : (struct view){ "", 0 });
		buf_adds(out, a.phrase.n > 0 && a.angle ? " " : "");
	} else if (!path) {
		encoded_word(buf_view(&text), out);
		if (!group)
			encoded_gap(out, a.addr.n + 2);
	}
	out->bad |= text.bad;
	buf_free(&text);
	if (group)
		return;
	buf_addc(out, '<');
	buf_addv(out, a.addr);
	buf_addc(out, '>');
}

static void
put_addresses(struct view v, bool path, struct buf *out)
{
	struct lex x = { false, false, false, 0 };
	size_t start = 0;

	for (size_t i = 0; i < v.n;) {
		char c = v.p[i];
		if (!lex_top(&x) || (c != ',' && c != ';' && c != ':')) {
			i = lex_step(&x, v, i);
			continue;
		}
		put_address((struct view){ v.p + start, i - start }, c == ':',
		    path, out);
		buf_addc(out, c);
		start = ++i;
	}
	put_address(
	    (struct view){ v.p + start, v.n - start }, false, path, out);
}

static void
convert_addresses(struct view v, bool keep, struct buf *out)
{
	(void)keep;
	put_addresses(v, false, out);
}

static void
convert_path(struct view v, bool keep, struct buf *out)
{
	(void)keep;
	put_addresses(v, true, out);
}

/* ---- parameters (RFC 2045 5.1) ---- */

/* One that begins with its semicolon, in its extended form (RFC 2231 4). */
static void
put_extended(struct view v, struct buf *out)
{
	bool equals;
	struct view value = { v.p + 1, v.n - 1 };
	struct view name = view_strip(view_split(&value, '=', &equals));
	struct view rest = name;

	value = view_strip(value);
	/* A line has at most 998 octets (RFC 5322 2.1.1). */
	if (!equals || name.n > 60 || mime_token(&rest).n != name.n ||
	    name.n == 0 || value.n > 255)
		return;
	if (value.n > 1 && value.p[0] == '"' && value.p[value.n - 1] == '"')
		value = (struct view){ value.p + 1, value.n - 2 };
	buf_adds(out, ";\n\t");
	buf_addv(out, name);
	buf_adds(out, utf8_valid(value) ? "*=utf-8''" : "*=unknown-8bit''");
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];
		if (c == '\\' && i + 1 < value.n)
			c = (unsigned char)value.p[++i];
		if (ascii_alnum((char)c) || c == '.' || c == '-' || c == '_')
			buf_addc(out, (char)c);
		else if (c != '\r' && c != '\n')
			buf_addf(out, "%%%02X", c);
	}
}

static void
convert_parameters(struct view v, bool keep, struct buf *out)
{
	struct lex x = { false, false, false, 0 };
	size_t start = 0;

	for (size_t i = 0; i <= v.n;) {
		if (i < v.n && (v.p[i] != ';' || x.quote || x.comment > 0)) {
			i = lex_step(&x, v, i);
			continue;
		}
		/* With the semicolon before it; the first is the value. */
		struct view one = { v.p + start, i - start };
		if (view_ascii(one))
			buf_addv(out, one);
		else if (start == 0)
			return;
		else if (keep)
			put_extended(one, out);
		start = i++;
	}
}

/* ---- fields ---- */

static void
convert_text(struct view v, bool keep, struct buf *out)
{
	(void)keep;
	encoded_text(v, out);
}

typedef void convert(struct view value, bool keep, struct buf *out);

/* clang-format off */
static const struct {
	const char *name;
	convert *convert; /* if it adds nothing, the field goes */
} fields[] = {
	{ "Bcc",                 convert_addresses }, /* RFC 6858 2.1 */
	{ "Cc",                  convert_addresses },
	{ "From",                convert_addresses },
	{ "Reply-To",            convert_addresses },
	{ "Resent-Bcc",          convert_addresses },
	{ "Resent-Cc",           convert_addresses },
	{ "Resent-From",         convert_addresses },
	{ "Resent-Sender",       convert_addresses },
	{ "Resent-To",           convert_addresses },
	{ "Return-Path",         convert_path },
	{ "Sender",              convert_addresses },
	{ "To",                  convert_addresses },
	{ "Content-Type",        convert_parameters }, /* 2.2 */
	{ "Content-Disposition", convert_parameters },
	{ "Subject",             convert_text },       /* 2.3 */
};
/* clang-format on */

void
surrogate_field(struct view field, bool keep, struct buf *out)
{
	bool colon, known = false;
	struct view value = field;
	struct view name = view_trim(view_split(&value, ':', &colon));
	struct buf text;

	if (keep && (!colon || !view_ascii(name))) /* it is no field */
		buf_addv(out, field);
	if (!colon || (keep && !view_ascii(name)))
		return;
	buf_init(&text, SURROGATE_OUT_MAX);
	buf_addv(&text, name);
	buf_addc(&text, ':');
	for (size_t i = 0; i < NELEM(fields); i++)
		if (view_caseeqs(name, fields[i].name)) {
			fields[i].convert(value, keep, &text);
			known = true;
		}
	if (!known && keep)
		encoded_text(value, &text);
	while (text.n > 0 && ascii_white(text.p[text.n - 1]))
		text.n--;
	/* Nothing came behind the name: the field goes. */
	if (!text.bad && text.n > name.n + 1) {
		buf_addv(out, buf_view(&text));
		buf_addc(out, '\n');
	}
	buf_free(&text);
}
