#ifndef SMTPD_TLS_WANT_H
#define SMTPD_TLS_WANT_H
/*
 * How much TLS a host must have before it is given a message: what the settings
 * say, and more where DNS (DANE, RFC 7672), a policy (MTA-STS, RFC 8461) or the
 * message (REQUIRETLS, RFC 8689) asks for it.  Runs in: sender.
 */
#include "common/tls_client.h"
#include "smtpd/route.h"

/* What a message asks for. */
enum tls_asked {
	TLS_AS_SET,
	TLS_REQUIRED, /* REQUIRETLS, RFC 8689 4.2.1 */
	TLS_OPTIONAL  /* the header TLS-Required: No, 4.2.2: what the
		       * recipient's domain has published does not count */
};

struct tls_want {
	enum relay_tls level;
	bool named; /* that it is the domain's host is known by more than plain
		     * DNS: RFC 8689 4.2.1, step 2 */
	bool dane;
	struct tlsa tlsa[DNS_RECORDS_MAX];
	unsigned tlsa_n;
	unsigned char data[8192]; /* of the records */
};

/* The status of what does not become better by waiting. */
#define TLS_LACKS "4.7.10"

/* authentic: the host's addresses, too, are.  ROUTE_FOUND, or why says why this
 * host must not be used now. */
enum route_is tls_want_find(const struct settings *, struct tls_client *,
    const struct route *, const char *host, bool authentic, enum tls_asked,
    struct tls_want *out, struct smtp_reply *why);
#endif
