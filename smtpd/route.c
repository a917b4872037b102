/* Where a destination's hosts are.  Runs in: sender. */
#define _GNU_SOURCE
#include "smtpd/route.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "smtpd/dns_wait.h"

enum { OWN_MAX = 256 };

static const struct settings *set;
static unsigned char own[OWN_MAX][ADDRESS_OCTETS];
static unsigned own_n;

void
route_init(const struct settings *s)
{
	struct ifaddrs *all = NULL;
	struct sockaddr_storage ss;

	set = s;
	own_n = 0;
	if (getifaddrs(&all) == -1)
		return;
	for (struct ifaddrs *i = all; i != NULL && own_n < OWN_MAX;
	     i = i->ifa_next) {
		if (i->ifa_addr == NULL)
			continue;
		memset(&ss, 0, sizeof(ss));
		if (i->ifa_addr->sa_family == AF_INET)
			memcpy(&ss, i->ifa_addr, sizeof(struct sockaddr_in));
		else if (i->ifa_addr->sa_family == AF_INET6)
			memcpy(&ss, i->ifa_addr, sizeof(struct sockaddr_in6));
		if (address_of(&ss, own[own_n]))
			own_n++;
	}
	freeifaddrs(all);
}

static bool
on_interface(const unsigned char *address)
{
	for (unsigned i = 0; i < own_n; i++)
		if (memcmp(own[i], address, ADDRESS_OCTETS) == 0)
			return true;
	return false;
}

bool
route_is_self(const unsigned char address[ADDRESS_OCTETS], unsigned port)
{
	unsigned char octets[ADDRESS_OCTETS];
	unsigned long long p;

	for (unsigned i = 0; i < set->listener_n; i++) {
		const struct listener *l = &set->listeners[i];
		if (l->local || l->type != LISTEN_MX ||
		    !view_number(view_of(l->port), 65535, &p) || p != port)
			continue;
		if (strcmp(l->address, "*") == 0 ||
		    strcmp(l->address, "0.0.0.0") == 0 ||
		    strcmp(l->address, "::") == 0) {
			if (on_interface(address))
				return true;
		} else if (address_read(view_of(l->address), octets) &&
			   memcmp(octets, address, sizeof(octets)) == 0) {
			return true;
		}
	}
	return false;
}

/* ---- MX ---- */

static int
compare(const void *a, const void *b)
{
	const struct route_host *x = a, *y = b;

	return x->preference < y->preference   ? -1
	       : x->preference > y->preference ? 1
					       : 0;
}

/* A small generator of its own: rand() is the process's. */
static uint64_t
next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void
shuffle(struct route *r, uint64_t seed)
{
	seed |= 1;
	for (unsigned i = r->n; i > 1; i--) {
		unsigned k = (unsigned)(next_random(&seed) % i);
		struct route_host h = r->host[i - 1];
		r->host[i - 1] = r->host[k];
		r->host[k] = h;
	}
}

void
route_order(const struct dns_answer *a, const char *self, uint64_t seed,
    struct route *out, bool *null_mx, bool *loops)
{
	unsigned best = 65536;

	out->n = 0;
	*null_mx = a->n == 1 && a->name[0][0] == '\0';
	for (unsigned i = 0; i < a->n; i++)
		if (strcasecmp(a->name[i], self) == 0 &&
		    a->preference[i] < best)
			best = a->preference[i];
	for (unsigned i = 0; i < a->n; i++) {
		if (a->name[i][0] == '\0' || a->preference[i] >= best)
			continue;
		struct route_host *h = &out->host[out->n++];
		memcpy(h->name, a->name[i], sizeof(h->name));
		h->preference = a->preference[i];
	}
	*loops = out->n == 0 && best < 65536;
	shuffle(out, seed);
	/* Insertion keeps what chance made of equal ones; qsort need not. */
	for (unsigned i = 1; i < out->n; i++) {
		struct route_host h = out->host[i];
		unsigned k = i;
		for (; k > 0 && compare(&out->host[k - 1], &h) > 0; k--)
			out->host[k] = out->host[k - 1];
		out->host[k] = h;
	}
}

