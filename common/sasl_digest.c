/*
 * The digests of CRAM-MD5 and APOP.  Runs in: auth; the stamp in: worker
 * (pop3d), auth.
 */
#define _GNU_SOURCE
#include "common/sasl_digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "common/log.h"
#include "common/saslprep.h"

enum { MD5_OCTETS = 16 };

void
nonce_make(char out[AUTH_DIGEST + 1])
{
	uint64_t r[2];

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		fatal("getrandom");
	(void)snprintf(out, AUTH_DIGEST + 1, "%016llx%016llx",
	    (unsigned long long)r[0], (unsigned long long)r[1]);
}

void
stamp_make(const char *host, char out[AUTH_STAMP_MAX + 1])
{
	char nonce[AUTH_DIGEST + 1];

	nonce_make(nonce);
	(void)snprintf(out, AUTH_STAMP_MAX + 1, "<%s.%lld@%.190s>", nonce,
	    (long long)time(NULL), host);
}

bool
digest_valid(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_digit(v.p[i]) && (v.p[i] < 'a' || v.p[i] > 'f'))
			return false;
	return v.n == AUTH_DIGEST;
}

static bool
same_hex(const unsigned char raw[MD5_OCTETS], struct view digest)
{
	static const char digits[] = "0123456789abcdef";
	char hex[AUTH_DIGEST];

	for (size_t i = 0; i < MD5_OCTETS; i++) {
		hex[2 * i] = digits[raw[i] >> 4];
		hex[2 * i + 1] = digits[raw[i] & 15];
	}
	bool same = digest.n == sizeof(hex) &&
		    CRYPTO_memcmp(hex, digest.p, sizeof(hex)) == 0;
	explicit_bzero(hex, sizeof(hex));
	return same;
}

static bool
cram_md5_of(struct view secret, const char *stamp, struct view digest)
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	bool good = HMAC(EVP_md5(), secret.p, (int)secret.n,
			(const unsigned char *)stamp, strlen(stamp), raw,
			NULL) != NULL &&
		    same_hex(raw, digest);

	explicit_bzero(raw, sizeof(raw));
	return good;
}

static bool
apop_of(struct view secret, const char *stamp, struct view digest)
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool good = c != NULL && EVP_DigestInit_ex(c, EVP_md5(), NULL) == 1 &&
		    EVP_DigestUpdate(c, stamp, strlen(stamp)) == 1 &&
		    EVP_DigestUpdate(c, secret.p, secret.n) == 1 &&
		    EVP_DigestFinal_ex(c, raw, NULL) == 1 &&
		    same_hex(raw, digest);

	EVP_MD_CTX_free(c);
	explicit_bzero(raw, sizeof(raw));
	return good;
}

/* Of the secret as SASLprep leaves it (RFC 6856 2.2), or as it is: clients do
 * either. */
static bool
right(bool (*of)(struct view, const char *, struct view), struct view secret,
    const char *stamp, struct view digest)
{
	char text[AUTH_PASS_MAX + 1];
	size_t n = saslprep(secret, SASLPREP_STORED, text, sizeof(text));
	struct view prepared = n == 0 ? secret : (struct view){ text, n };
	bool one = of(secret, stamp, digest);
	bool two = of(prepared, stamp, digest);

	explicit_bzero(text, sizeof(text));
	return one || two;
}

bool
cram_md5_right(struct view secret, const char *stamp, struct view digest)
{
	return right(cram_md5_of, secret, stamp, digest);
}

bool
apop_right(struct view secret, const char *stamp, struct view digest)
{
	return right(apop_of, secret, stamp, digest);
}
