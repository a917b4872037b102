/*
 * Keywords for mail that goes on to other hosts.  Runs in: the master; every
 * role, on what the master made of the file.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/nexthop.h"
#include "common/settings_special.h"

enum { TRANSPORTS_MAX = 10000 };

static char *
copy(const char *s)
{
	char *c = strdup(s);

	if (c == NULL)
		abort(); /* at start-up */
	return c;
}

static void
replace(char **field, const char *text)
{
	free(*field);
	*field = copy(text);
}

/* ---- relay none | HOST[:PORT] [USER] ---- */

char *
parse_relay(void *target, const struct conf_line *c, bool again)
{
	struct settings *s = target;
	struct nexthop hop = { .port = 0 };
	char text[NEXTHOP_MAX];
	int n = -1;

	if (again)
		return conf_error("relay is set twice");
	if (c->n == 2 && strcasecmp(c->word[1], "none") == 0) {
		replace(&s->relay_host, "");
		replace(&s->relay_user, "");
		s->relay_port = 0;
		return NULL;
	}
	if (c->n == 2 || c->n == 3)
		n = snprintf(text, sizeof(text), "smtp:%s", c->word[1]);
	if (n < 0 || (size_t)n >= sizeof(text) ||
	    !nexthop_parse(view_of(text), &hop))
		return conf_error("relay is none, or a host and perhaps a "
				  "user, such as smtp.example.org:587 alice");
	replace(&s->relay_host, hop.name);
	replace(&s->relay_user, c->n == 3 ? c->word[2] : "");
	s->relay_port = hop.port;
	return NULL;
}

void
print_relay(const void *target, struct buf *b)
{
	const struct settings *s = target;
	bool v6 = strchr(s->relay_host, ':') != NULL;

	if (s->relay_host[0] == '\0')
		buf_adds(b, "relay none\n");
	else
		buf_addf(b, "relay %s%s%s:%u%s%s%s\n", v6 ? "[" : "",
		    s->relay_host, v6 ? "]" : "", s->relay_port,
		    s->relay_user[0] == '\0' ? "" : " \"", s->relay_user,
		    s->relay_user[0] == '\0' ? "" : "\"");
}

/* ---- relay_tls, relay_ip ---- */

static const char *const tls_words[] = { "none", "may", "must", "verify" };
static const char *const ip_words[] = { "ipv6_first", "ipv4_first", "ipv6",
	"ipv4" };

/* Which of the words the line has; n: none of them. */
static size_t
which(const struct conf_line *c, const char *const *words, size_t n)
{
	size_t i = 0;

	while (i < n && (c->n != 2 || strcasecmp(words[i], c->word[1]) != 0))
		i++;
	return i;
}

char *
parse_relay_tls(void *target, const struct conf_line *c, bool again)
{
	size_t i = which(c, tls_words, NELEM(tls_words));

	if (again)
		return conf_error("relay_tls is set twice");
	if (i == NELEM(tls_words))
		return conf_error("relay_tls is none, may, must or verify");
	((struct settings *)target)->relay_tls = (enum relay_tls)i;
	return NULL;
}

void
print_relay_tls(const void *target, struct buf *b)
{
	const struct settings *s = target;

	buf_addf(b, "relay_tls %s\n", tls_words[s->relay_tls]);
}

char *
parse_relay_ip(void *target, const struct conf_line *c, bool again)
{
	size_t i = which(c, ip_words, NELEM(ip_words));

	if (again)
		return conf_error("relay_ip is set twice");
	if (i == NELEM(ip_words))
		return conf_error(
		    "relay_ip is ipv6_first, ipv4_first, ipv6 or ipv4");
	((struct settings *)target)->relay_ip = (enum relay_ip)i;
	return NULL;
}

void
print_relay_ip(const void *target, struct buf *b)
{
	const struct settings *s = target;

	buf_addf(b, "relay_ip %s\n", ip_words[s->relay_ip]);
}

/* ---- relay_source ADDRESS... ---- */

char *
parse_relay_source(void *target, const struct conf_line *c, bool again)
{
	struct settings *s = target;
	unsigned char octets[ADDRESS_OCTETS];

	(void)again;
	for (unsigned i = 1; i < c->n; i++) {
		bool v6 = strchr(c->word[i], ':') != NULL;
		char **field = v6 ? &s->relay_source6 : &s->relay_source4;
		if (!address_read(view_of(c->word[i]), octets))
			return conf_error("relay_source: \"%s\" is not an "
					  "address",
			    c->word[i]);
		if (*field != NULL && (*field)[0] != '\0')
			return conf_error("relay_source: at most one IPv4 and "
					  "one IPv6 address");
		replace(field, c->word[i]);
	}
	return c->n > 1 ? NULL : conf_error("relay_source ADDRESS...");
}

void
print_relay_source(const void *target, struct buf *b)
{
	const struct settings *s = target;

	if (s->relay_source4[0] != '\0')
		buf_addf(b, "relay_source %s\n", s->relay_source4);
	if (s->relay_source6[0] != '\0')
		buf_addf(b, "relay_source %s\n", s->relay_source6);
}

/* ---- transport DOMAIN NEXTHOP ---- */

char *
parse_transport(void *target, const struct conf_line *c, bool again)
{
	struct settings *s = target;
	struct nexthop hop;

	(void)again;
	if (c->n != 3 || strlen(c->word[1]) > 255 ||
	    strpbrk(c->word[1], "@/ <>\"") != NULL)
		return conf_error("transport DOMAIN NEXTHOP");
	if (strcmp(c->word[2], "mx") != 0 &&
	    (!nexthop_parse(view_of(c->word[2]), &hop) ||
		hop.kind == NEXTHOP_MX || hop.kind == NEXTHOP_RELAY))
		return conf_error(
		    "transport: \"%s\" is not mx, smtp:HOST:PORT, "
		    "lmtp:HOST:PORT or lmtp:unix:/PATH",
		    c->word[2]);
	if (s->transport_n == TRANSPORTS_MAX)
		return conf_error(
		    "more than %d transport lines", TRANSPORTS_MAX);
	s->transports = settings_grow(
	    s->transports, s->transport_n, sizeof(*s->transports));
	struct transport *t = &s->transports[s->transport_n++];
	t->domain = copy(c->word[1]);
	t->nexthop = copy(c->word[2]);
	for (char *p = t->domain; *p != '\0'; p++)
		*p = (char)ascii_lower(*p);
	return NULL;
}

void
print_transport(const void *target, struct buf *b)
{
	const struct settings *s = target;

	for (unsigned i = 0; i < s->transport_n; i++)
		buf_addf(b, "transport %s \"%s\"\n", s->transports[i].domain,
		    s->transports[i].nexthop);
}

/* ---- all of them ---- */

void
settings_relay_complete(struct settings *s)
{
	char **const strings[] = { &s->relay_host, &s->relay_user,
		&s->relay_source4, &s->relay_source6 };

	for (unsigned i = 0; i < NELEM(strings); i++)
		if (*strings[i] == NULL)
			*strings[i] = copy("");
}

void
settings_relay_free(struct settings *s)
{
	free(s->relay_host);
	free(s->relay_user);
	free(s->relay_source4);
	free(s->relay_source6);
	for (unsigned i = 0; i < s->transport_n; i++) {
		free(s->transports[i].domain);
		free(s->transports[i].nexthop);
	}
	free(s->transports);
}
