/* From a domain to its destination.  Pure.  Runs in: queue and relay; the
 * master, which checks the settings. */
#include "common/nexthop.h"

#include <stdio.h>
#include <string.h>

#include "common/address.h"
#include "common/idna.h"
#include "common/network.h"

enum { PORT_SMTP = 25, PORT_LMTP = 24 };

/* "host", "host:port", "[192.0.2.1]:port"; the brackets are taken off. */
static bool
host_and_port(struct view v, unsigned dflt, struct nexthop *out)
{
	unsigned char address[ADDRESS_OCTETS];
	unsigned long long port = dflt;
	struct view host = v;
	const char *end = v.n > 0 && v.p[0] == '[' ? memchr(v.p, ']', v.n)
						   : memchr(v.p, ':', v.n);

	if (v.n == 0)
		return false;
	if (v.p[0] == '[') {
		if (end == NULL)
			return false;
		host = (struct view){ v.p + 1, (size_t)(end - v.p) - 1 };
		if (!address_read(host, address))
			return false;
		end++;
	} else if (end == NULL) {
		end = v.p + v.n;
	} else {
		host.n = (size_t)(end - v.p);
	}
	v = (struct view){ end, v.n - (size_t)(end - v.p) };
	if (v.n > 0 &&
	    (v.p[0] != ':' ||
		!view_number((struct view){ v.p + 1, v.n - 1 }, 65535, &port)))
		return false;
	out->port = (unsigned)port;
	return port > 0 &&
	       (domain_valid(host) || address_read(host, address)) &&
	       view_copy(host, out->name, sizeof(out->name));
}

bool
nexthop_parse(struct view v, struct nexthop *out)
{
	bool found;

	memset(out, 0, sizeof(*out));
	out->port = PORT_SMTP;
	out->kind = NEXTHOP_RELAY;
	if (view_eqs(v, "relay"))
		return true;
	struct view word = view_split(&v, ':', &found);
	if (!found || v.n == 0)
		return false;
	if (view_eqs(word, "mx")) {
		out->kind = NEXTHOP_MX;
		return (domain_valid(v) || address_literal_valid(v)) &&
		       view_copy(v, out->name, sizeof(out->name));
	}
	if (view_eqs(word, "lmtp") && view_casestarts(v, "unix:/")) {
		view_split(&v, ':', NULL);
		out->kind = NEXTHOP_UNIX;
		return view_copy(v, out->name, LISTEN_ADDRESS_MAX);
	}
	bool lmtp = view_eqs(word, "lmtp");
	out->kind = lmtp ? NEXTHOP_LMTP : NEXTHOP_SMTP;
	return (lmtp || view_eqs(word, "smtp")) &&
	       host_and_port(v, lmtp ? PORT_LMTP : PORT_SMTP, out);
}

struct view
nexthop_domain(struct view address)
{
	size_t at = address.n;

	while (at > 0 && address.p[at - 1] != '@')
		at--;
	return (struct view){ address.p + at, address.n - at };
}

/* The transport line for exactly this. */
static const char *
transport_of(const struct settings *s, struct view name)
{
	for (unsigned i = 0; i < s->transport_n; i++)
		if (view_caseeqs(name, s->transports[i].domain))
			return s->transports[i].nexthop;
	return NULL;
}

static const char *
transport(const struct settings *s, struct view domain)
{
	const char *t = s->transport_n == 0 ? NULL : transport_of(s, domain);
	struct view rest = domain;

	for (size_t i = 0; s->transport_n > 0 && t == NULL && i < domain.n; i++)
		if (domain.p[i] == '.') {
			rest = (struct view){ domain.p + i, domain.n - i };
			t = transport_of(s, rest);
		}
	return t == NULL ? transport_of(s, view_of("*")) : t;
}

bool
nexthop_of(const struct settings *s, struct view domain, char out[NEXTHOP_MAX])
{
	char ascii[ADDR_DOMAIN_MAX + 1];
	struct nexthop hop;

	out[0] = '\0';
	/* Where there is no form in ASCII, only the settings know a way. */
	if (!view_ascii(domain) && idna_ascii(domain, ascii, sizeof(ascii)))
		domain = view_of(ascii);
	const char *t = transport(s, domain);
	if (domain.n == 0 || domain.n > ADDR_DOMAIN_MAX)
		return false;
	if (t != NULL && strcmp(t, "mx") != 0)
		return view_copy(view_of(t), out, NEXTHOP_MAX);
	if (t == NULL && s->relay_host[0] != '\0')
		return view_copy(view_of("relay"), out, NEXTHOP_MAX);
	snprintf(out, NEXTHOP_MAX, "mx:%.*s", (int)domain.n, domain.p);
	for (char *p = out; *p != '\0'; p++)
		*p = (char)ascii_lower(*p);
	if (nexthop_parse(view_of(out), &hop))
		return true;
	out[0] = '\0';
	return false;
}
