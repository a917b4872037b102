/* How much TLS a host must have.  Runs in: sender. */
#include "smtpd/tls_want.h"

#include <stdio.h>
#include <string.h>

#include "smtpd/dns_wait.h"
#include "smtpd/sts.h"

/* Keeps the records that can be used: those of the answer die with the next
 * question. */
static void
keep_records(
    struct tls_client *t, const struct dns_answer *a, struct tls_want *out)
{
	size_t at = 0;

	for (unsigned i = 0; i < a->n; i++) {
		const struct dns_tlsa *d = &a->tlsa[i];
		struct tlsa r = { d->usage, d->selector, d->matching,
			out->data + at, d->n };
		if (d->n > sizeof(out->data) - at)
			continue;
		memcpy(out->data + at, d->data, d->n);
		if (!tls_client_usable(t, &r))
			continue;
		at += d->n;
		out->tlsa[out->tlsa_n++] = r;
	}
}

/* RFC 7672 2.2: a TLSA record that is not usable still says that there is TLS.
 * One that cannot be asked for might have been there: the host is not used. */
static enum route_is
find_dane(struct tls_client *t, const struct route *r, const char *host,
    struct tls_want *out, struct smtp_reply *why)
{
	static struct dns_answer a;
	char name[DNS_NAME_MAX];

	int n = snprintf(name, sizeof(name), "_%u._tcp.%s", r->port, host);
	if (n < 0 || (size_t)n >= sizeof(name))
		return ROUTE_FOUND;
	enum dns_result found = dns_wait(name, DNS_TLSA, &a);
	if (found == DNS_FAILED || found == DNS_FOREIGN) {
		smtp_reply_set(why, 400, "4.7.5",
		    "DNS servers cannot tell now the TLSA records of %s", host);
		return ROUTE_LATER;
	}
	if (found != DNS_FOUND || !a.authentic)
		return ROUTE_FOUND;
	keep_records(t, &a, out);
	out->dane = out->tlsa_n > 0;
	if (out->level < RELAY_TLS_MUST)
		out->level = RELAY_TLS_MUST;
	return ROUTE_FOUND;
}

/* RFC 8689 2, 4.2.1: whoever forges an MX record has a certificate for the host
 * it names. */
static bool
is_named(const struct settings *s, const struct route *r, const char *host,
    const struct sts_policy *p)
{
	if (!r->mx || r->implicit || (s->dns_validates && r->authentic))
		return true;
	return p != NULL && p->mode != STS_NONE && sts_mx_ok(p, host);
}

enum route_is
tls_want_find(const struct settings *s, struct tls_client *t,
    const struct route *r, const char *host, bool authentic,
    enum tls_asked asked, struct tls_want *out, struct smtp_reply *why)
{
	const struct sts_policy *p = r->mx ? sts_find(r->domain) : NULL;
	unsigned char octets[ADDRESS_OCTETS];
	enum route_is is = ROUTE_FOUND;

	out->level = r->lmtp ? RELAY_TLS_NONE : s->relay_tls;
	out->dane = false;
	out->tlsa_n = 0;
	out->named = is_named(s, r, host, p);
	if (r->lmtp || asked == TLS_OPTIONAL)
		return ROUTE_FOUND;
	if (s->dns_validates && authentic && r->authentic &&
	    s->relay_tls != RELAY_TLS_NONE &&
	    !address_read(view_of(host), octets))
		is = find_dane(t, r, host, out, why);
	/* A host that DANE vouches for needs nobody else's word (RFC 8461 2).
	 */
	if (is == ROUTE_FOUND && p != NULL && p->mode == STS_ENFORCE &&
	    !out->dane) {
		out->level = RELAY_TLS_VERIFY;
		if (!sts_mx_ok(p, host)) {
			smtp_reply_set(why, 400, "4.7.5",
			    "the MTA-STS policy of %s does not name %s",
			    r->domain, host);
			is = ROUTE_LATER;
		}
	}
	if (is != ROUTE_FOUND || asked != TLS_REQUIRED)
		return is;
	out->level = RELAY_TLS_VERIFY;
	if (out->named)
		return is;
	smtp_reply_set(why, 400, TLS_LACKS,
	    "the sender requires TLS (REQUIRETLS), and neither DNSSEC nor "
	    "MTA-STS says that %s is a host of %s",
	    host, r->domain);
	return ROUTE_LATER;
}
