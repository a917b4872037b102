#ifndef T_UNIT_SCRAM_CLIENT_H
#define T_UNIT_SCRAM_CLIENT_H
/* A client's side of SCRAM (RFC 5802 3). */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/scram.h"

/* Makes a client-final-message of what stands before its proof. */
static void
scram_sign(enum scram_hash h, const char *pass, const char *bare,
    const char *challenge, const char *before, char *out, size_t size)
{
	const EVP_MD *md = h == SCRAM_SHA256 ? EVP_sha256() : EVP_sha1();
	size_t n = scram_octets(h), salt_n;
	unsigned char salt[SCRAM_SALT_MAX], key[3][EVP_MAX_MD_SIZE];
	unsigned char stored[EVP_MAX_MD_SIZE];
	char text[4096], b64[64];
	struct view rest = view_of(challenge);

	view_split(&rest, ',', NULL);
	struct view s = view_split(&rest, ',', NULL);
	if (s.n < 2 || rest.n < 2 ||
	    !base64_decode((struct view){ s.p + 2, s.n - 2 }, salt,
		sizeof(salt), &salt_n) ||
	    PKCS5_PBKDF2_HMAC(pass, (int)strlen(pass), salt, (int)salt_n,
		(int)strtol(rest.p + 2, NULL, 10), md, (int)n, key[0]) != 1)
		abort();
	(void)snprintf(text, sizeof(text), "%s,%s,%s", bare, challenge,
	    before);
	scram_hmac(h, (struct view){ (char *)key[0], n },
	    view_of("Client Key"), key[1]);
	EVP_Digest(key[1], n, stored, NULL, md, NULL);
	scram_hmac(h, (struct view){ (char *)stored, n }, view_of(text),
	    key[2]);
	for (size_t i = 0; i < n; i++)
		key[1][i] ^= key[2][i];
	base64_encode(
	    (struct view){ (char *)key[1], n }, b64, sizeof(b64));
	(void)snprintf(out, size, "%s,p=%s", before, b64);
}
#endif
