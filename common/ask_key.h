#ifndef COMMON_ASK_KEY_H
#define COMMON_ASK_KEY_H
/*
 * Private keys that live in another process.
 *
 * An in-process OpenSSL 3 provider whose keys hold only the public part;
 * "sign" sends the text to be signed (never only its digest) to the key role,
 * which signs TLS handshake text and refuses anything else:
 *   TLS 1.3 (RFC 8446 4.4.3): 64 spaces, "TLS 1.3, server CertificateVerify",
 *     a zero octet, a transcript hash of 32 or 48 octets;
 *   TLS 1.2 (RFC 5246 7.4.3, RFC 8422 5.4): client random, server random,
 *     ServerECDHParams with a named curve.
 *
 * Request KEY_SIGN: u32 key number, u32 scheme (enum key_scheme), view text.
 * Answer: u32 status, view signature.
 */
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>

#include "common/key_text.h"

enum { KEY_SIGN = 1 };
enum { KEY_TEXT_MAX = 512, KEY_SIG_MAX = 1024, KEYS_MAX = 8 };

/* TLS SignatureScheme numbers (RFC 8446 4.2.3) that the key role knows. */
enum key_scheme {
	KEY_RSA_PKCS1_SHA256 = 0x0401,
	KEY_RSA_PKCS1_SHA384 = 0x0501,
	KEY_RSA_PKCS1_SHA512 = 0x0601,
	KEY_ECDSA_SHA256 = 0x0403,
	KEY_ECDSA_SHA384 = 0x0503,
	KEY_ECDSA_SHA512 = 0x0603,
	KEY_RSA_PSS_SHA256 = 0x0804,
	KEY_RSA_PSS_SHA384 = 0x0805,
	KEY_RSA_PSS_SHA512 = 0x0806
};

/* Once per process, before any of the others.  False: OpenSSL refused. */
bool keyprov_init(void);
/* The channel over which signatures are asked for from now on; borrowed. */
void keyprov_sock(int sock);
/* How long one signature may take: 10 s unless set. */
void keyprov_wait(int ms);
/* Why the last signature failed (static text); NULL: none has failed since
 * keyprov_sock or the last call.  After a failure of the channel itself no
 * further signature is asked for over it. */
const char *keyprov_why(void);
/* A key whose public part is the certificate's and whose private part is key
 * number n of the key role.  Owned by the caller; NULL on failure. */
EVP_PKEY *keyprov_pkey(X509 *cert, unsigned n);
#endif
