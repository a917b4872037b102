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
#include <time.h>

#include "common/ask_key.h"
#include "common/conn.h"
#include "common/pem.h"
#include "common/view.h"

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

static SSL_CTX *
ctx_new(struct tls_server *srv, char *err, size_t err_size)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx != NULL && ctx_set(ctx)) {
		SSL_CTX_set_alpn_select_cb(ctx, alpn_select, srv);
		tls_staples_show(ctx, &srv->staples);
		return ctx;
	}
	SSL_CTX_free(ctx);
	snprintf(err, err_size, "OpenSSL: %s", openssl_why());
	return NULL;
}

/* The host with the names of leaf, perhaps a new one.  NULL: err says why. */
static struct tls_host *
host_for(struct tls_server *srv, const X509 *leaf, enum key_kind kind,
    const char *name, char *err, size_t err_size)
{
	struct tls_host *h = tls_host_same(&srv->hosts, leaf);

	if (h == NULL) {
		h = &srv->hosts.host[srv->hosts.n];
		*h = (struct tls_host){ .ctx = ctx_new(srv, err, err_size) };
		if (h->ctx == NULL)
			return NULL;
		srv->hosts.n++;
		return h;
	}
	/* OpenSSL has one place for RSA and one for ECDSA. */
	for (unsigned i = 0; i < h->leaf_n; i++) {
		if ((h->kind[i] == KEY_KIND_RSA) != (kind == KEY_KIND_RSA))
			continue;
		snprintf(err, err_size,
		    "%s and another certificate for the same names are of one "
		    "kind, %s; one RSA and one ECDSA certificate can be used "
		    "for a name",
		    name, key_kind_name(kind));
		return NULL;
	}
	return h;
}

static bool
host_add(struct tls_host *h, X509 *leaf, EVP_PKEY *key, STACK_OF(X509) * chain)
{
	if (h->leaf_n == NELEM(h->leaf) || !X509_up_ref(leaf))
		return false;
	h->kind[h->leaf_n] = key_kind_of(key);
	h->leaf[h->leaf_n++] = leaf;
	return SSL_CTX_use_cert_and_key(h->ctx, leaf, key, chain, 1) == 1;
}

/* Adds the certificate in fd, whose key is number n of the key role. */
static bool
add_cert(struct tls_server *srv, int fd, const char *file, unsigned n,
    char *err, size_t err_size)
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
	struct tls_host *h =
	    host_for(srv, leaf, key_kind_of(key), name, err, err_size);
	if (h == NULL)
		goto out;
	good = host_add(h, leaf, key, chain);
	if (good)
		srv->leaf[n] = leaf; /* its host's */
	else
		snprintf(err, err_size, "%s: %s", name, openssl_why());
out:
	EVP_PKEY_free(key);
	X509_free(leaf);
	sk_X509_pop_free(chain, X509_free);
	buf_wipe(&pem);
	return good;
}

static bool
warm_all(struct tls_server *srv, char *err, size_t err_size)
{
	for (unsigned i = 0; i < srv->hosts.n; i++) {
		const struct tls_host *h = &srv->hosts.host[i];
		if (!tls_warm(h->ctx, h->kind, h->leaf_n, err, err_size))
			return false;
	}
	return true;
}

struct tls_server *
tls_server_new(const int *cert_fds, const char *const *files, unsigned n,
    int key_sock, char *err, size_t err_size)
{
	struct tls_server *srv = calloc(1, sizeof(*srv));

	if (n == 0 || n > KEYS_MAX) {
		snprintf(err, err_size, "%u TLS certificates are given", n);
		goto bad;
	}
	ERR_clear_error();
	if (srv == NULL || tls_bio_method() == NULL || !keyprov_init()) {
		snprintf(err, err_size, "OpenSSL: %s", openssl_why());
		goto bad;
	}
	keyprov_sock(key_sock);
	for (unsigned i = 0; i < n; i++)
		if (!add_cert(srv, cert_fds[i], files == NULL ? NULL : files[i],
			i, err, err_size))
			goto bad;
	tls_hosts_choose(&srv->hosts);
	if (!warm_all(srv, err, err_size))
		goto bad;
	return srv;
bad:
	tls_server_free(srv);
	return NULL;
}

bool
tls_server_staple(struct tls_server *srv, unsigned n, int fd, const char *name,
    char *err, size_t err_size)
{
	struct tls_staples *all = &srv->staples;

	if (!tls_staple_read(&all->staple[all->n], srv->leaf[n], fd, name,
		time(NULL), err, err_size))
		return false;
	all->n++;
	return true;
}

void
tls_server_free(struct tls_server *srv)
{
	if (srv == NULL)
		return;
	tls_hosts_free(&srv->hosts);
	for (unsigned i = 0; i < srv->staples.n; i++)
		tls_staple_free(&srv->staples.staple[i]);
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
