#ifndef COMMON_PEM_H
#define COMMON_PEM_H
/*
 * Certificates and keys in PEM files, which an administrator wrote: bounded,
 * with errors that say what to do.  err is one line that begins with name,
 * the file as the administrator knows it.
 */
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "common/buf.h"
#include "common/key_text.h"

enum { PEM_MAX = 262144, PEM_CHAIN_MAX = 16 };

/* Reads all of a regular file from its start, whatever its offset is; out is
 * made by this call, and to be freed (a key: buf_wipe) even on failure. */
bool pem_read(int fd, const char *name, struct buf *out, char *err,
    size_t err_size);
/* The certificate and those behind it, for processes that may not see a key:
 * refuses a file with a private key in it. */
bool pem_certs(struct view pem, const char *name, X509 **leaf,
    STACK_OF(X509) **chain, char *err, size_t err_size);
/* The first private key.  Refuses encrypted ones and kinds not used here. */
EVP_PKEY *pem_key(struct view pem, const char *name, char *err,
    size_t err_size);
/* True: a certificate that clients may refuse at the moment now, or within 14
 * days from then; text says which, to stand behind the file's name. */
bool pem_expiry(const X509 *, time_t now, char *text, size_t size);
/* The kind of a key, public or private; KEY_KIND_NONE: one that cannot be
 * used (RSA below 2048 or above 4096 bits, other curves, other algorithms). */
enum key_kind key_kind_of(const EVP_PKEY *);
/* "RSA", "ECDSA P-256" */
const char *key_kind_name(enum key_kind);
#endif
