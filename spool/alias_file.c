/*
 * One file of aliases.  Runs in: lookup, expand; deliver's children;
 * newaliases.
 *
 * The file is one piece of memory; names are made strings where they lie, what
 * stands behind them stays text and is read anew each time it is asked for.
 */
#define _GNU_SOURCE
#include "spool/alias_file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/fold.h"
#include "common/passdb_file.h"
#include "common/private_file.h"
#include "spool/target.h"

enum { NAME_SHOWN = 80, NAME_SIZE = ADDR_LOCAL_MAX + ADDR_DOMAIN_MAX + 2 };

struct entry {
	uint32_t name, targets, length; /* offsets into text, octets */
	uint32_t line, targets_line;
	uint32_t next; /* in the same bucket: number + 1; 0 ends */
};

struct alias_file {
	char *path;
	enum alias_form form;
	bool exact;
	char *text; /* size octets and a NUL */
	size_t size;
	struct entry *entries;
	uint32_t n;
	uint32_t *buckets; /* number of the first entry + 1 */
	uint32_t mask;
};

/* While it is read. */
struct reading {
	struct alias_file *f;
	const struct settings *settings;
	alias_say *say;
	void *arg;
	bool bad;
	struct view rest;
	unsigned line;
};

unsigned
alias_lines(const char *p, size_t n)
{
	unsigned lines = 0;

	for (size_t i = 0; i < n; i++)
		lines += p[i] == '\n';
	return lines;
}

__attribute__((format(printf, 3, 4))) static void
mistake(struct reading *r, unsigned line, const char *fmt, ...)
{
	char what[512], text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(text, sizeof(text), "%s:%u: %s", r->f->path, line, what);
	r->say(r->arg, text);
	r->bad = true;
}

/* ---- finding ---- */

static bool
same_name(const struct alias_file *f, struct view name, const char *ours)
{
	if (f->exact)
		return view_eqs(name, ours) ||
		       fold_same(name, view_of(ours), false);
	return passdb_name_same(name, ours);
}

static const struct entry *
entry_find(const struct alias_file *f, struct view name)
{
	uint32_t i = f->buckets[passdb_name_hash(name) & f->mask];

	while (i != 0 && !same_name(f, name, f->text + f->entries[i - 1].name))
		i = f->entries[i - 1].next;
	return i == 0 ? NULL : &f->entries[i - 1];
}

static void
entry_out(
    const struct alias_file *f, const struct entry *e, struct alias_entry *out)
{
	*out = (struct alias_entry){ .path = f->path,
		.line = e->line,
		.targets_line = e->targets_line,
		.name = f->text + e->name,
		.targets = { f->text + e->targets, e->length },
		.form = f->form };
}

bool
alias_file_find(
    const struct alias_file *f, struct view name, struct alias_entry *out)
{
	const struct entry *e = entry_find(f, name);

	if (e != NULL)
		entry_out(f, e, out);
	return e != NULL;
}

bool
alias_file_at(const struct alias_file *f, uint32_t i, struct alias_entry *out)
{
	if (i >= f->n)
		return false;
	entry_out(f, &f->entries[i], out);
	return true;
}

uint32_t
alias_file_count(const struct alias_file *f)
{
	return f->n;
}

/* ---- reading ---- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Takes the next entry off: its first line, and those that go on. */
static bool
logical_line(struct reading *r, struct view *out, unsigned *line)
{
	const char *start = NULL;
	struct view v = r->rest;

	while (v.n > 0) {
		struct view after = v, one = view_split(&after, '\n', NULL);
		struct view text = view_trim(one);
		bool nothing = text.n == 0 || text.p[0] == '#' ||
			       (text.n == 1 && text.p[0] == '\r');
		if (start == NULL && !nothing) {
			start = one.p;
			*line = r->line;
		} else if (!nothing && !is_blank(one.p[0])) {
			break; /* the next one */
		}
		r->line++;
		v = after;
	}
	r->rest = v;
	if (start == NULL)
		return false;
	*out = (struct view){ start,
		(size_t)((v.n > 0 ? v.p : r->f->text + r->f->size) - start) };
	return true;
}

