/*
 * What is wrong with the files of aliases.  Runs in: the master, for smtpd -t;
 * newaliases.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "spool/aliases.h"
#include "spool/expand.h"

struct check {
	const struct book *book;
	struct expansion *x;
	aliases_say *say;
	void *arg;
	unsigned errors;
};

__attribute__((format(printf, 3, 4))) static void
tell(struct check *c, bool error, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->errors += error;
	c->say(c->arg, error, text);
}

static void
hear_mistake(void *arg, const char *text)
{
	tell(arg, true, "%s", text);
}

/* Where does this entry lead? */
static void
check_entry(struct check *c, const struct alias_entry *e)
{
	struct expansion *x = c->x;

	if (e->name[0] == '@')
		return; /* stands for no address in particular */
	expand_list(c->book, e->name, true, x);
	if (x->kind == EXPAND_ERROR || x->kind == EXPAND_LATER)
		tell(c, true, "%s:%u: %s", e->path, e->line, x->why);
	else if (x->kind == EXPAND_LIST && x->unknown > 0)
		tell(c, false,
		    "%s:%u: '%s' leads to %s, but there is no such user or "
		    "alias%s",
		    e->path, e->line, e->name, x->unknown_name,
		    x->unknown > 1 ? ", and to others that are not there" : "");
}

static void
check_file(struct check *c, const char *path, enum alias_form form)
{
	struct alias_entry e;
	struct stat st;

	if (stat(path, &st) == -1 && errno == ENOENT) {
		tell(c, false,
		    "%s: there is no such file of aliases; create it, or take "
		    "it out of the configuration",
		    path);
		return;
	}
	struct alias_file *f = alias_file_read(
	    path, form, c->book->settings, &st, hear_mistake, c);
	if (f == NULL)
		return;
	for (uint32_t i = 0; alias_file_at(f, i, &e); i++)
		check_entry(c, &e);
	alias_file_free(f);
}

/* RFC 5321 4.5.1; and what the host itself sends goes to root. */
static void
check_reached(struct check *c, const char *name)
{
	struct expansion *x = c->x;
	const char *why = NULL;

	expand_list(c->book, name, true, x);
	switch (x->kind) {
	case EXPAND_LOCAL:
		break;
	case EXPAND_LIST:
		if (x->unknown == x->n)
			why = "nobody that is there";
		break;
	case EXPAND_UNKNOWN:
		why = "nobody; add an alias";
		break;
	default:
		why = x->why;
	}
	if (why != NULL)
		tell(c, false, "mail for %s reaches nobody: it leads to %s",
		    name, why);
}

unsigned
aliases_check(
    const struct settings *s, struct passdb *users, aliases_say *say, void *arg)
{
	struct book b = { s, users, NULL };
	struct check c = { &b, calloc(1, sizeof(*c.x)), say, arg, 0 };
	char *err = NULL;

	if (c.x != NULL) {
		expansion_init(c.x);
		b.aliases = aliases_open(s, &err);
	}
	if (c.x == NULL || b.aliases == NULL) {
		tell(&c, true, "aliases: out of memory");
		goto out;
	}
	for (unsigned i = 0; i < s->alias_file_n; i++)
		check_file(&c, s->alias_files[i], ALIAS_LOCAL);
	for (unsigned i = 0; i < s->virtual_file_n; i++)
		check_file(&c, s->virtual_files[i], ALIAS_VIRTUAL);
	if (c.errors == 0 && s->alias_file_n > 0) {
		check_reached(&c, "postmaster");
		check_reached(&c, "root");
	}
out:
	free(err);
	aliases_free(b.aliases);
	if (c.x != NULL)
		expansion_free(c.x);
	free(c.x);
	return c.errors;
}
