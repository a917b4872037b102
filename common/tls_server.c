/*
 * What all TLS connections of a daemon share.  Runs in: pool, before the fork.
 *
 * TLS 1.2 and 1.3 with ephemeral ECDH only; no tickets, no resumption, no
 * renegotiation, no compression.  The private keys are in the key role.
 */
#include "common/tls_server.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/ask_key.h"
#include "common/conn.h"
#include "common/pem.h"

#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES+SHA256:ECDHE+AES+SHA384"
#define GROUPS "X25519:P-256:P-384"
/* all that the key role signs (ask_key.h) */
#define SIGALGS                                                                \
	"ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:"               \
	"RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512"

static bool
alpn_accepted(const struct tls_server *srv, struct view id)
{
	if (srv->alpn != NULL)
		return view_eqs(id, srv->alpn);
	return view_eqs(id, "smtp") || view_eqs(id, "pop3");
}

/* in: ids, each behind its length; OpenSSL has checked that they fill it. */
static int
alpn_select(SSL *ssl, const unsigned char **out, unsigned char *out_n,
    const unsigned char *in, unsigned n, void *arg)
{
	(void)ssl;
	for (unsigned i = 0; i < n && in[i] < n - i; i += in[i] + 1u) {
		struct view id = { (const char *)in + i + 1, in[i] };
		if (!alpn_accepted(arg, id))
			continue;
		*out = in + i + 1;
		*out_n = in[i];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* OpenSSL's macros cast const away, though nothing is written there. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
bool
tls_set_lists(SSL_CTX *ctx, const char *groups, const char *sigalgs)
{
	return SSL_CTX_set1_groups_list(ctx, groups) == 1 &&
	       SSL_CTX_set1_sigalgs_list(ctx, sigalgs) == 1;
}
#pragma GCC diagnostic pop

static bool
ctx_set(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx,
	    SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
		SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
		/* Lines and messages have ends of their own; what is cut off
		 * is discarded, close_notify or not. */
		SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
				  SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
	       SSL_CTX_set_cipher_list(ctx, CIPHERS) == 1 &&
	       tls_set_lists(ctx, GROUPS, SIGALGS);
}

static const char *
openssl_why(void)
{
	const char *why = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return why != NULL ? why : "out of memory";
}

/* Adds the certificate in fd, whose key is number n of the key role. */
static bool
add_cert(SSL_CTX *ctx, int fd, const char *file, unsigned n,
    enum key_kind *kind, char *err, size_t err_size)
{
	char name[300];
	struct buf pem;
	X509 *leaf = NULL;
	STACK_OF(X509) *chain = NULL;
	EVP_PKEY *key = NULL;
	bool good = false;

	if (file != NULL)
		snprintf(name, sizeof(name), "%s", file);
	else
		snprintf(name, sizeof(name), "TLS certificate %u", n + 1);
	if (!pem_read(fd, name, &pem, err, err_size) ||
	    !pem_certs(buf_view(&pem), name, &leaf, &chain, err, err_size))
		goto out;
	key = keyprov_pkey(leaf, n);
	if (key == NULL) {
		snprintf(err, err_size,
		    "%s: only ECDSA keys on P-256 or P-384 and RSA keys of "
		    "2048 to 4096 bits are used",
		    name);
		goto out;
	}
	*kind = key_kind_of(key);
	good = SSL_CTX_use_cert_and_key(ctx, leaf, key, chain, 1) == 1;
	if (!good)
		snprintf(err, err_size, "%s: %s", name, openssl_why());
out:
	EVP_PKEY_free(key);
	X509_free(leaf);
	sk_X509_pop_free(chain, X509_free);
	buf_wipe(&pem);
	return good;
}

/* OpenSSL has one place for RSA and one for ECDSA. */
static bool
add_certs(SSL_CTX *ctx, const int *fds, const char *const *files, unsigned n,
    enum key_kind *kinds, char *err, size_t err_size)
{
	for (unsigned i = 0; i < n; i++) {
		if (!add_cert(ctx, fds[i], files == NULL ? NULL : files[i], i,
			&kinds[i], err, err_size))
			return false;
		for (unsigned k = 0; k < i; k++) {
			if ((kinds[k] == KEY_KIND_RSA) !=
			    (kinds[i] == KEY_KIND_RSA))
				continue;
			snprintf(err, err_size,
			    "TLS certificates %u and %u are of one kind, %s; "
			    "one RSA and one ECDSA certificate can be used",
			    k + 1, i + 1, key_kind_name(kinds[i]));
			return false;
		}
	}
	return true;
}

struct tls_server *
tls_server_new(const int *cert_fds, const char *const *files, unsigned n,
    int key_sock, char *err, size_t err_size)
{
	struct tls_server *srv = calloc(1, sizeof(*srv));
	enum key_kind kinds[KEYS_MAX];

	if (n == 0 || n > KEYS_MAX) {
		snprintf(err, err_size, "%u TLS certificates are given", n);
		goto bad;
	}
	ERR_clear_error();
	if (srv == NULL || tls_bio_method() == NULL || !keyprov_init() ||
	    (srv->ctx = SSL_CTX_new(TLS_server_method())) == NULL ||
	    !ctx_set(srv->ctx)) {
		snprintf(err, err_size, "OpenSSL: %s", openssl_why());
		goto bad;
	}
	SSL_CTX_set_alpn_select_cb(srv->ctx, alpn_select, srv);
	keyprov_sock(key_sock);
	if (!add_certs(srv->ctx, cert_fds, files, n, kinds, err, err_size) ||
	    !tls_warm(srv->ctx, kinds, n, err, err_size))
		goto bad;
	return srv;
bad:
	tls_server_free(srv);
	return NULL;
}

void
tls_server_free(struct tls_server *srv)
{
	if (srv == NULL)
		return;
	SSL_CTX_free(srv->ctx);
	free(srv);
}

void
tls_server_key_sock(struct tls_server *srv, int key_sock)
{
	(void)srv;
	keyprov_sock(key_sock);
}

void
tls_server_alpn(struct tls_server *srv, const char *protocol)
{
	srv->alpn = protocol;
}
