/*
 * Keywords whose values are more than one word.  Runs in: the master; every
 * role, on what the master made of the file.
 */
#define _GNU_SOURCE
#include "common/settings_special.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/sasl_mech.h"
#include "common/settings.h"

enum { TLS_MAX = 8, NETWORKS_MAX = 1000 };

void *
settings_grow(void *list, unsigned n, size_t size)
{
	void *p = realloc(list, (n + 1) * size);

	if (p == NULL)
		abort(); /* at start-up */
	memset((char *)p + n * size, 0, size);
	return p;
}

char *
settings_string(const char *s)
{
	char *c = strdup(s);

	if (c == NULL)
		abort();
	return c;
}

/* ---- tls_certificate CERT KEY [OCSP] ---- */

char *
parse_tls(void *target, const struct conf_line *c, bool again)
{
	struct settings *s = target;

	(void)again;
	if (c->n < 3 || c->n > 4 || strcmp(c->word[1], c->word[2]) == 0)
		return conf_error("tls_certificate takes two files, the "
				  "certificate with its chain and the private "
				  "key (processes that face the network read "
				  "the first one), and perhaps a third one, an "
				  "OCSP response");
	if (s->tls_n == TLS_MAX)
		return conf_error("more than %d certificates", TLS_MAX);
	s->tls = settings_grow(s->tls, s->tls_n, sizeof(*s->tls));
	s->tls[s->tls_n].certificate = settings_string(c->word[1]);
	s->tls[s->tls_n].key = settings_string(c->word[2]);
	s->tls[s->tls_n].ocsp = c->n == 4 ? settings_string(c->word[3]) : NULL;
	s->tls_n++;
	return NULL;
}

void
print_tls(const void *target, struct buf *b)
{
	const struct settings *s = target;

	for (unsigned i = 0; i < s->tls_n; i++)
		buf_addf(b, "tls_certificate \"%s\" \"%s\"%s%s%s\n",
		    s->tls[i].certificate, s->tls[i].key,
		    s->tls[i].ocsp == NULL ? "" : " \"",
		    s->tls[i].ocsp == NULL ? "" : s->tls[i].ocsp,
		    s->tls[i].ocsp == NULL ? "" : "\"");
}

/* ---- role_user ROLE USER ---- */

char *
parse_role_user(void *target, const struct conf_line *c, bool again)
{
	struct settings *s = target;
	struct role_user u;
	static const char *const roles[] = { "log", "worker", "key", "lookup",
		"queue", "append", "crypt", "relay" };

	(void)again;
	if (c->n != 3)
		return conf_error("role_user ROLE USER");
	if (!view_copy(view_of(c->word[1]), u.role, sizeof(u.role)) ||
	    !view_copy(view_of(c->word[2]), u.user, sizeof(u.user)))
		return conf_error("role_user: too long");
	unsigned i = 0;
	while (i < NELEM(roles) && strcmp(roles[i], u.role) != 0)
		i++;
	if (i == NELEM(roles))
		return conf_error(
		    "\"%s\" is not a role with a user of its "
		    "own: log, worker, key, lookup, queue, append, crypt, "
		    "relay",
		    u.role);
	for (i = 0; i < s->role_user_n; i++)
		if (strcmp(s->role_users[i].role, u.role) == 0) {
			s->role_users[i] = u;
			return NULL;
		}
	s->role_users = settings_grow(s->role_users, s->role_user_n, sizeof(u));
	s->role_users[s->role_user_n++] = u;
	return NULL;
}

void
print_role_user(const void *target, struct buf *b)
{
	const struct settings *s = target;

	for (unsigned i = 0; i < s->role_user_n; i++)
		buf_addf(b, "role_user %s \"%s\"\n", s->role_users[i].role,
		    s->role_users[i].user);
}

/* ---- sasl_mechanisms NAME... ---- */

char *
parse_mechanisms(void *target, const struct conf_line *c, bool again)
{
	struct settings *s = target;
	bool all = c->n == 2 && strcasecmp(c->word[1], "all") == 0;

	if (again)
		return conf_error("sasl_mechanisms is set twice");
	s->sasl_mechanisms = 0;
	for (unsigned i = 0; i < SASL__N && all; i++)
		s->sasl_mechanisms |= 1u << i;
	for (unsigned i = 1; i < c->n && !all; i++) {
		enum sasl_id id = sasl_id_of(view_of(c->word[i]));
		if (id == SASL__N)
			return conf_error(
			    "\"%s\" is not a mechanism; there "
			    "are SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS, "
			    "SCRAM-SHA-256, SCRAM-SHA-1, EXTERNAL, CRAM-MD5, "
			    "PLAIN, LOGIN, and all of them",
			    c->word[i]);
		s->sasl_mechanisms |= 1u << id;
	}
	return NULL;
}

void
print_mechanisms(const void *target, struct buf *b)
{
	const struct settings *s = target;

	buf_adds(b, "sasl_mechanisms");
	for (unsigned i = 0; i < SASL__N; i++)
		if (s->sasl_mechanisms & 1u << i)
			buf_addf(b, " %s", sasl_mechs[i].name);
	buf_addc(b, '\n');
}

/* ---- small choices ---- */

char *
parse_locks(void *target, const struct conf_line *c, bool again)
{
	struct settings *s = target;

	if (again)
		return conf_error("mailbox_locks is set twice");
	s->lock_fcntl = true;
	s->lock_dotlock = c->n == 3 && strcmp(c->word[2], "dotlock") == 0;
	if (strcmp(c->word[1], "fcntl") != 0 || c->n > 3 ||
	    (c->n == 3 && !s->lock_dotlock))
		return conf_error("mailbox_locks is \"fcntl\" or \"fcntl "
				  "dotlock\"");
	return NULL;
}

