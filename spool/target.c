/*
 * The grammar of aliases(5) and .forward, right-hand sides.
 * Runs in: expand, lookup; deliver's children, as a user.
 */
#include "spool/target.h"

#include <stdio.h>
#include <string.h>

#include "common/address.h"
#include "common/utf8.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void
skip(struct view *v, size_t n)
{
	v->p += n;
	v->n -= n;
}

static void
skip_line(struct view *v)
{
	while (v->n > 0 && v->p[0] != '\n')
		skip(v, 1);
}

/* Up to where a target begins. */
static void
skip_between(struct view *v)
{
	while (v->n > 0) {
		if (v->p[0] == '#')
			skip_line(v);
		else if (is_blank(v->p[0]) || v->p[0] == ',' || v->p[0] == '\n')
			skip(v, 1);
		else
			break;
	}
}

/* Octets of the quoted string at the start of v, quotes included; 0: it is not
 * closed in its line. */
static size_t
quoted_length(struct view v)
{
	for (size_t i = 1; i < v.n && v.p[i] != '\n'; i++) {
		if (v.p[i] == '"')
			return i + 1;
		if (v.p[i] == '\\' && i + 1 < v.n && v.p[i + 1] != '\n')
			i++;
	}
	return 0;
}

/* Octets of the comment in parentheses at the start of v; they nest. */
static size_t
comment_length(struct view v)
{
	size_t depth = 0;

	for (size_t i = 0; i < v.n && v.p[i] != '\n'; i++) {
		if (v.p[i] == '\\')
			i++;
		else if (v.p[i] == '(')
			depth++;
		else if (v.p[i] == ')' && --depth == 0)
			return i + 1;
	}
	return 0;
}

/* Where the target at the start of v ends.  False: *why. */
static bool
item_take(struct view *v, bool plain, struct view *out, const char **why)
{
	struct view at = *v;

	while (at.n > 0 && at.p[0] != ',' && at.p[0] != '\n') {
		size_t n = 1;
		if (at.p[0] == '"') {
			n = quoted_length(at);
			*why = "a quote is not closed in its line";
		} else if (plain && at.p[0] == '(') {
			n = comment_length(at);
			*why = "a parenthesis is not closed in its line";
		} else if (plain && at.p[0] == '#' && at.p > v->p &&
			   is_blank(at.p[-1])) {
			break;
		} else if (at.p[0] == '\\' && at.n > 1 && at.p[1] != '\n') {
			n = 2;
		}
		if (n == 0)
			return false;
		skip(&at, n);
	}
	*out = view_trim((struct view){ v->p, (size_t)(at.p - v->p) });
	while (out->n > 0 && out->p[out->n - 1] == '\r')
		*out = view_trim((struct view){ out->p, out->n - 1 });
	*v = at;
	return true;
}

/* A whole item in quotes, without them: the quotes of "|command x" and
 * "/a file".  Not those of "john doe"@example.org. */
static bool
unquote(struct view item, char *out, size_t size)
{
	size_t n = 0;

	if (item.n < 2 || item.p[0] != '"' || quoted_length(item) != item.n)
		return view_copy(item, out, size);
	for (size_t i = 1; i + 1 < item.n; i++) {
		if (item.p[i] == '\\')
			i++;
		if (n + 1 >= size || item.p[i] == '\0')
			return false;
		out[n++] = item.p[i];
	}
	out[n] = '\0';
	return true;
}

/* Takes comments away, and the name before <address>. */
static bool
bare_address(struct view item, char *out, size_t size)
{
	size_t n = 0;

	for (struct view v = item; v.n > 0;) {
		size_t k = 1;
		if (v.p[0] == '"')
			k = quoted_length(v);
		else if (v.p[0] == '\\' && v.n > 1)
			k = 2;
		if (v.p[0] == '(')
			k = comment_length(v);
		if (k == 0)
			return false;
		if (v.p[0] == '(') {
			skip(&v, k);
			continue;
		}
		if (v.p[0] == '<')
			n = 0;
		if (n + k >= size)
			return false;
		memcpy(out + n, v.p, k);
		n += k;
		skip(&v, k);
	}
	struct view all = view_trim((struct view){ out, n });
	if (all.n > 1 && all.p[0] == '<' && all.p[all.n - 1] == '>')
		all = view_trim((struct view){ all.p + 1, all.n - 2 });
	memmove(out, all.p == NULL ? "" : all.p, all.n);
	out[all.n] = '\0';
	return strlen(out) == all.n;
}

static bool
set_address(struct view item, bool domain, struct alias_target *out)
{
	char text[TARGET_TEXT_MAX + 1];
	struct address a;

	if (!bare_address(item, text, sizeof(text)) ||
	    address_parse_utf8(view_of(text), &a) != ADDR_OK ||
	    a.local[0] == '\0' || (domain && a.domain[0] == '\0'))
		return false;
	return view_copy(view_of(a.text), out->text, sizeof(out->text));
}

static bool
set_path(const char *path, const char *no, struct alias_target *out,
    const char **why)
{
	*why = no;
	return path[0] == '/' && path[1] != '\0' &&
	       view_copy(view_of(path), out->text, sizeof(out->text));
}

