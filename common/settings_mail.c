/*
 * Keywords about what is ours: domains, and the files of aliases.  Runs in: the
 * master; every role, on what the master made of the file.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/settings.h"
#include "common/settings_special.h"

enum { DOMAINS_MAX = 10000 };

/* ---- local_domains, virtual_domains NAME|/FILE... ---- */

struct domains {
	char ***list;
	unsigned *n;
};

static struct domains
local_of(struct settings *s)
{
	return (struct domains){ &s->local_domains, &s->local_domain_n };
}

static struct domains
virtual_of(struct settings *s)
{
	return (struct domains){ &s->virtual_domains, &s->virtual_domain_n };
}

static void
add_domain(struct domains to, const char *name)
{
	*to.list = settings_grow(*to.list, *to.n, sizeof(char *));
	char *d = settings_string(name);
	for (char *p = d; *p != '\0'; p++)
		*p = (char)ascii_lower(*p);
	(*to.list)[(*to.n)++] = d;
}

void
settings_add_domain(struct settings *s, const char *name)
{
	add_domain(local_of(s), name);
}

static char *
take_domain(struct domains to, const char *name)
{
	if (strlen(name) > 255 || strpbrk(name, "@/ <>\"") != NULL)
		return conf_error("\"%s\" is not a domain name", name);
	if (name[0] == '[' && !address_literal_valid(view_of(name)))
		return conf_error("\"%s\" is not an address literal such as "
				  "[192.0.2.1] or [IPv6:2001:db8::1]",
		    name);
	if (*to.n == DOMAINS_MAX)
		return conf_error("more than %d domains", DOMAINS_MAX);
	add_domain(to, name);
	return NULL;
}

/* One domain a line. */
static char *
take_domain_file(struct domains to, const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL, *err = NULL;
	size_t size = 0;

	if (f == NULL)
		return conf_error("%s: %s", path, strerror(errno));
	for (unsigned line = 1; err == NULL; line++) {
		ssize_t n = getline(&text, &size, f);
		if (n == -1)
			break;
		struct view v = { text, (size_t)n };
		v = view_strip(view_split(&v, '#', NULL));
		if (v.n == 0)
			continue;
		text[v.p - text + (ptrdiff_t)v.n] = '\0';
		char *why = take_domain(to, v.p);
		if (why != NULL)
			err = conf_error("%s:%u: %s", path, line, why);
		free(why);
	}
	if (err == NULL && ferror(f))
		err = conf_error("%s: %s", path, strerror(errno));
	free(text);
	fclose(f);
	return err;
}

static char *
take_domains(struct domains to, const struct conf_line *c)
{
	char *err = NULL;

	for (unsigned i = 1; i < c->n && err == NULL; i++)
		err = c->word[i][0] == '/' ? take_domain_file(to, c->word[i])
					   : take_domain(to, c->word[i]);
	return err;
}

char *
parse_domains(void *target, const struct conf_line *c, bool again)
{
	(void)again;
	return take_domains(local_of(target), c);
}

void
print_domains(const void *target, struct buf *b)
{
	const struct settings *s = target;

	for (unsigned i = 0; i < s->local_domain_n; i++)
		buf_addf(b, "local_domains %s\n", s->local_domains[i]);
}

char *
parse_virtual_domains(void *target, const struct conf_line *c, bool again)
{
	(void)again;
	return take_domains(virtual_of(target), c);
}

void
print_virtual_domains(const void *target, struct buf *b)
{
	const struct settings *s = target;

	for (unsigned i = 0; i < s->virtual_domain_n; i++)
		buf_addf(b, "virtual_domains %s\n", s->virtual_domains[i]);
}

static bool
has_domain(char *const *list, unsigned n, struct view domain)
{
	unsigned char is[ADDRESS_OCTETS], want[ADDRESS_OCTETS];
	bool literal = address_literal_read(domain, want);

	for (unsigned i = 0; i < n; i++)
		if (view_caseeqs(domain, list[i]) ||
		    (literal && address_literal_read(view_of(list[i]), is) &&
			memcmp(is, want, sizeof(is)) == 0))
			return true;
	return false;
}

bool
settings_local_domain(const struct settings *s, const char *domain, size_t n)
{
	return has_domain(
	    s->local_domains, s->local_domain_n, (struct view){ domain, n });
}

bool
settings_virtual_domain(const struct settings *s, const char *domain, size_t n)
{
	return has_domain(s->virtual_domains, s->virtual_domain_n,
	    (struct view){ domain, n });
}

bool
settings_our_domain(const struct settings *s, const char *domain, size_t n)
{
	return settings_local_domain(s, domain, n) ||
	       settings_virtual_domain(s, domain, n);
}

/* ---- aliases FILE..., virtual FILE... ---- */

static char *
take_files(const struct conf_line *c, char **list, unsigned *n)
{
	for (unsigned i = 1; i < c->n; i++) {
		if (c->word[i][0] == '\0' && c->n == 2)
			break; /* "" = none */
		if (c->word[i][0] != '/')
			return conf_error("%s: \"%s\" is not an absolute path",
			    c->word[0], c->word[i]);
		if (*n == ALIAS_FILES_MAX)
			return conf_error("%s: more than %d files", c->word[0],
			    ALIAS_FILES_MAX);
		list[(*n)++] = settings_string(c->word[i]);
	}
	return NULL;
}

static void
print_files(const char *keyword, char *const *list, unsigned n, struct buf *b)
{
	for (unsigned i = 0; i < n; i++)
		buf_addf(b, "%s \"%s\"\n", keyword, list[i]);
}

char *
parse_aliases(void *target, const struct conf_line *c, bool again)
{
	struct settings *s = target;

	(void)again;
	return take_files(c, s->alias_files, &s->alias_file_n);
}

void
print_aliases(const void *target, struct buf *b)
{
	const struct settings *s = target;

	print_files("aliases", s->alias_files, s->alias_file_n, b);
}

char *
parse_virtual(void *target, const struct conf_line *c, bool again)
{
	struct settings *s = target;

	(void)again;
	return take_files(c, s->virtual_files, &s->virtual_file_n);
}

void
print_virtual(const void *target, struct buf *b)
{
	const struct settings *s = target;

	print_files("virtual", s->virtual_files, s->virtual_file_n, b);
}

void
settings_mail_free(struct settings *s)
{
	for (unsigned i = 0; i < s->local_domain_n; i++)
		free(s->local_domains[i]);
	for (unsigned i = 0; i < s->virtual_domain_n; i++)
		free(s->virtual_domains[i]);
	for (unsigned i = 0; i < s->alias_file_n; i++)
		free(s->alias_files[i]);
	for (unsigned i = 0; i < s->virtual_file_n; i++)
		free(s->virtual_files[i]);
	free(s->local_domains);
	free(s->virtual_domains);
}
