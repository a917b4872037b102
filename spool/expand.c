/*
 * What a list leads to.  Runs in: lookup, expand; newaliases.
 *
 * A walk through the entries in depth: what is above the present one is on the
 * path, and an entry that is met there again is a loop; what was left is done,
 * and need not be entered twice.
 */
#include "spool/expand.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/private_file.h"
#include "spool/envelope.h"
#include "spool/recipient.h"

_Static_assert(
    (int)EXPANSION_MAX == (int)ENVELOPE_RCPT_MAX, "a list fits into a record");

struct walk {
	const struct book *book;
	struct expansion *x;
	const char *file;  /* it, or an include */
	const char *start; /* of the include that is read */
	unsigned line;	   /* of that */
};

static bool walk_entry(struct walk *, const struct alias_entry *);
static bool walk_target(struct walk *, const struct alias_target *);

/* ---- the result ---- */

void
expansion_init(struct expansion *x)
{
	memset(x, 0, sizeof(*x));
	buf_init(&x->text, EXPANSION_OCTETS);
}

void
expansion_free(struct expansion *x)
{
	buf_free(&x->text);
}

static void
expansion_clear(struct expansion *x)
{
	buf_clear(&x->text);
	x->kind = EXPAND_LIST;
	x->why[0] = x->owner[0] = x->key[0] = x->unknown_name[0] = '\0';
	x->code = "";
	x->n = x->depth = x->steps = x->done_n = x->unknown = 0;
	memset(x->slot, 0, sizeof(x->slot));
	memset(x->done, 0, sizeof(x->done));
}

void
expansion_target(
    const struct expansion *x, unsigned i, struct alias_target *out)
{
	const char *at = x->text.p + x->at[i];

	out->kind = (enum target_kind) * at;
	snprintf(out->text, sizeof(out->text), "%s", at + 1);
}

/* Ends the walk: there is no list.  Always false. */
__attribute__((format(printf, 4, 5))) static bool
fail(struct expansion *x, enum expand_kind kind, const char *code,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(x->why, sizeof(x->why), fmt, ap);
	va_end(ap);
	x->kind = kind;
	x->code = code;
	return false;
}

static uint32_t
hash_text(const char *text, uint32_t h)
{
	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 16777619u; /* FNV-1a */
	return h ^ h >> 15;
}

static bool
add_target(struct walk *w, enum target_kind kind, const char *text)
{
	struct expansion *x = w->x;
	uint32_t i =
	    hash_text(text, 2166136261u + (uint32_t)kind) % EXPANSION_SLOTS;

	for (; x->slot[i] != 0; i = (i + 1) % EXPANSION_SLOTS) {
		const char *at = x->text.p + x->at[x->slot[i] - 1];
		if (*at == (char)kind && strcmp(at + 1, text) == 0)
			return true;
	}
	size_t start = x->text.n;
	buf_addc(&x->text, (char)kind);
	if (x->n == EXPANSION_MAX || !buf_add(&x->text, text, strlen(text) + 1))
		return fail(x, EXPAND_ERROR, "5.2.4",
		    "'%s' leads to more than %d targets, or too long ones",
		    x->key, EXPANSION_MAX);
	x->at[x->n++] = (uint32_t)start;
	x->slot[i] = (uint16_t)x->n;
	return true;
}

/* ---- the walk ---- */

/* True: it was entered before.  Else it is remembered. */
static bool
was_done(struct expansion *x, const char *name)
{
	size_t i = ((uintptr_t)name >> 2) * 2654435761u % EXPANSION_NAMES;

	while (x->done[i] != NULL && x->done[i] != name)
		i = (i + 1) % EXPANSION_NAMES;
	if (x->done[i] == name)
		return true;
	x->done[i] = name;
	x->done_n++;
	return false;
}