/* |command, |"command": what runs. */
static bool
set_command(const char *text, struct alias_target *out, const char **why)
{
	char space[TARGET_TEXT_MAX + 1];
	char *argv[TARGET_ARGS_MAX + 1];
	struct view v = view_trim(view_of(text));

	*why = "the command is too long";
	if (!unquote(v, out->text, sizeof(out->text)))
		return false;
	return target_argv(out->text, space, argv, why);
}

static bool
starts(const char *text, const char *with, const char **rest)
{
	if (!view_casestarts(view_of(text), with))
		return false;
	*rest = text + strlen(with);
	while (is_blank(**rest))
		(*rest)++;
	return true;
}

/* What is behind a colon. */
static bool
set_special(const char *text, struct alias_target *out, const char **why)
{
	const char *rest;

	if (starts(text, ":include:", &rest)) {
		out->kind = TARGET_INCLUDE;
		return set_path(
		    rest, ":include: needs an absolute path", out, why);
	}
	*why = "it is :include:/file, :moved: user@domain or "
	       ":forwarded: user@domain";
	if (starts(text, ":moved:", &rest))
		out->kind = TARGET_MOVED;
	else if (starts(text, ":forwarded:", &rest))
		out->kind = TARGET_FORWARDED;
	else
		return false;
	return set_address(view_of(rest), true, out);
}

/* The item starts with one of | / : \ perhaps behind a quote. */
static bool
item_set(struct view item, struct alias_target *out, const char **why)
{
	char text[TARGET_TEXT_MAX + 1];
	bool whole = unquote(item, text, sizeof(text));

	*why = "a target is too long";
	if (!whole || item.n > TARGET_TEXT_MAX)
		return false;
	*why = "control characters, or not UTF-8";
	if (!utf8_printable(view_of(text)))
		return false;
	switch (text[0]) {
	case '|':
		out->kind = TARGET_COMMAND;
		return set_command(text + 1, out, why);
	case '/':
		out->kind = TARGET_FILE;
		return set_path(text, "not a path", out, why);
	case ':':
		return set_special(text, out, why);
	case '\\':
		out->kind = TARGET_USER;
		*why = "not a user behind the backslash";
		return set_address(view_of(text + 1), false, out);
	default:
		out->kind = TARGET_ADDRESS;
		*why = "not an address, \"|command\", /file or "
		       ":include:/file";
		return set_address(item, false, out);
	}
}

int
target_next(struct view *v, unsigned allowed, struct alias_target *out,
    const char **why)
{
	struct view item;

	memset(out, 0, sizeof(*out));
	*why = "";
	skip_between(v);
	if (v->n == 0)
		return 0;
	struct view start = *v;
	char c = v->p[0] == '"' && v->n > 1 ? v->p[1] : v->p[0];
	bool plain = strchr("|/:", c) == NULL || c == '\0';
	bool good = item_take(v, plain, &item, why) && item_set(item, out, why);
	if (good && (allowed & 1u << out->kind) == 0) {
		*why = "commands, files, :include: and :moved: may not stand "
		       "here";
		good = false;
	}
	if (good)
		return 1;
	memset(out, 0, sizeof(*out));
	*v = start;
	return -1;
}

bool
target_same(const struct alias_target *a, const struct alias_target *b)
{
	return a->kind == b->kind && strcmp(a->text, b->text) == 0;
}

void
target_print(const struct alias_target *t, char *out, size_t size)
{
	static const char *const before[TARGET__N] = { "", "\\", "|", "",
		":include:", ":moved: ", ":forwarded: " };

	snprintf(out, size, "%s%s", before[t->kind], t->text);
}

/* ---- commands ---- */

/* Copies one word to out.  False: a quote is not closed. */
static bool
word_take(const char **at, char **out)
{
	char quote = '\0';

	for (; **at != '\0' && (quote != '\0' || !is_blank(**at)); (*at)++) {
		char c = **at;
		if (quote == '\0' && (c == '"' || c == '\'')) {
			quote = c;
			continue;
		}
		if (quote != '\0' && c == quote) {
			quote = '\0';
			continue;
		}
		/* In "..." it is an escape before " and \ only. */
		bool escape =
		    c == '\\' && quote != '\'' && (*at)[1] != '\0' &&
		    (quote == '\0' || (*at)[1] == '"' || (*at)[1] == '\\');
		if (escape)
			(*at)++;
		*(*out)++ = **at;
	}
	*(*out)++ = '\0';
	return quote == '\0';
}

bool
target_argv(const char *command, char *space, char *argv[TARGET_ARGS_MAX + 1],
    const char **why)
{
	unsigned n = 0;

	argv[0] = NULL;
	*why = "the command is too long";
	/* Each word takes no more than it had, blank or end included. */
	if (strlen(command) > TARGET_TEXT_MAX)
		return false;
	for (const char *at = command;;) {
		while (is_blank(*at))
			at++;
		if (*at == '\0')
			break;
		*why = "the command has too many words";
		if (n == TARGET_ARGS_MAX)
			return false;
		argv[n++] = space;
		*why = "a quote in the command is not closed";
		if (!word_take(&at, &space))
			return false;
	}
	argv[n] = NULL;
	*why = "a command begins with an absolute path: no shell looks for it";
	return n > 0 && argv[0][0] == '/';
}
