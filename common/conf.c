/*
 * Config files.  Runs in: the master before anything else; every role, on what
 * the master made of them.
 */
#define _GNU_SOURCE
#include "common/conf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/view.h"

enum { FILE_MAX = 1 << 20, INCLUDE_DEPTH = 8, OPTIONS_MAX = 128 };

struct reader {
	const struct conf_option *options;
	unsigned mask;
	void *target;
	bool seen[OPTIONS_MAX];
	unsigned depth;
};

char *
conf_error(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	int n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n == -1)
		abort(); /* no memory for one line at start-up */
	return s;
}

unsigned
conf_distance(const char *a, const char *b)
{
	enum { MAX = 40 };
	unsigned row[MAX + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > MAX || lb > MAX)
		return 3;
	for (unsigned j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned same =
			    ascii_lower(a[i - 1]) == ascii_lower(b[j - 1]);
			unsigned best = diagonal + !same;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[lb] > 3 ? 3 : row[lb];
}

const struct conf_option *
conf_find(const struct conf_option *o, const char *name, unsigned mask)
{
	for (; o->name != NULL; o++)
		if ((o->mask & mask) && strcasecmp(o->name, name) == 0)
			return o;
	return NULL;
}

static const char *
closest(const struct conf_option *o, const char *name, unsigned mask)
{
	const char *best = NULL;
	unsigned least = 3;

	for (; o->name != NULL; o++) {
		unsigned d = conf_distance(o->name, name);
		if ((o->mask & mask) && d < least) {
			least = d;
			best = o->name;
		}
	}
	return best;
}

struct unit {
	const char *suffix;
	int64_t factor;
};
static const struct unit times[] = { { "ms", 1 }, { "s", 1000 }, { "", 1000 },
	{ "m", 60000 }, { "h", 3600000 }, { "d", 86400000 }, { "w", 604800000 },
	{ NULL, 0 } };
static const struct unit sizes[] = { { "", 1 }, { "K", 1024 }, { "M", 1 << 20 },
	{ "G", 1 << 30 }, { NULL, 0 } };
static const struct unit plain[] = { { "", 1 }, { NULL, 0 } };

static const struct unit *
units_of(enum conf_type type)
{
	return type == CONF_TIME ? times : type == CONF_SIZE ? sizes : plain;
}

/* The value in the largest unit that divides it. */
static void
print_number(const struct conf_option *o, int64_t v, struct buf *b)
{
	const struct unit *best = NULL;

	for (const struct unit *u = units_of(o->type); u->suffix != NULL; u++)
		if (v % u->factor == 0 &&
		    (u->suffix[0] != '\0' || o->type != CONF_TIME) &&
		    (best == NULL || u->factor > best->factor) &&
		    (v != 0 || best == NULL))
			best = u;
	assert(best != NULL); /* every list has a unit of 1 */
	buf_addf(b, "%lld%s", (long long)(v / best->factor), best->suffix);
}

static char *
out_of_range(const struct conf_option *o)
{
	struct buf lo, hi;

	buf_init(&lo, 64);
	buf_init(&hi, 64);
	print_number(o, o->min, &lo);
	print_number(o, o->max, &hi);
	char *e = conf_error(
	    "%s must be from %s to %s", o->name, buf_cstr(&lo), buf_cstr(&hi));
	buf_free(&lo);
	buf_free(&hi);
	return e;
}

char *
conf_number(const char *word, const struct conf_option *o, int64_t *out)
{
	size_t digits = strspn(word, "0123456789");
	unsigned long long v;

	if (!view_number(
		(struct view){ word, digits }, INT64_MAX / 604800000, &v) &&
	    !(o->type != CONF_TIME && view_number((struct view){ word, digits },
					  INT64_MAX >> 31, &v)))
		return digits == 0 ? conf_error("%s needs a number, not \"%s\"",
					 o->name, word)
				   : out_of_range(o);
	for (const struct unit *u = units_of(o->type); u->suffix != NULL; u++) {
		if (strcasecmp(u->suffix, word + digits) != 0)
			continue;
		int64_t n = (int64_t)v * u->factor;
		if (n < o->min || n > o->max)
			return out_of_range(o);
		*out = n;
		return NULL;
	}
	return conf_error("%s: \"%s\" is not a unit here; write %s", o->name,
	    word + digits,
	    o->type == CONF_TIME   ? "500ms, 30s, 5m, 2h or 1d"
	    : o->type == CONF_SIZE ? "4096, 64K, 50M or 2G"
				   : "a plain number");
}

static char *
set_value(const struct conf_option *o, char *target, const char *word)
{
	if (o->type == CONF_STRING) {
		char *copy = strdup(word);
		if (copy == NULL)
			abort();
		char **where = (char **)(void *)(target + o->offset);
		free(*where);
		*where = copy;
		return NULL;
	}
	if (o->type == CONF_BOOL) {
		bool yes = strcasecmp(word, "yes") == 0;
		if (!yes && strcasecmp(word, "no") != 0)
			return conf_error(
			    "%s is yes or no, not \"%s\"", o->name, word);
		*(bool *)(void *)(target + o->offset) = yes;
		return NULL;
	}
	return conf_number(word, o, (int64_t *)(void *)(target + o->offset));
}

static char *
apply(struct reader *r, const struct conf_option *o, const struct conf_line *l,
    bool again)
{
	if (o->type == CONF_SPECIAL)
		return o->parse(r->target, l, again);
	if (again)
		return conf_error("%s is set twice", o->name);
	if (l->n != 2)
		return conf_error("%s takes one value; quote it if it holds "
				  "blanks",
		    o->name);
	return set_value(o, r->target, l->word[1]);
}

/* Splits text (changed in place) into words. */
static char *
split(char *text, struct conf_line *l)
{
	char *p = text;

	l->n = 0;
	for (;;) {
		p += strspn(p, " \t\r");
		if (*p == '\0' || *p == '#')
			return NULL;
		if (l->n == CONF_WORDS)
			return conf_error("more than %d words", CONF_WORDS);
		if (*p == '"') {
			char *end = strchr(p + 1, '"');
			if (end == NULL)
				return conf_error("a quote is not closed");
			*end = '\0';
			l->word[l->n++] = p + 1;
			p = end + 1;
			continue;
		}
		l->word[l->n++] = p;
		p += strcspn(p, " \t\r");
		if (*p != '\0')
			*p++ = '\0';
	}
}

static char *read_file(struct reader *r, int fd, const char *name);

static char *
read_included(struct reader *r, const struct conf_line *l, bool *opened)
{
	const char *slash = strrchr(l->file, '/');
	char path[1024];

	if (l->n != 2)
		return conf_error("include takes one file name");
	int dir = l->word[1][0] == '/' || slash == NULL
		      ? 0
		      : (int)(slash - l->file) + 1;
	int n =
	    snprintf(path, sizeof(path), "%.*s%s", dir, l->file, l->word[1]);
	if (n < 0 || (size_t)n >= sizeof(path) || r->depth == INCLUDE_DEPTH)
		return conf_error("include is nested too deep or too long");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return conf_error("include %s: %s", path, strerror(errno));
	*opened = true;
	r->depth++;
	char *e = read_file(r, fd, path);
	r->depth--;
	return e;
}

/* An error of an included file already names its place. */
static char *
placed(const struct conf_line *l, char *e, bool included)
{
	if (e == NULL || included)
		return e;
	char *with = conf_error("%s:%u: %s", l->file, l->line, e);
	free(e);
	return with;
}

static char *
read_line(struct reader *r, char *text, const char *file, unsigned number)
{
	struct conf_line l = { .file = file, .line = number };
	char *e = split(text, &l);

	if (e != NULL || l.n == 0)
		return placed(&l, e, false);
	if (strcasecmp(l.word[0], "include") == 0) {
		bool opened = false;
		e = read_included(r, &l, &opened);
		return placed(&l, e, opened);
	}
	const struct conf_option *o = conf_find(r->options, l.word[0], r->mask);
	if (o == NULL) {
		const char *near = closest(r->options, l.word[0], r->mask);
		bool other = conf_find(r->options, l.word[0], ~0u) != NULL;
		return placed(&l,
		    conf_error("unknown keyword \"%s\"%s%s%s%s", l.word[0],
			other ? " (the other daemon's)" : "",
			near != NULL ? "; did you mean \"" : "",
			near != NULL ? near : "", near != NULL ? "\"?" : ""),
		    false);
	}
	size_t i = (size_t)(o - r->options);
	if (l.n == 1)
		return placed(
		    &l, conf_error("%s needs a value", o->name), false);
	e = apply(r, o, &l, r->seen[i]);
	r->seen[i] = true;
	return placed(&l, e, false);
}

static char *
slurp(int fd, const char *name, char **text)
{
	size_t n = 0;
	char *p = malloc(FILE_MAX + 1), *e = NULL;
	ssize_t got = 0;

	*text = NULL;
	if (p == NULL)
		abort();
	while (n <= FILE_MAX && (got = read(fd, p + n, FILE_MAX + 1 - n)) > 0)
		n += (size_t)got;
	if (got == -1)
		e = conf_error("%s: %s", name, strerror(errno));
	else if (n > FILE_MAX)
		e = conf_error("%s: larger than 1 MiB", name);
	else if (memchr(p, '\0', n) != NULL)
		e = conf_error(
		    "%s: holds a NUL octet; it is not a text file", name);
	if (e != NULL) {
		free(p);
		return e;
	}
	p[n] = '\0';
	*text = p;
	return NULL;
}

static char *
read_file(struct reader *r, int fd, const char *name)
{
	char *text = NULL, *e = NULL;
	unsigned number = 0;

	e = slurp(fd, name, &text);
	close(fd);
	for (char *p = text; e == NULL && p != NULL;) {
		char *end = strchr(p, '\n');
		if (end != NULL)
			*end = '\0';
		e = read_line(r, p, name, ++number);
		p = end == NULL ? NULL : end + 1;
	}
	free(text);
	return e;
}

static char *
read_defaults(struct reader *r)
{
	for (const struct conf_option *o = r->options; o->name != NULL; o++) {
		struct conf_line l = { .file = "default" };
		char text[256];

		if (!(o->mask & r->mask) || o->dflt == NULL)
			continue;
		snprintf(text, sizeof(text), "%s %s", o->name, o->dflt);
		char *e = split(text, &l);
		if (e == NULL)
			e = apply(r, o, &l, false);
		if (e != NULL)
			return e;
	}
	return NULL;
}

char *
conf_read(int fd, const char *name, const struct conf_option *options,
    unsigned mask, void *target)
{
	struct reader r = {
		.options = options, .mask = mask, .target = target
	};
	char *e = read_defaults(&r);

	if (e == NULL && fd == -1) {
		fd = open(name, O_RDONLY | O_CLOEXEC);
		if (fd == -1)
			e = conf_error("%s: %s; another configuration is named "
				       "with -f FILE",
			    name, strerror(errno));
	}
	if (e == NULL)
		return read_file(&r, fd, name);
	close(fd);
	return e;
}

void
conf_print(const struct conf_option *o, const void *target, struct buf *b)
{
	const char *at = (const char *)target + o->offset;

	if (o->type == CONF_SPECIAL) {
		o->print(target, b);
		return;
	}
	buf_addf(b, "%s ", o->name);
	if (o->type == CONF_STRING)
		buf_addf(b, "\"%s\"", *(const char *const *)(const void *)at);
	else if (o->type == CONF_BOOL)
		buf_adds(b, *(const bool *)(const void *)at ? "yes" : "no");
	else
		print_number(o, *(const int64_t *)(const void *)at, b);
	buf_adds(b, "\n");
}