void
print_locks(const void *target, struct buf *b)
{
	const struct settings *s = target;

	buf_addf(
	    b, "mailbox_locks fcntl%s\n", s->lock_dotlock ? " dotlock" : "");
}

char *
settings_choose(const struct conf_line *c, bool again, const char *no,
    const char *yes, bool *out)
{
	if (again)
		return conf_error("%s is set twice", c->word[0]);
	*out = strcasecmp(c->word[1], yes) == 0;
	if (c->n != 2 || (!*out && strcasecmp(c->word[1], no) != 0))
		return conf_error("%s is %s or %s", c->word[0], yes, no);
	return NULL;
}

char *
parse_quoting(void *target, const struct conf_line *c, bool again)
{
	return settings_choose(c, again, "mboxo", "mboxrd",
	    &((struct settings *)target)->quoting_mboxrd);
}

void
print_quoting(const void *target, struct buf *b)
{
	const struct settings *s = target;

	buf_addf(b, "quoting %s\n", s->quoting_mboxrd ? "mboxrd" : "mboxo");
}

static const char *const vrfy_words[] = { "authenticated", "all", "none" };

char *
parse_vrfy(void *target, const struct conf_line *c, bool again)
{
	struct settings *s = target;

	if (again)
		return conf_error("%s is set twice", c->word[0]);
	for (size_t i = 0; c->n == 2 && i < NELEM(vrfy_words); i++)
		if (strcasecmp(c->word[1], vrfy_words[i]) == 0) {
			s->vrfy = (enum vrfy_for)i;
			return NULL;
		}
	return conf_error("%s is authenticated, all or none", c->word[0]);
}

void
print_vrfy(const void *target, struct buf *b)
{
	const struct settings *s = target;

	buf_addf(b, "vrfy %s\n", vrfy_words[s->vrfy]);
}

char *
parse_bare_newline(void *target, const struct conf_line *c, bool again)
{
	return settings_choose(c, again, "normalize", "reject",
	    &((struct settings *)target)->bare_newline_reject);
}

void
print_bare_newline(const void *target, struct buf *b)
{
	const struct settings *s = target;

	buf_addf(b, "bare_newline %s\n",
	    s->bare_newline_reject ? "reject" : "normalize");
}

char *
parse_log_style(void *target, const struct conf_line *c, bool again)
{
	return settings_choose(c, again, "own", "postfix",
	    &((struct settings *)target)->log_postfix);
}

void
print_log_style(const void *target, struct buf *b)
{
	const struct settings *s = target;

	buf_addf(b, "log_style %s\n", s->log_postfix ? "postfix" : "own");
}

char *
parse_log_to(void *target, const struct conf_line *c, bool again)
{
	static const char *const places[] = { "syslog", "journal", "stderr" };
	struct settings *s = target;

	if (again)
		return conf_error("%s is set twice", c->word[0]);
	for (size_t i = 0; c->n == 2 && i < NELEM(places); i++)
		if (strcasecmp(c->word[1], places[i]) == 0) {
			free(s->log_to);
			s->log_to = settings_string(places[i]);
			return NULL;
		}
	return conf_error("log_to is syslog, journal or stderr");
}

void
print_log_to(const void *target, struct buf *b)
{
	buf_addf(b, "log_to %s\n", ((const struct settings *)target)->log_to);
}

/* ---- pop3d: language TAG, expire never|DAYSd ---- */

char *
parse_language(void *target, const struct conf_line *c, bool again)
{
	static const char *const tags[] = { "en", "ru", "zh", "de", "fr",
		"es" }; /* those of pop3d/lang.c, which a test compares */
	struct settings *s = target;

	if (again)
		return conf_error("language is set twice");
	for (unsigned i = 0; c->n == 2 && i < NELEM(tags); i++) {
		if (strcasecmp(tags[i], c->word[1]) != 0)
			continue;
		view_copy(view_of(tags[i]), s->language, sizeof(s->language));
		return NULL;
	}
	return conf_error("language is one of en, ru, zh, de, fr, es");
}

void
print_language(const void *target, struct buf *b)
{
	buf_addf(
	    b, "language %s\n", ((const struct settings *)target)->language);
}

char *
parse_expire(void *target, const struct conf_line *c, bool again)
{
	enum { DAYS_MAX = 36500 };
	struct settings *s = target;
	unsigned long long days = 0;
	size_t n = c->n == 2 ? strspn(c->word[1], "0123456789") : 0;

	if (again)
		return conf_error("expire is set twice");
	if (c->n == 2 && strcasecmp(c->word[1], "never") == 0) {
		s->expire_days = 0;
		return NULL;
	}
	if (!view_number((struct view){ c->word[1], n }, DAYS_MAX, &days) ||
	    days == 0 || strcasecmp(c->word[1] + n, "d") != 0)
		return conf_error(
		    "expire is never, or from 1d to %dd", DAYS_MAX);
	s->expire_days = (int64_t)days;
	return NULL;
}

void
print_expire(const void *target, struct buf *b)
{
	const struct settings *s = target;

	if (s->expire_days == 0)
		buf_adds(b, "expire never\n");
	else
		buf_addf(b, "expire %lldd\n", (long long)s->expire_days);
}
