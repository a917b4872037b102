/*
 * Keywords that say which clients may do what, and how much of it.  Runs in:
 * the master; every role, on what the master made of the file.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/address.h"
#include "common/settings_special.h"

enum { NETWORKS_MAX = 10000 };
enum { SEC = 1000, DAY = 24 * 60 * 60 * SEC };

/* ---- NETWORK... ---- */

static char *
add_networks(struct networks *n, const struct conf_line *c)
{
	for (unsigned i = 1; i < c->n; i++) {
		struct network one;
		if (!network_parse(view_of(c->word[i]), &one))
			return conf_error(
			    "%s: \"%s\" is not a network; write "
			    "for example 192.0.2.0/24 or 2001:db8::/32",
			    c->word[0], c->word[i]);
		if (n->n == NETWORKS_MAX)
			return conf_error(
			    "more than %d networks", NETWORKS_MAX);
		n->list = settings_grow(n->list, n->n, sizeof(one));
		n->list[n->n++] = one;
	}
	return NULL;
}

static void
print_networks(const char *keyword, const struct networks *n, struct buf *b)
{
	char text[NETWORK_TEXT];

	for (unsigned i = 0; i < n->n; i++) {
		network_text(&n->list[i], text);
		buf_addf(b, "%s %s\n", keyword, text);
	}
}