/* "a -> b -> a", as much as fits. */
static bool
loop(struct expansion *x, unsigned from)
{
	char text[200] = "";
	size_t n = 0;

	for (unsigned i = from; i < x->depth; i++) {
		int k =
		    snprintf(text + n, sizeof(text) - n, "%s -> ", x->path[i]);
		n += k > 0 ? (size_t)k : 0;
		if (n >= sizeof(text))
			n = sizeof(text) - 1;
	}
	return fail(
	    x, EXPAND_ERROR, "5.4.6", "alias loop: %s%s", text, x->path[from]);
}

static unsigned
line_of(const struct walk *w, const char *at)
{
	return w->line + alias_lines(w->start, (size_t)(at - w->start));
}

static void
note_unknown(struct expansion *x, const char *address)
{
	if (x->unknown++ == 0)
		view_copy(
		    view_of(address), x->unknown_name, sizeof(x->unknown_name));
}

/* The name of an alias in its own list is the user of that name. */
static bool
itself(struct walk *w, const struct found *f)
{
	struct expansion *x = w->x;
	char to[ADDR_MAX + 1];
	struct user u;
	enum rcpt_resolved r =
	    recipient_resolve(w->book->settings, w->book->users, f->to, &u, to);

	if (r == RESOLVED_UNKNOWN || r == RESOLVED_FOREIGN)
		return loop(x, x->depth - 1);
	if (r == RESOLVED_LATER) /* root's, and postmaster is nobody */
		note_unknown(x, f->to);
	return add_target(w, TARGET_USER, f->to);
}

/* An address whose domain may be missing: it is there then. */
static void
with_domain(const struct settings *s, const char *address, char *out)
{
	char text[2 * (ADDR_MAX + 1)];
	struct address a;

	if (address_parse_utf8(view_of(address), &a) == ADDR_OK &&
	    a.domain[0] == '\0') {
		snprintf(text, sizeof(text), "%s@%s", a.text,
		    s->local_domain_n > 0 ? s->local_domains[0] : s->hostname);
		if (address_parse_utf8(view_of(text), &a) == ADDR_OK)
			address = a.text;
	}
	view_copy(view_of(address), out, ADDR_MAX + 1);
}

static bool
add_address(struct walk *w, const char *address)
{
	struct expansion *x = w->x;
	char full[ADDR_MAX + 1];
	struct found f;

	with_domain(w->book->settings, address, full);
	expand_find(w->book, full, &f);
	switch (f.kind) {
	case EXPAND_LIST:
		break;
	case EXPAND_UNKNOWN:
		note_unknown(x, full);
		/* FALLTHROUGH */
	default:
		/* Who delivers finds out what is wrong with it, and tells
		 * the owner of the list. */
		return add_target(w, TARGET_ADDRESS, full);
	}
	if (x->depth > 0 && f.entry.name == x->path[x->depth - 1])
		return itself(w, &f);
	for (unsigned i = 0; i < x->depth; i++)
		if (f.entry.name == x->path[i])
			return loop(x, i);
	return walk_entry(w, &f.entry);
}

/* That mailbox; of another host it is an address like others, as there is no
 * mailbox of it here. */
static bool
add_user(struct walk *w, const char *address)
{
	struct found f;

	expand_find(w->book, address, &f);
	return add_target(w,
	    f.kind == EXPAND_FOREIGN ? TARGET_ADDRESS : TARGET_USER, address);
}

/* Lists are often their owner's and not the administrator's: a line with a
 * mistake costs that line.  A file that cannot be used makes all mail wait. */
static bool
walk_include(struct walk *outer, const char *path)
{
	struct walk w = *outer;
	struct private_file all;
	struct alias_target t;
	const char *why;
	char *err = NULL;
	int rc = 0;
	bool good = admin_file_read(
	    path, ":include:", ALIAS_INCLUDE_MAX, true, &all, &err);

	if (!good)
		fail(w.x, EXPAND_LATER, "4.3.5", "%s",
		    err == NULL ? "out of memory" : err);
	free(err);
	struct view v = { all.text, all.size };
	w.start = all.text;
	w.line = 1;
	while (good && (rc = target_next(&v, TARGETS_LIST, &t, &why)) != 0) {
		if (rc == -1) {
			if (!w.x->quiet)
				log_warn("warning: %s:%u: %s; this line of the "
					 "list is left out",
				    path, line_of(&w, v.p), why);
			view_split(&v, '\n', NULL);
			continue;
		}
		good = ++w.x->steps <= EXPANSION_STEPS ||
		       fail(w.x, EXPAND_ERROR, "5.2.4",
			   "'%s' leads to too many targets", w.x->key);
		good = good && walk_target(&w, &t);
	}
	private_file_wipe(&all);
	return good;
}

