/* TLS towards a server.  Runs in: relay (reads the authorities) and sender. */
#include "common/tls_client.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/network.h"
#include "common/tls_server.h"

struct tls_client {
	SSL_CTX *ctx;
};

enum { DANE_TA = 2, DANE_EE = 3 };

static bool
set_up(SSL_CTX *ctx, const char *file, char *err, size_t size)
{
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_dane_enable(ctx) <= 0) {
		snprintf(err, size, "TLS cannot be used");
		return false;
	}
	/* A connection is used for one destination by one process; what
	 * resumption saves is not worth what it keeps. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_options(ctx,
	    SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_dane_set_flags(ctx, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	if (file[0] == '\0' || SSL_CTX_load_verify_file(ctx, file) == 1)
		return true;
	unsigned long e = ERR_peek_last_error();
	snprintf(err, size, "relay_tls_ca %s: %s", file,
	    e == 0 ? "it cannot be read" : ERR_reason_error_string(e));
	return false;
}

struct tls_client *
tls_client_new(const char *file, char *err, size_t size)
{
	struct tls_client *t = calloc(1, sizeof(*t));

	ERR_clear_error();
	if (t != NULL)
		t->ctx = SSL_CTX_new(TLS_client_method());
	if (t == NULL || t->ctx == NULL)
		snprintf(err, size, "TLS: out of memory");
	else if (set_up(t->ctx, file, err, size))
		return t;
	ERR_clear_error();
	tls_client_free(t);
	return NULL;
}

void
tls_client_free(struct tls_client *t)
{
	if (t != NULL)
		SSL_CTX_free(t->ctx);
	free(t);
}

bool
tls_client_usable(struct tls_client *t, const struct tlsa *r)
{
	SSL *ssl = SSL_new(t->ctx);
	bool good = ssl != NULL && (r->usage == DANE_TA || r->usage == DANE_EE);

	good = good && SSL_dane_enable(ssl, "a.invalid") > 0 &&
	       SSL_dane_tlsa_add(ssl, (uint8_t)r->usage, (uint8_t)r->selector,
		   (uint8_t)r->matching, r->data, r->n) > 0;
	ERR_clear_error();
	SSL_free(ssl);
	return good;
}

static bool
prepare_dane(SSL *ssl, const struct tls_peer *p)
{
	unsigned usable = 0;

	if (SSL_dane_enable(ssl, p->name) <= 0)
		return false;
	if (p->second_name != NULL && SSL_add1_host(ssl, p->second_name) != 1)
		return false;
	for (unsigned i = 0; i < p->tlsa_n; i++) {
		const struct tlsa *r = &p->tlsa[i];
		if ((r->usage == DANE_TA || r->usage == DANE_EE) &&
		    SSL_dane_tlsa_add(ssl, (uint8_t)r->usage,
			(uint8_t)r->selector, (uint8_t)r->matching, r->data,
			r->n) > 0)
			usable++;
	}
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	return usable > 0;
}

static bool
prepare_client(SSL *ssl, const void *arg)
{
	const struct tls_peer *p = arg;
	unsigned char octets[ADDRESS_OCTETS];
	bool address = address_read(view_of(p->name), octets);
	char name[TLS_NAME_MAX + 1]; /* OpenSSL's macro wants no const */

	if (!view_copy(view_of(p->name), name, sizeof(name)))
		return false;
	SSL_set_connect_state(ssl);
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (p->dane)
		return prepare_dane(ssl, p);
	/* No address may stand in SNI (RFC 6066 3). */
	if (p->name[0] != '\0' && !address &&
	    SSL_set_tlsext_host_name(ssl, name) != 1)
		return false;
	if (!p->verify) {
		SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
		return true;
	}
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	return p->name[0] != '\0' &&
	       (address ? X509_VERIFY_PARAM_set1_ip_asc(
			      SSL_get0_param(ssl), p->name)
			: SSL_set1_host(ssl, p->name)) == 1;
}

enum line_status
conn_starttls_client(struct conn *c, struct tls_client *t,
    const struct tls_peer *p, const char **why)
{
	return tls_start(c, t->ctx, prepare_client, p, why);
}
