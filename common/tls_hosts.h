#ifndef COMMON_TLS_HOSTS_H
#define COMMON_TLS_HOSTS_H
/*
 * Several certificates: which is shown to whom.  Inside of TLS.
 *
 * Certificates for the same set of names (of different kinds: RSA, ECDSA) share
 * one host.  A client that names a host in its first message (SNI, RFC 6066 3)
 * gets the first one with a certificate for that name; whoever names none, or
 * one that nobody here has, gets that of the first certificate.
 */
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/ask_key.h"
#include "common/key_text.h"

struct tls_host {
	SSL_CTX *ctx;	/* owned */
	X509 *leaf[2];	/* owned */
	enum key_kind kind[2];
	unsigned leaf_n;
};

struct tls_hosts {
	struct tls_host host[KEYS_MAX];
	unsigned n;
};

/* The host with exactly the names of leaf, NULL if there is none. */
struct tls_host *tls_host_same(struct tls_hosts *, const X509 *leaf);
/* The host that a client means by that name, NULL if none. */
struct tls_host *tls_host_named(struct tls_hosts *, const char *name);
/* Lets the first host's connections turn to the one they name.  hosts: as long
 * as the contexts. */
void tls_hosts_choose(struct tls_hosts *);
void tls_hosts_free(struct tls_hosts *);
#endif
