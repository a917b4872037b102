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

bool
cram_md5_right(struct view secret, const char *stamp, struct view digest)
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	bool good = HMAC(EVP_md5(), secret.p, (int)secret.n,
			(const unsigned char *)stamp, strlen(stamp), raw,
			NULL) != NULL &&
		    same_hex(raw, digest);

	explicit_bzero(raw, sizeof(raw));
	return good;
}

bool
apop_right(struct view secret, const char *stamp, struct view digest)
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
