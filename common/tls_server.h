#ifndef COMMON_TLS_SERVER_H
#define COMMON_TLS_SERVER_H
/* Inside of TLS: tls.c, tls_server.c, tls_warm.c.  Others see conn.h. */
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/conn.h"
#include "common/key_text.h"
#include "common/tls_hosts.h"
#include "common/tls_staple.h"

struct tls_server {
	struct tls_hosts hosts; /* at least one */
	struct tls_staples staples;
	const X509 *leaf[KEYS_MAX]; /* in the order of the keys; of hosts */
	const char *alpn; /* NULL: either protocol */
};

/* The BIO of a connection: its data is the struct conn.  Made at the first
 * call; NULL: no memory. */
BIO_METHOD *tls_bio_method(void);

/* The handshake, as conn_starttls says; prepare makes a server or a client of
 * the SSL. */
enum line_status tls_start(struct conn *, SSL_CTX *,
    bool (*prepare)(SSL *, const void *arg), const void *arg,
    const char **why);
/* NULL: not TLS. */
SSL *tls_ssl(const struct conn *);
/* Sets these lists. */
bool tls_set_lists(SSL_CTX *, const char *groups, const char *sigalgs);
/* Handshakes of a server context against itself through memory: each version
 * with each kind of key.  Proves that certificates, channel and key role work
 * together, and loads all that OpenSSL loads when first used, so that nothing
 * is opened after chroot and those pages are shared by all workers.  False: err
 * is one line. */
bool tls_warm(SSL_CTX *server, const enum key_kind *kinds, unsigned n,
    char *err, size_t err_size);
#endif
