/*
 * The keyword listen.  Runs in: the master; every role, on what the master made
 * of the file.
 *
 *	listen TYPE ADDRESS:PORT [plaintext_auth] [proxy]
 *	listen TYPE unix:/PATH [MODE] [plaintext_auth]
 *	listen queue unix:/PATH [MODE]
 *	listen control unix:/PATH [MODE]
 */
#define _GNU_SOURCE
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/role.h"
#include "common/settings_special.h"

enum { MODE_DEFAULT = 0666, MODE_CONTROL = 0600, MODE_MAX = 0777 };

static const char *const listen_types[] = {
	[LISTEN_MX] = "mx",
	[LISTEN_SUBMISSION] = "submission",
	[LISTEN_SMTPS] = "smtps",
	[LISTEN_LMTP] = "lmtp",
	[LISTEN_QUEUE] = "queue",
	[LISTEN_CONTROL] = "control",
	[LISTEN_POP3] = "pop3",
	[LISTEN_POP3S] = "pop3s",
};

const char *
listen_type_name(enum listen_type t)
{
	return listen_types[t];
}

static char *
parse_unix(const char *path, struct listener *l)
{
	l->local = true;
	l->mode = l->type == LISTEN_CONTROL ? MODE_CONTROL : MODE_DEFAULT;
	if (path[0] != '/' || path[1] == '\0' || path[strlen(path) - 1] == '/')
		return conf_error("unix: needs a path that begins with /, "
				  "not \"%s\"",
		    path);
	if (!view_copy(view_of(path), l->address, sizeof(l->address)))
		return conf_error("the path of a Unix socket may have %zu "
				  "octets: \"%s\"",
		    sizeof(l->address) - 1, path);
	return NULL;
}

static char *
parse_place(const char *word, struct listener *l)
{
	const char *colon = strrchr(word, ':');
	struct view host = { word, colon == NULL ? 0 : (size_t)(colon - word) };
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV },
			*ai = NULL;

	if (view_casestarts(view_of(word), "unix:"))
		return parse_unix(word + strlen("unix:"), l);
	if (colon == NULL)
		return conf_error(
		    "listen needs ADDRESS:PORT, not \"%s\"", word);
	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') {
		host.p++;
		host.n -= 2;
	} else if (host.n > 0 && memchr(host.p, ':', host.n) != NULL) {
		return conf_error(
		    "write an IPv6 address in brackets: [%.*s]:%s", (int)host.n,
		    host.p, colon + 1);
	}
	if (host.n > 63 || !view_copy(host, l->address, sizeof(l->address)) ||
	    !view_copy(view_of(colon + 1), l->port, sizeof(l->port)))
		return conf_error("address or port too long: \"%s\"", word);
	unsigned long long port;
	if (!view_number(view_of(l->port), 65535, &port))
		return conf_error(
		    "\"%s\" is not a port number (0 to 65535)", l->port);
	if (strcmp(l->address, "*") == 0)
		return NULL;
	int rc = getaddrinfo(l->address, l->port, &hints, &ai);
	if (rc != 0)
		return conf_error(
		    "\"%s\" is not a numeric address; write for "
		    "example 192.0.2.1, [2001:db8::1], * or unix:/path",
		    l->address);
	freeaddrinfo(ai);
	return NULL;
}

/* Permissions in octal. */
static bool
parse_mode(const char *word, unsigned *mode)
{
	unsigned m = 0;

	if (word[0] < '0' || word[0] > '7' || strlen(word) > 4)
		return false;
	for (; *word >= '0' && *word <= '7'; word++)
		m = m * 8 + (unsigned)(*word - '0');
	*mode = m;
	return *word == '\0' && m <= MODE_MAX;
}

static char *
parse_option(const char *word, struct listener *l)
{
	if (strcasecmp(word, "plaintext_auth") == 0)
		l->plaintext_auth = true;
	else if (strcasecmp(word, "proxy") == 0 && !l->local)
		l->proxy = true;
	else if (!l->local || !parse_mode(word, &l->mode))
		return conf_error("listen: unknown option \"%s\"; known are "
				  "plaintext_auth%s",
		    word,
		    l->local ? " and permissions such as 0660" : " and proxy");
	return NULL;
}

/* What does not go together. */
static char *
check(const struct settings *s, const struct listener *l)
{
	if (s->listener_n == ROLE_LISTEN_MAX)
		return conf_error("more than %d listen lines", ROLE_LISTEN_MAX);
	if (l->local && l->type >= LISTEN_POP3)
		return conf_error("pop3d does not listen on Unix sockets");
	bool asked = l->type == LISTEN_QUEUE || l->type == LISTEN_CONTROL;
	if (asked && !l->local)
		return conf_error("listen %s needs unix:/PATH: who asks is "
				  "known on this host only",
		    listen_types[l->type]);
	for (unsigned i = 0; asked && i < s->listener_n; i++)
		if (s->listeners[i].type == l->type)
			return conf_error(
			    "one line listen %s will do: who answers is one",
			    listen_types[l->type]);
	/* RFC 2033 5: whatever speaks SMTP there would be misled. */
	if (l->type == LISTEN_LMTP && strcmp(l->port, "25") == 0)
		return conf_error("LMTP must not be spoken on port 25 "
				  "(RFC 2033 5)");
	return NULL;
}

/* The order in which they are kept: workers know theirs by their places, and
 * the pool its own as the last that it gets. */
static int
place(enum listen_type t)
{
	return t == LISTEN_QUEUE ? 2 : t == LISTEN_CONTROL;
}

char *
parse_listen(void *target, const struct conf_line *c, bool again)
{
	struct settings *s = target;
	struct listener l = { .type = (enum listen_type) - 1 };

	(void)again;
	if (c->n < 3)
		return conf_error("listen TYPE ADDRESS:PORT [plaintext_auth] "
				  "[proxy], or listen TYPE unix:/PATH [MODE]");
	for (unsigned i = 0; i < NELEM(listen_types); i++)
		if (strcasecmp(listen_types[i], c->word[1]) == 0)
			l.type = (enum listen_type)i;
	if (l.type == (enum listen_type) - 1)
		return conf_error("listen type \"%s\": mx, submission, smtps, "
				  "lmtp, queue (smtpd), pop3, pop3s (pop3d) or "
				  "control (both)",
		    c->word[1]);
	char *e = parse_place(c->word[2], &l);
	for (unsigned i = 3; e == NULL && i < c->n; i++)
		e = parse_option(c->word[i], &l);
	if (e == NULL)
		e = check(s, &l);
	if (e != NULL)
		return e;
	s->listeners = settings_grow(s->listeners, s->listener_n, sizeof(l));
	unsigned at = s->listener_n++;
	while (at > 0 && place(s->listeners[at - 1].type) > place(l.type)) {
		s->listeners[at] = s->listeners[at - 1];
		at--;
	}
	s->listeners[at] = l;
	return NULL;
}

void
print_listen(const void *target, struct buf *b)
{
	const struct settings *s = target;

	for (unsigned i = 0; i < s->listener_n; i++) {
		const struct listener *l = &s->listeners[i];
		bool v6 = !l->local && strchr(l->address, ':') != NULL;
		buf_addf(b, "listen %s ", listen_types[l->type]);
		if (l->local)
			buf_addf(b, "\"unix:%s\" %04o", l->address, l->mode);
		else
			buf_addf(b, "%s%s%s:%s", v6 ? "[" : "", l->address,
			    v6 ? "]" : "", l->port);
		buf_addf(b, "%s%s\n",
		    l->plaintext_auth ? " plaintext_auth" : "",
		    l->proxy ? " proxy" : "");
	}
}
