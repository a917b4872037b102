/*
 * The files of aliases.  Runs in: lookup, expand; deliver's children;
 * newaliases.
 */
#define _GNU_SOURCE
#include "spool/aliases.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/log.h"
#include "common/private_file.h"

struct source {
	char *path;
	enum alias_form form;
	struct alias_file *file; /* NULL: missing, or a mistake */
	bool broken;		 /* a mistake, and nothing was read before */
	struct private_watch watch;
};

struct aliases {
	struct source source[2 * ALIAS_FILES_MAX];
	unsigned n;
};

/* Keeps the first. */
static void
first_mistake(void *arg, const char *text)
{
	char **first = arg;

	if (*first == NULL)
		*first = strdup(text);
}

static bool
missing(const char *path)
{
	struct stat st;

	return stat(path, &st) == -1 && errno == ENOENT;
}

/* Reads it; what was in force stays so unless the new one is good.  False: it
 * is not, and *why (malloc'd, or NULL) says what is wrong. */
static bool
source_read(struct source *s, const struct settings *set, char **why)
{
	struct stat st;

	*why = NULL;
	struct alias_file *f =
	    alias_file_read(s->path, s->form, set, &st, first_mistake, why);
	private_watch_set(&s->watch, &st);
	if (f != NULL) {
		alias_file_free(s->file);
		s->file = f;
		s->broken = false;
	}
	return f != NULL;
}

static bool
source_open(struct source *s, const char *path, enum alias_form form,
    const struct settings *set, char **why)
{
	s->form = form;
	s->path = strdup(path);
	if (s->path == NULL)
		return false;
	if (!source_read(s, set, why)) {
		s->broken = !missing(path);
		if (!s->broken)
			log_warn(
			    "warning: %s: there is no such file of "
			    "aliases; it is taken for empty until it comes",
			    path);
	}
	return true;
}

struct aliases *
aliases_open(const struct settings *set, char **err)
{
	struct aliases *a = calloc(1, sizeof(*a));
	unsigned all = set->alias_file_n + set->virtual_file_n;

	*err = NULL;
	for (unsigned i = 0; a != NULL && i < all; i++) {
		bool local = i < set->alias_file_n;
		struct source *s = &a->source[a->n++];
		char *why = NULL;
		const char *path =
		    local ? set->alias_files[i]
			  : set->virtual_files[i - set->alias_file_n];
		if (!source_open(s, path, local ? ALIAS_LOCAL : ALIAS_VIRTUAL,
			set, &why)) {
			aliases_free(a);
			a = NULL;
		}
		if (a != NULL && s->broken && *err == NULL)
			*err = why;
		else
			free(why);
	}
	return a;
}

void
aliases_free(struct aliases *a)
{
	if (a == NULL)
		return;
	for (unsigned i = 0; i < a->n; i++) {
		alias_file_free(a->source[i].file);
		free(a->source[i].path);
	}
	free(a);
}

static void
source_refresh(struct source *s, const struct settings *set)
{
	bool changed, before = s->file != NULL;
	char *why;

	if (!private_watch_due(&s->watch, s->path, &changed))
		return;
	struct private_watch seen = s->watch;
	if (source_read(s, set, &why)) {
		if (changed)
			log_info("%s: read again: %u %s", s->path,
			    alias_file_count(s->file),
			    s->form == ALIAS_LOCAL ? "aliases"
						   : "virtual addresses");
	} else {
		/* What could not be opened is known by its stat alone. */
		if (s->watch.seen.st_ino == 0)
			s->watch = seen;
		if (!before)
			s->broken = !missing(s->path);
		if (changed)
			log_error("error: %s; %s",
			    why == NULL ? "out of memory" : why,
			    before ? "the aliases read before stay in force"
				   : "mail for names it may hold waits");
	}
	free(why);
}

void
aliases_refresh(struct aliases *a, const struct settings *set)
{
	for (unsigned i = 0; i < a->n; i++)
		source_refresh(&a->source[i], set);
}

bool
aliases_broken(const struct aliases *a)
{
	for (unsigned i = 0; i < a->n; i++)
		if (a->source[i].broken)
			return true;
	return false;
}

bool
aliases_find(const struct aliases *a, enum alias_form form, struct view name,
    struct alias_entry *out)
{
	for (unsigned i = 0; i < a->n; i++) {
		const struct source *s = &a->source[i];
		if (s->form == form && s->file != NULL &&
		    alias_file_find(s->file, name, out))
			return true;
	}
	return false;
}

static bool
entry_has(struct view targets, const struct alias_target *t)
{
	struct alias_target one;
	const char *why;

	while (target_next(&targets, TARGETS_ALIAS, &one, &why) == 1)
		if (target_same(&one, t))
			return true;
	return false;
}

bool
aliases_have(const struct aliases *a, const struct alias_target *t)
{
	struct alias_entry e;

	for (unsigned i = 0; i < a->n; i++) {
		const struct source *s = &a->source[i];
		if (s->form != ALIAS_LOCAL || s->file == NULL)
			continue;
		for (uint32_t k = 0; alias_file_at(s->file, k, &e); k++)
			if (entry_has(e.targets, t))
				return true;
	}
	return false;
}