static bool
walk_target(struct walk *w, const struct alias_target *t)
{
	char full[ADDR_MAX + 1];

	switch (t->kind) {
	case TARGET_ADDRESS:
	case TARGET_FORWARDED:
		return add_address(w, t->text);
	case TARGET_USER:
		with_domain(w->book->settings, t->text, full);
		return add_user(w, full);
	case TARGET_INCLUDE:
		return walk_include(w, t->text);
	case TARGET_MOVED: /* the only one of its entry, which is no list */
		return true;
	default:
		return add_target(w, t->kind, t->text);
	}
}

static bool
walk_entry(struct walk *outer, const struct alias_entry *e)
{
	struct expansion *x = outer->x;
	struct walk w = *outer;
	struct view v = e->targets;
	struct alias_target t;
	const char *why;
	int rc;

	if (was_done(x, e->name))
		return true;
	if (x->depth == EXPANSION_DEPTH || x->done_n > EXPANSION_NAMES / 2)
		return fail(x, EXPAND_ERROR, "5.4.6",
		    "'%s' leads through too many aliases", x->key);
	x->path[x->depth++] = e->name;
	while ((rc = target_next(&v, TARGETS_ALIAS, &t, &why)) == 1) {
		if (++x->steps > EXPANSION_STEPS)
			return fail(x, EXPAND_ERROR, "5.2.4",
			    "'%s' leads to too many targets", x->key);
		if (!walk_target(&w, &t))
			return false;
	}
	x->depth--;
	/* It was checked when the file was read. */
	return rc == 0 ||
	       fail(x, EXPAND_ERROR, "5.3.5", "'%s': %s", e->name, why);
}

/* owner-list gets the bounces of list, if there is one. */
static void
find_owner(const struct book *b, struct expansion *x, const char *list)
{
	char text[2 * (ADDR_MAX + 1)];
	struct address a;
	struct found f;

	if (address_parse_utf8(view_of(list), &a) != ADDR_OK ||
	    view_casestarts(view_of(a.local), "owner-"))
		return;
	struct view base = recipient_base(b->settings, view_of(a.local));
	snprintf(
	    text, sizeof(text), "owner-%.*s@%s", (int)base.n, base.p, a.domain);
	expand_find(b, text, &f);
	/* Not what a catch-all takes for one. */
	if (f.kind == EXPAND_LOCAL ||
	    (f.kind == EXPAND_LIST &&
		view_casestarts(view_of(f.entry.name), "owner-")))
		view_copy(view_of(text), x->owner, sizeof(x->owner));
}

static void
flatten(const struct book *b, const struct found *f, struct expansion *x)
{
	struct walk w = { .book = b, .x = x };

	view_copy(view_of(f->entry.name), x->key, sizeof(x->key));
	if (walk_entry(&w, &f->entry) && x->n == 0)
		fail(x, EXPAND_ERROR, "5.2.4", "'%s' is a list of nobody",
		    x->key);
	if (x->kind == EXPAND_LIST)
		find_owner(b, x, f->to);
	else
		x->n = 0;
}

void
expand_list(
    const struct book *b, const char *address, bool quiet, struct expansion *x)
{
	struct found f;

	expansion_clear(x);
	x->quiet = quiet;
	expand_find(b, address, &f);
	x->kind = f.kind;
	if (f.kind == EXPAND_LIST)
		flatten(b, &f, x);
	else
		snprintf(x->why, sizeof(x->why), "%s",
		    f.kind == EXPAND_LATER ? f.why : f.to);
}