/* Up to the ':' or, without one, up to a blank; quotes hold both. */
static struct view
key_take(struct view *v, bool colon)
{
	struct view key = { v->p, 0 };
	bool quoted = false;
	size_t i = 0;

	for (; i < v->n && v->p[i] != '\n'; i++) {
		if (v->p[i] == '"')
			quoted = !quoted;
		else if (v->p[i] == '\\' && i + 1 < v->n)
			i++;
		else if (!quoted &&
			 (colon ? v->p[i] == ':' : is_blank(v->p[i])))
			break;
	}
	key.n = i < v->n ? i : v->n;
	/* A line end is as good as a blank. */
	bool found = i < v->n && (!colon || v->p[i] != '\n');
	size_t skip = key.n + (found ? 1 : 0);
	*v = (struct view){ v->p + skip, v->n - skip };
	if (colon && !found)
		key.n = 0;
	key = view_trim(key);
	if (!colon && key.n > 1 && key.p[key.n - 1] == ':')
		key.n--;
	return key;
}

/* The name as it is looked for, at most as long as it was. */
static bool
key_make(struct reading *r, struct view key, unsigned line, char *out)
{
	struct address a;
	bool local = r->f->form == ALIAS_LOCAL;
	bool all = !local && key.n > 1 && key.p[0] == '@';
	const char *what = local ? "a name and ':' must stand here: "
				   "name: target, target"
				 : "an address, or @domain, must stand here: "
				   "user@domain target, target";

	if (all) { /* as the domain of an address */
		char text[ADDR_MAX + 1] = "x";
		all = view_copy(key, text + 1, sizeof(text) - 1) &&
		      address_parse_utf8(view_of(text), &a) == ADDR_OK;
		a.local[0] = '\0';
		key.n = all ? key.n : 0;
	} else if (address_parse_utf8(key, &a) != ADDR_OK) {
		key.n = 0;
	}
	if (key.n == 0 || (!all && a.local[0] == '\0') ||
	    (!local && a.domain[0] == '\0')) {
		mistake(r, line, "%s", what);
		return false;
	}
	if (local && a.domain[0] != '\0') {
		mistake(r, line,
		    "a name without a domain must stand here; whole addresses "
		    "belong into the file that 'virtual' names");
		return false;
	}
	if (!local &&
	    !settings_our_domain(r->settings, a.domain, strlen(a.domain))) {
		mistake(r, line,
		    "%s is neither in local_domains nor in virtual_domains, "
		    "so that no mail for it comes here",
		    a.domain);
		return false;
	}
	int n = snprintf(
	    out, NAME_SIZE, "%s%s%s", a.local, local ? "" : "@", a.domain);
	if (n > 0 && (size_t)n <= key.n)
		return true;
	mistake(r, line, "%s", what);
	return false;
}

/* All targets are well-formed, and there is one. */
static void
targets_check(struct reading *r, const char *name, struct view v, unsigned line)
{
	unsigned allowed =
	    r->f->form == ALIAS_LOCAL ? TARGETS_ALIAS : TARGETS_VIRTUAL;
	unsigned n = 0, moved = 0;
	const char *start = v.p, *why;
	struct alias_target t;
	int rc;

	while ((rc = target_next(&v, allowed, &t, &why)) == 1) {
		n++;
		moved += t.kind == TARGET_MOVED || t.kind == TARGET_FORWARDED;
	}
	if (rc == -1)
		mistake(r, line + alias_lines(start, (size_t)(v.p - start)),
		    "'%.*s': %s", NAME_SHOWN, name, why);
	else if (n == 0)
		mistake(r, line, "'%.*s' leads nowhere: name: target",
		    NAME_SHOWN, name);
	else if (moved > 0 && n > 1)
		mistake(r, line,
		    "'%.*s': what has moved can have no other target",
		    NAME_SHOWN, name);
}

