#ifndef COMMON_TLS_STAPLE_H
#define COMMON_TLS_STAPLE_H
/*
 * OCSP responses that are shown with the certificate (RFC 6066 8, "stapling").
 * An administrator's program fetches them into a file; nothing is fetched here.
 */
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

struct tls_staple {
	X509 *leaf;	    /* owned; whose it is */
	unsigned char *der; /* owned by OpenSSL */
	size_t n;
	time_t until; /* not shown after that; 0: no end is given */
};

/* Reads a response in DER from the file fd and proves that it says "good" of
 * leaf at the moment now.  Its signature is the client's business.  out: free
 * with tls_staple_free().  False: err is one line that begins with name, and
 * out is empty. */
bool tls_staple_read(struct tls_staple *out, const X509 *leaf, int fd,
    const char *name, time_t now, char *err, size_t err_size);
void tls_staple_free(struct tls_staple *);
/* Connections of ctx show the one of these n whose certificate they show.
 * staples: as long as ctx. */
struct tls_staples {
	struct tls_staple staple[8];
	unsigned n;
};
void tls_staples_show(SSL_CTX *ctx, struct tls_staples *);
#endif