static enum route_is
find_mx(const char *domain, struct route *out, struct smtp_reply *why)
{
	static struct dns_answer a;
	bool null_mx, loops;
	uint64_t seed = 1;

	out->mx = true;
	snprintf(out->domain, sizeof(out->domain), "%.253s", domain);
	enum dns_result r = dns_wait(domain, DNS_MX, &a);
	out->authentic = a.authentic;
	if (r == DNS_FAILED || r == DNS_FOREIGN) {
		smtp_reply_set(why, 400, "4.4.3",
		    "DNS servers cannot tell now who takes mail for %s",
		    domain);
		return ROUTE_LATER;
	}
	if (r == DNS_NONE) { /* the implicit MX */
		out->implicit = true;
		out->n = 1;
		snprintf(out->host[0].name, sizeof(out->host[0].name), "%.253s",
		    domain);
		return ROUTE_FOUND;
	}
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = 1;
	route_order(&a, set->hostname, seed, out, &null_mx, &loops);
	if (null_mx)
		smtp_reply_set(why, 556, "5.1.10",
		    "%s takes no mail at all (null MX)", domain);
	else if (loops)
		smtp_reply_set(why, 500, "5.4.6",
		    "mail for %s loops back to this host", domain);
	else if (out->n == 0)
		smtp_reply_set(why, 500, "5.4.4",
		    "the MX records of %s name no host", domain);
	return out->n > 0 ? ROUTE_FOUND : ROUTE_NEVER;
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" */
static bool
literal(const char *name, char *out, size_t size)
{
	struct view v = view_of(name);
	unsigned char octets[ADDRESS_OCTETS];

	if (v.n < 2 || v.p[0] != '[' || v.p[v.n - 1] != ']')
		return false;
	v = (struct view){ v.p + 1, v.n - 2 };
	if (view_casestarts(v, "IPv6:"))
		v = (struct view){ v.p + 5, v.n - 5 };
	return address_read(v, octets) && view_copy(v, out, size);
}

enum route_is
route_find(const char *nexthop, struct route *out, struct smtp_reply *why)
{
	struct nexthop hop;

	memset(out, 0, sizeof(*out));
	smtp_reply_start(why);
	if (!nexthop_parse(view_of(nexthop), &hop) ||
	    (hop.kind == NEXTHOP_RELAY && set->relay_host[0] == '\0')) {
		smtp_reply_set(
		    why, 400, "4.3.5", "there is no such way: %s", nexthop);
		return ROUTE_LATER; /* the settings are just changing */
	}
	struct route_host *h = &out->host[0];
	out->n = 1;
	out->authentic = true;
	out->port = hop.port;
	out->lmtp = hop.kind == NEXTHOP_LMTP || hop.kind == NEXTHOP_UNIX;
	out->local = hop.kind == NEXTHOP_UNIX;
	if (hop.kind == NEXTHOP_RELAY) {
		out->smarthost = true;
		out->port = set->relay_port;
		snprintf(h->name, sizeof(h->name), "%s", set->relay_host);
	} else if (hop.kind != NEXTHOP_MX) {
		snprintf(h->name, sizeof(h->name), "%.253s", hop.name);
	} else {
		out->port = (unsigned)set->relay_mx_port;
		if (hop.name[0] != '[')
			return find_mx(hop.name, out, why);
		if (!literal(hop.name, h->name, sizeof(h->name))) {
			smtp_reply_set(why, 500, "5.1.2",
			    "%s is no address of the Internet", hop.name);
			return ROUTE_NEVER;
		}
	}
	return ROUTE_FOUND;
}

/* ---- addresses ---- */

static void
add_address(struct route_addresses *out, const char *text)
{
	if (out->n < ROUTE_ADDRESSES &&
	    address_read(view_of(text), out->list[out->n]))
		out->n++;
}

static enum dns_result
add_asked(const char *host, enum dns_type type, struct route_addresses *out)
{
	static struct dns_answer a;
	enum dns_result r = dns_wait(host, type, &a);
	unsigned char none[ADDRESS_OCTETS] = { 0 };

	out->authentic = out->authentic && a.authentic;
	for (unsigned i = 0; i < a.n && r == DNS_FOUND; i++)
		if (out->n < ROUTE_ADDRESSES &&
		    memcmp(a.address[i], none, sizeof(none)) != 0)
			memcpy(
			    out->list[out->n++], a.address[i], ADDRESS_OCTETS);
	return r;
}

enum route_is
route_addresses(const struct route *r, const char *host,
    struct route_addresses *out, struct smtp_reply *why)
{
	static const enum dns_type order[][2] = {
		[RELAY_IP6_FIRST] = { DNS_AAAA, DNS_A },
		[RELAY_IP4_FIRST] = { DNS_A, DNS_AAAA },
		[RELAY_IP6_ONLY] = { DNS_AAAA, DNS_AAAA },
		[RELAY_IP4_ONLY] = { DNS_A, DNS_A },
	};
	const enum dns_type *o = order[set->relay_ip];
	unsigned char octets[ADDRESS_OCTETS];
	bool failed = false;

	memset(out, 0, sizeof(*out));
	out->authentic = true;
	smtp_reply_start(why);
	if (address_read(view_of(host), octets)) {
		add_address(out, host);
		return ROUTE_FOUND;
	}
	if (strcasecmp(host, "localhost") == 0) { /* RFC 6761 6.3 */
		add_address(out, "127.0.0.1");
		add_address(out, "::1");
		return ROUTE_FOUND;
	}
	for (unsigned i = 0; i < (o[0] == o[1] ? 1 : 2); i++) {
		enum dns_result x = add_asked(host, o[i], out);
		failed = failed || (x != DNS_FOUND && x != DNS_NONE);
	}
	if (out->n > 0)
		return ROUTE_FOUND;
	if (failed)
		smtp_reply_set(why, 400, "4.4.3",
		    "DNS servers cannot tell now the address of %s", host);
	else if (r->implicit)
		smtp_reply_set(why, 500, "5.1.2",
		    "there is no domain %s that takes mail", host);
	else
		smtp_reply_set(
		    why, 500, "5.4.4", "the host %s has no address", host);
	/* What the settings name is not the sender's mistake. */
	if (!failed && !r->mx) {
		why->code = 400;
		why->dsn[0] = '4';
		return ROUTE_LATER;
	}
	return failed ? ROUTE_LATER : ROUTE_NEVER;
}