static void
entry_add(struct reading *r, struct view v, unsigned line)
{
	struct alias_file *f = r->f;
	char name[NAME_SIZE];
	struct view all = v;
	struct view key = key_take(&v, f->form == ALIAS_LOCAL);

	if (key.n == 0 || !key_make(r, key, line, name)) {
		if (key.n == 0)
			mistake(r, line,
			    "no ':' behind the name: "
			    "name: target, target");
		return;
	}
	const struct entry *twin = entry_find(f, view_of(name));
	if (twin != NULL) {
		mistake(r, line, "'%.*s' was defined in line %u", NAME_SHOWN,
		    name, (unsigned)twin->line);
		return;
	}
	unsigned at = line + alias_lines(all.p, (size_t)(v.p - all.p));
	targets_check(r, name, v, at);
	uint32_t *b = &f->buckets[passdb_name_hash(view_of(name)) & f->mask];
	struct entry *e = &f->entries[f->n];
	*e = (struct entry){ .name = (uint32_t)(key.p - f->text),
		.targets = (uint32_t)(v.p - f->text),
		.length = (uint32_t)v.n,
		.line = line,
		.targets_line = at,
		.next = *b };
	/* Behind it stood a colon, a blank or a line end, which nobody needs
	 * any more. */
	memcpy(f->text + e->name, name, strlen(name) + 1);
	*b = ++f->n;
}

static bool
index_alloc(struct alias_file *f)
{
	uint32_t lines = alias_lines(f->text, f->size) + 1, buckets = 16;

	while (buckets < lines)
		buckets *= 2;
	f->entries = calloc(lines, sizeof(*f->entries));
	f->buckets = calloc(buckets, sizeof(*f->buckets));
	f->mask = buckets - 1;
	return f->entries != NULL && f->buckets != NULL;
}

static bool
parse(struct alias_file *f, const struct settings *s, alias_say *say, void *arg)
{
	struct reading r = { f, s, say, arg, false, { f->text, f->size }, 1 };
	struct view v;
	unsigned line = 1;

	if (f->size > 0 && memchr(f->text, '\0', f->size) != NULL)
		mistake(&r, 1, "holds a NUL: this is no text");
	else
		while (logical_line(&r, &v, &line)) {
			if (is_blank(v.p[0]))
				mistake(&r, line,
				    "begins with a blank, but there is nothing "
				    "before it that could go on");
			else
				entry_add(&r, v, line);
		}
	return !r.bad;
}

struct alias_file *
alias_file_read(const char *path, enum alias_form form,
    const struct settings *s, struct stat *st, alias_say *say, void *arg)
{
	struct alias_file *f = calloc(1, sizeof(*f));
	struct private_file whole;
	char *err = NULL;
	bool good = false;

	memset(st, 0, sizeof(*st));
	if (f != NULL)
		f->path = strdup(path);
	if (f == NULL || f->path == NULL) {
		say(arg, "aliases: out of memory");
		goto out;
	}
	f->form = form;
	f->exact = s->exact_case;
	good =
	    admin_file_read(path, form == ALIAS_LOCAL ? "aliases" : "virtual",
		ALIAS_FILE_MAX, false, &whole, &err);
	f->text = whole.text;
	f->size = whole.size;
	*st = whole.st;
	if (!good) {
		say(arg, err == NULL ? "out of memory" : err);
		goto out;
	}
	good = index_alloc(f);
	if (!good)
		say(arg, "aliases: out of memory");
	good = good && parse(f, s, say, arg);
out:
	free(err);
	if (!good) {
		alias_file_free(f);
		f = NULL;
	}
	return f;
}

void
alias_file_free(struct alias_file *f)
{
	if (f == NULL)
		return;
	free(f->path);
	free(f->text);
	free(f->entries);
	free(f->buckets);
	free(f);
}
