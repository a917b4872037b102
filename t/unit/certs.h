#ifndef T_UNIT_CERTS_H
#define T_UNIT_CERTS_H
/* Throw-away keys and certificates in memory files, for tests of TLS. */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CERTS_UNUSED __attribute__((unused))

/* "RSA:2048", "EC:P-256", "ED25519" */
CERTS_UNUSED static EVP_PKEY *
certs_key(const char *kind)
{
	EVP_PKEY *key;

	if (strncmp(kind, "RSA:", 4) == 0)
		key = EVP_PKEY_Q_keygen(
		    NULL, NULL, "RSA", (size_t)strtoul(kind + 4, NULL, 10));
	else if (strncmp(kind, "EC:", 3) == 0)
		key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind + 3);
	else
		key = EVP_PKEY_Q_keygen(NULL, NULL, kind);
	if (key == NULL)
		abort();
	return key;
}

/* Self-signed; valid from and until so many seconds from now. */
CERTS_UNUSED static X509 *
certs_cert(EVP_PKEY *key, long from, long until)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	bool ed = EVP_PKEY_is_a(key, "ED25519");

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), from);
	X509_gmtime_adj(X509_getm_notAfter(x), until);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)"mail.example.org", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, key);
	if (X509_sign(x, key, ed ? NULL : EVP_sha256()) == 0)
		abort();
	return x;
}

CERTS_UNUSED static int
certs_fd(const void *p, size_t n)
{
	int fd = memfd_create("pem", MFD_CLOEXEC);

	if (fd == -1 || write(fd, p, n) != (ssize_t)n || fchmod(fd, 0600) == -1)
		abort();
	return fd; /* the offset is at the end: nobody may rely on it */
}

/* What add() wrote into a BIO, as a file. */
CERTS_UNUSED static int
certs_bio_fd(BIO *b)
{
	char *p;
	long n = BIO_get_mem_data(b, &p);
	int fd = certs_fd(p, (size_t)n);

	BIO_free(b);
	return fd;
}

CERTS_UNUSED static int
certs_cert_fd(X509 *x)
{
	BIO *b = BIO_new(BIO_s_mem());

	PEM_write_bio_X509(b, x);
	return certs_bio_fd(b);
}

/* phrase: NULL, or encrypt with it */
CERTS_UNUSED static int
certs_key_fd(EVP_PKEY *key, char *phrase)
{
	BIO *b = BIO_new(BIO_s_mem());

	PEM_write_bio_PKCS8PrivateKey(b, key,
	    phrase != NULL ? EVP_aes_256_cbc() : NULL, NULL, 0, NULL, phrase);
	return certs_bio_fd(b);
}

struct certs_pair {
	EVP_PKEY *key;
	X509 *cert;
	int fd[2]; /* cert, key */
};

CERTS_UNUSED static struct certs_pair
certs_pair(const char *kind)
{
	static struct certs_pair all[16]; /* so that no leak is seen */
	static unsigned n;
	struct certs_pair p;

	p.key = certs_key(kind);
	p.cert = certs_cert(p.key, -3600, 90 * 86400L);
	p.fd[0] = certs_cert_fd(p.cert);
	p.fd[1] = certs_key_fd(p.key, NULL);
	if (n == sizeof(all) / sizeof(all[0]))
		abort();
	all[n++] = p;
	return p;
}
#endif
