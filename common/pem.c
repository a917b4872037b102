/*
 * Certificates and keys in PEM files.  Runs in: key, pool (certificates only).
 */
#include "common/pem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool
pem_read(int fd, const char *name, struct buf *out, char *err, size_t err_size)
{
	/* One place and one copy: no growing buffer leaves parts of a key in
	 * freed memory. */
	static char all[PEM_MAX + 1];
	size_t used = 0;
	struct stat sb;
	ssize_t n = 0;
	bool good = false;

	buf_init(out, PEM_MAX);
	if (fstat(fd, &sb) == -1 || !S_ISREG(sb.st_mode)) {
		snprintf(err, err_size, "%s: not an ordinary file", name);
		return false;
	}
	/* pread: the offset is shared with whoever else was handed this fd */
	while (used < sizeof(all) &&
	       (n = pread(fd, all + used, sizeof(all) - used, (off_t)used)) > 0)
		used += (size_t)n;
	if (n == -1)
		snprintf(err, err_size, "%s: %s", name, strerror(errno));
	else if (used > PEM_MAX)
		snprintf(
		    err, err_size, "%s: longer than %d octets", name, PEM_MAX);
	else if (used == 0)
		snprintf(err, err_size, "%s is empty", name);
	else if (!buf_add(out, all, used))
		snprintf(err, err_size, "%s: out of memory", name);
	else
		good = true;
	explicit_bzero(all, used);
	return good;
}

static BIO *
pem_bio(struct view pem)
{
	ERR_clear_error();
	return BIO_new_mem_buf(pem.n == 0 ? "" : pem.p, (int)pem.n);
}

/* The last error was the end of the file, and not something worse. */
static bool
at_end(void)
{
	unsigned long e = ERR_peek_last_error();

	return ERR_GET_LIB(e) == ERR_LIB_PEM &&
	       ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

static bool
read_certs(BIO *bio, X509 **leaf, STACK_OF(X509) * chain)
{
	X509 *x;

	while ((x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if (*leaf == NULL) {
			*leaf = x;
		} else if (sk_X509_num(chain) >= PEM_CHAIN_MAX ||
			   sk_X509_push(chain, x) == 0) {
			X509_free(x);
			return false;
		}
	}
	return at_end();
}

static bool
has_key(struct view pem)
{
	static const char mark[] = "PRIVATE KEY-----";
	size_t n = sizeof(mark) - 1;

	for (size_t i = 0; i + n <= pem.n; i++)
		if (memcmp(pem.p + i, mark, n) == 0)
			return true;
	return false;
}

bool
pem_certs(struct view pem, const char *name, X509 **leaf,
    STACK_OF(X509) * *chain, char *err, size_t err_size)
{
	BIO *bio = NULL;

	*leaf = NULL;
	*chain = sk_X509_new_null();
	if (has_key(pem)) {
		snprintf(err, err_size,
		    "%s holds a private key beside the certificate; put the "
		    "key into a file of its own, as processes that face the "
		    "network read this one",
		    name);
		goto bad;
	}
	bio = pem_bio(pem);
	if (bio == NULL || *chain == NULL) {
		snprintf(err, err_size, "%s: out of memory", name);
		goto bad;
	}
	if (!read_certs(bio, leaf, *chain)) {
		const char *why =
		    ERR_reason_error_string(ERR_peek_last_error());
		snprintf(err, err_size, "%s: a certificate cannot be read: %s",
		    name, why != NULL ? why : "too many in one file");
		goto bad;
	}
	if (*leaf == NULL) {
		snprintf(err, err_size,
		    "%s holds no certificate; it must begin with "
		    "-----BEGIN CERTIFICATE-----",
		    name);
		goto bad;
	}
	BIO_free(bio);
	ERR_clear_error();
	return true;
bad:
	BIO_free(bio);
	X509_free(*leaf);
	sk_X509_pop_free(*chain, X509_free);
	*leaf = NULL;
	*chain = NULL;
	ERR_clear_error();
	return false;
}

/* Called only for an encrypted key. */
static int
no_password(char *p, int size, int writing, void *asked)
{
	(void)p;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

EVP_PKEY *
pem_key(struct view pem, const char *name, char *err, size_t err_size)
{
	bool encrypted = false;
	BIO *bio = pem_bio(pem);
	EVP_PKEY *key = bio == NULL ? NULL
				    : PEM_read_bio_PrivateKey(
					  bio, NULL, no_password, &encrypted);

	BIO_free(bio);
	ERR_clear_error();
	if (key != NULL && key_kind_of(key) != KEY_KIND_NONE)
		return key;
	if (encrypted)
		snprintf(err, err_size,
		    "%s is encrypted; remove the passphrase with: openssl "
		    "pkey -in %s -out %s.new",
		    name, name, name);
	else if (key == NULL)
		snprintf(
		    err, err_size, "%s holds no private key in PEM form", name);
	else
		snprintf(err, err_size,
		    "%s: only ECDSA keys on P-256 or P-384 and RSA keys of "
		    "2048 to 4096 bits are used",
		    name);
	EVP_PKEY_free(key);
	return NULL;
}

enum key_kind
key_kind_of(const EVP_PKEY *key)
{
	char group[32];
	size_t n;

	if (EVP_PKEY_is_a(key, "RSA")) {
		int bits = EVP_PKEY_get_bits(key);
		return bits >= 2048 && bits <= 4096 ? KEY_KIND_RSA
						    : KEY_KIND_NONE;
	}
	if (!EVP_PKEY_is_a(key, "EC") ||
	    !EVP_PKEY_get_group_name(key, group, sizeof(group), &n))
		return KEY_KIND_NONE;
	if (strcmp(group, "prime256v1") == 0)
		return KEY_KIND_P256;
	return strcmp(group, "secp384r1") == 0 ? KEY_KIND_P384 : KEY_KIND_NONE;
}

const char *
key_kind_name(enum key_kind kind)
{
	static const char *const names[] = { "unknown", "RSA", "ECDSA P-256",
		"ECDSA P-384" };

	return names[kind];
}

bool
pem_expiry(const X509 *cert, time_t now, char *text, size_t size)
{
	static const struct {
		const char *what;
		int days;
	} warnings[] = { { "has expired", 0 },
		{ "expires today or tomorrow", 1 },
		{ "expires within a week", 7 },
		{ "expires within 14 days", 14 } };

	if (X509_cmp_time(X509_get0_notBefore(cert), &now) > 0) {
		snprintf(text, size, "is not valid yet");
		return true;
	}
	for (size_t i = 0; i < NELEM(warnings); i++) {
		time_t t = now + (time_t)warnings[i].days * 86400;
		if (X509_cmp_time(X509_get0_notAfter(cert), &t) >= 0)
			continue;
		snprintf(text, size, "%s", warnings[i].what);
		return true;
	}
	return false;
}
