/*
 * A TLS server's handshakes with itself.  Runs in: pool.
 */
#include "common/tls_server.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <stdio.h>

#include "common/ask_key.h"
#include "common/view.h"

/* clang-format off */
static const struct warm {
	int version;
	bool rsa;
	const char *sigalgs;
	const char *groups;
	const char *ciphers; /* of TLS 1.2 */
	const char *suites;  /* of TLS 1.3 */
} warms[] = {
	{ TLS1_3_VERSION, false, "ECDSA+SHA256:ECDSA+SHA384", "X25519",
	    "ECDHE+AESGCM", "TLS_AES_256_GCM_SHA384" },
	{ TLS1_3_VERSION, false, "ECDSA+SHA256:ECDSA+SHA384", "P-256:P-384",
	    "ECDHE+AESGCM", "TLS_AES_128_GCM_SHA256" },
	{ TLS1_2_VERSION, false, "ECDSA+SHA256:ECDSA+SHA384",
	    "X25519:P-256:P-384", "ECDHE+CHACHA20", "TLS_AES_256_GCM_SHA384" },
	{ TLS1_3_VERSION, true, "RSA-PSS+SHA256", "X25519",
	    "ECDHE+AESGCM", "TLS_CHACHA20_POLY1305_SHA256" },
	{ TLS1_2_VERSION, true, "RSA-PSS+SHA256:RSA+SHA256", "P-384:P-256",
	    "ECDHE+AESGCM", "TLS_AES_256_GCM_SHA384" },
	{ TLS1_2_VERSION, true, "RSA+SHA256", "X25519:P-256",
	    "ECDHE+AES+SHA256", "TLS_AES_256_GCM_SHA384" },
};
/* clang-format on */

static SSL_CTX *
client_ctx(const struct warm *w)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	/* What is looked at is the signature of the handshake, not the
	 * certificate's issuer. */
	if (ctx != NULL &&
	    SSL_CTX_set_min_proto_version(ctx, w->version) == 1 &&
	    SSL_CTX_set_max_proto_version(ctx, w->version) == 1 &&
	    SSL_CTX_set_cipher_list(ctx, w->ciphers) == 1 &&
	    SSL_CTX_set_ciphersuites(ctx, w->suites) == 1 &&
	    tls_set_lists(ctx, w->groups, w->sigalgs))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* An SSL that reads from in and writes to out (memory). */
static SSL *
side_new(SSL_CTX *ctx, BIO *in, BIO *out)
{
	SSL *ssl = SSL_new(ctx);

	if (ssl == NULL || in == NULL || out == NULL || !BIO_up_ref(in) ||
	    !BIO_up_ref(out)) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_bio(ssl, in, out);
	return ssl;
}

/* Both sides in turn until both are done, and one octet each way. */
static bool
converse(SSL *client, SSL *server)
{
	int c = 0, s = 0;
	char octet = 'x';

	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int turns = 0; turns < 8 && (c != 1 || s != 1); turns++) {
		if (c != 1)
			c = SSL_do_handshake(client);
		if (c != 1 && SSL_get_error(client, c) != SSL_ERROR_WANT_READ)
			return false;
		if (s != 1)
			s = SSL_do_handshake(server);
		if (s != 1 && SSL_get_error(server, s) != SSL_ERROR_WANT_READ)
			return false;
	}
	return c == 1 && s == 1 && SSL_write(client, &octet, 1) == 1 &&
	       SSL_read(server, &octet, 1) == 1 &&
	       SSL_write(server, &octet, 1) == 1 &&
	       SSL_read(client, &octet, 1) == 1;
}

static bool
handshake(SSL_CTX *server_ctx, const struct warm *w)
{
	SSL_CTX *ctx = client_ctx(w);
	BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());
	SSL *client = NULL, *server = NULL;
	bool good = false;

	if (ctx != NULL) {
		client = side_new(ctx, down, up);
		server = side_new(server_ctx, up, down);
	}
	if (client != NULL && server != NULL)
		good = converse(client, server);
	SSL_free(client);
	SSL_free(server);
	BIO_free(up);
	BIO_free(down);
	SSL_CTX_free(ctx);
	return good;
}

static bool
has_kind(const enum key_kind *kinds, unsigned n, bool rsa)
{
	for (unsigned i = 0; i < n; i++)
		if ((kinds[i] == KEY_KIND_RSA) == rsa)
			return true;
	return false;
}

bool
tls_warm(SSL_CTX *server, const enum key_kind *kinds, unsigned n, char *err,
    size_t err_size)
{
	for (size_t i = 0; i < NELEM(warms); i++) {
		const struct warm *w = &warms[i];
		if (!has_kind(kinds, n, w->rsa))
			continue;
		ERR_clear_error();
		keyprov_why();
		if (handshake(server, w))
			continue;
		const char *why = keyprov_why();
		if (why == NULL)
			why = ERR_reason_error_string(ERR_peek_error());
		snprintf(err, err_size,
		    "a TLS %s handshake with the %s certificate fails: %s",
		    w->version == TLS1_3_VERSION ? "1.3" : "1.2",
		    w->rsa ? "RSA" : "ECDSA", why != NULL ? why : "unknown");
		ERR_clear_error();
		return false;
	}
	return true;
}