#define NETWORKS(name)                                                         \
	char *parse_##name(                                                    \
	    void *target, const struct conf_line *c, bool again)               \
	{                                                                      \
		(void)again;                                                   \
		return add_networks(&((struct settings *)target)->name, c);    \
	}                                                                      \
	void print_##name(const void *target, struct buf *b)                   \
	{                                                                      \
		print_networks(                                                \
		    #name, &((const struct settings *)target)->name, b);       \
	}

NETWORKS(relay_networks)
NETWORKS(refuse_networks)
NETWORKS(proxy_networks)
NETWORKS(xclient_networks)

/* ---- auth_address_exempt NETWORK... | none ---- */

char *
parse_exempt(void *target, const struct conf_line *c, bool again)
{
	struct networks *n = &((struct settings *)target)->auth_exempt;

	if (!again)
		n->n = 0; /* the default's */
	if (c->n == 2 && strcasecmp(c->word[1], "none") == 0)
		return NULL;
	return add_networks(n, c);
}

void
print_exempt(const void *target, struct buf *b)
{
	const struct settings *s = target;

	if (s->auth_exempt.n == 0)
		buf_adds(b, "auth_address_exempt none\n");
	print_networks("auth_address_exempt", &s->auth_exempt, b);
}

/* ---- 0, or N/TIME ---- */

static char *
parse_rate(struct rate *r, const struct conf_line *c, bool again)
{
	const struct conf_option time = {
		.name = c->word[0], .type = CONF_TIME, .min = SEC, .max = DAY
	};
	struct view word = view_of(c->word[1]);
	unsigned long long n;
	bool slash;

	if (again)
		return conf_error("%s is set twice", c->word[0]);
	struct view number = view_split(&word, '/', &slash);
	if (c->n != 2 || !view_number(number, 1000000, &n) || slash != (n > 0))
		return conf_error("%s is 0 for no limit, or a number and a "
				  "time such as 30/1m",
		    c->word[0]);
	r->n = (int64_t)n;
	r->window = 0;
	return slash ? conf_number(word.p, &time, &r->window) : NULL;
}

static void
print_rate(const char *keyword, const struct rate *r, struct buf *b)
{
	if (r->n == 0)
		buf_addf(b, "%s 0\n", keyword);
	else
		buf_addf(b, "%s %lld/%lldms\n", keyword, (long long)r->n,
		    (long long)r->window);
}

char *
parse_connection_rate(void *target, const struct conf_line *c, bool again)
{
	struct settings *s = target;

	return parse_rate(&s->connection_rate, c, again);
}

void
print_connection_rate(const void *target, struct buf *b)
{
	const struct settings *s = target;

	print_rate("client_connection_rate", &s->connection_rate, b);
}

char *
parse_message_rate(void *target, const struct conf_line *c, bool again)
{
	struct settings *s = target;

	return parse_rate(&s->message_rate, c, again);
}

void
print_message_rate(const void *target, struct buf *b)
{
	const struct settings *s = target;

	print_rate("client_message_rate", &s->message_rate, b);
}

/* ---- dns_servers ADDRESS[:PORT]... ---- */

static bool
parse_server(const char *word, struct dns_server *out)
{
	const char *colon = strrchr(word, ':');
	struct view host = view_of(word);
	unsigned long long port = 53;

	/* "192.0.2.1:53", "[2001:db8::1]:53", or without a port. */
	if (colon != NULL && (word[0] == '[' ? colon > word && colon[-1] == ']'
					     : strchr(word, ':') == colon)) {
		host.n = (size_t)(colon - word);
		if (!view_number(view_of(colon + 1), 65535, &port) || port == 0)
			return false;
	}
	if (host.n > 1 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = (struct view){ host.p + 1, host.n - 2 };
	out->port = (unsigned)port;
	return address_read(host, out->address);
}

char *
parse_dns_servers(void *target, const struct conf_line *c, bool again)
{
	struct settings *s = target;

	(void)again;
	for (unsigned i = 1; i < c->n; i++) {
		if (s->dns_server_n == DNS_SERVERS_MAX)
			return conf_error(
			    "more than %d DNS servers", DNS_SERVERS_MAX);
		if (!parse_server(c->word[i], &s->dns_servers[s->dns_server_n]))
			return conf_error(
			    "dns_servers: \"%s\" is not an "
			    "address; write for example 192.0.2.1, "
			    "192.0.2.1:53 or [2001:db8::1]:53",
			    c->word[i]);
		s->dns_server_n++;
	}
	return NULL;
}

void
print_dns_servers(const void *target, struct buf *b)
{
	const struct settings *s = target;
	char text[ADDRESS_TEXT];

	for (unsigned i = 0; i < s->dns_server_n; i++) {
		address_text(s->dns_servers[i].address, text);
		bool v6 = strchr(text, ':') != NULL;
		buf_addf(b, "dns_servers %s%s%s:%u\n", v6 ? "[" : "", text,
		    v6 ? "]" : "", s->dns_servers[i].port);
	}
}

/* ---- dnsbl ZONE... ---- */

char *
parse_dnsbl(void *target, const struct conf_line *c, bool again)
{
	struct settings *s = target;

	(void)again;
	for (unsigned i = 1; i < c->n; i++) {
		/* 64 octets of an IPv6 address go before it. */
		if (!domain_valid(view_of(c->word[i])) ||
		    c->word[i][0] == '[' || strlen(c->word[i]) > 180)
			return conf_error(
			    "dnsbl: \"%s\" is not a domain name", c->word[i]);
		if (s->dnsbl_n == DNSBL_MAX)
			return conf_error("more than %d lists", DNSBL_MAX);
		s->dnsbl[s->dnsbl_n] = strdup(c->word[i]);
		if (s->dnsbl[s->dnsbl_n++] == NULL)
			abort(); /* at start-up */
	}
	return NULL;
}

void
print_dnsbl(const void *target, struct buf *b)
{
	const struct settings *s = target;

	for (unsigned i = 0; i < s->dnsbl_n; i++)
		buf_addf(b, "dnsbl %s\n", s->dnsbl[i]);
}

/* ---- small choices ---- */

static const char *const reverse_names[] = {
	[REVERSE_NO] = "no",
	[REVERSE_YES] = "yes",
	[REVERSE_REQUIRED] = "required",
};

char *
parse_reverse_dns(void *target, const struct conf_line *c, bool again)
{
	struct settings *s = target;
	unsigned i = 0;

	if (again)
		return conf_error("%s is set twice", c->word[0]);
	while (i < NELEM(reverse_names) &&
	       strcasecmp(c->word[1], reverse_names[i]) != 0)
		i++;
	if (c->n != 2 || i == NELEM(reverse_names))
		return conf_error("%s is no, yes or required", c->word[0]);
	s->reverse_dns = (enum reverse_dns)i;
	return NULL;
}

void
print_reverse_dns(const void *target, struct buf *b)
{
	const struct settings *s = target;

	buf_addf(b, "reverse_dns %s\n", reverse_names[s->reverse_dns]);
}

char *
parse_local_part_case(void *target, const struct conf_line *c, bool again)
{
	return settings_choose(c, again, "fold", "exact",
	    &((struct settings *)target)->exact_case);
}

void
print_local_part_case(const void *target, struct buf *b)
{
	const struct settings *s = target;

	buf_addf(b, "local_part_case %s\n", s->exact_case ? "exact" : "fold");
}

char *
parse_helo_syntax(void *target, const struct conf_line *c, bool again)
{
	return settings_choose(c, again, "lax", "strict",
	    &((struct settings *)target)->helo_strict);
}

void
print_helo_syntax(const void *target, struct buf *b)
{
	const struct settings *s = target;

	buf_addf(b, "helo_syntax %s\n", s->helo_strict ? "strict" : "lax");
}

char *
parse_senders(void *target, const struct conf_line *c, bool again)
{
	return settings_choose(
	    c, again, "any", "own", &((struct settings *)target)->senders_own);
}

void
print_senders(const void *target, struct buf *b)
{
	const struct settings *s = target;

	buf_addf(b, "submission_senders %s\n", s->senders_own ? "own" : "any");
}

void
settings_net_free(struct settings *s)
{
	free(s->auth_exempt.list);
	free(s->relay_networks.list);
	free(s->refuse_networks.list);
	free(s->proxy_networks.list);
	free(s->xclient_networks.list);
	for (unsigned i = 0; i < s->dnsbl_n; i++)
		free(s->dnsbl[i]);
}
