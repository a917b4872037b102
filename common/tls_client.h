#ifndef COMMON_TLS_CLIENT_H
#define COMMON_TLS_CLIENT_H
/*
 * TLS towards a server: without asking who it is, by the name in a certificate
 * that an authority has signed, or by TLSA records (DANE, RFC 7672).
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/conn.h"

struct tls_client;

/* One TLSA record (RFC 6698 2.1). */
struct tlsa {
	unsigned usage, selector, matching;
	const unsigned char *data; /* borrowed */
	size_t n;
};

/* Who the server must be. */
struct tls_peer {
	const char *name; /* for SNI, and what verify checks; "" = none */
	bool verify;
	/* Used if dane: one of them must fit.  Of no use for SMTP, and left
	 * out, are all but DANE-TA(2) and DANE-EE(3) (RFC 7672 3.1.3). */
	bool dane;
	const struct tlsa *tlsa;
	unsigned tlsa_n;
	const char *second_name; /* of the certificate, with DANE-TA; NULL */
};

/* Reads authorities from a PEM file, once, so that nothing is opened later.
 * file "": believes none.  NULL: err is one line. */
struct tls_client *tls_client_new(const char *file, char *err, size_t size);
void tls_client_free(struct tls_client *);
/* Is this record one that SMTP can use, and that this OpenSSL knows? */
bool tls_client_usable(struct tls_client *, const struct tlsa *);
/* As conn_starttls, on the client's side. */
enum line_status conn_starttls_client(struct conn *, struct tls_client *,
    const struct tls_peer *, const char **why);
#endif
