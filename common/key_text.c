/*
 * The texts that a TLS server signs.  Runs in: key (judges), worker (names).
 *
 * TLS 1.3 (RFC 8446 4.4.3):  64 spaces, context, zero octet, transcript hash;
 *   the hash is that of the cipher suite: SHA-256 or SHA-384.
 * TLS 1.2 (RFC 8422 5.4):  client random [32], server random [32],
 *   curve type 3 (named_curve), u16 curve, u8 length, point.
 * Octet 64 tells them apart: 'T' of the context, or the curve type.
 */
#include "common/key_text.h"

#include <string.h>
#include <strings.h>

#include "common/ask_key.h"

/* clang-format off */
static const struct key_method methods[] = {
	{ KEY_ECDSA_SHA256,     KEY_ECDSA, "SHA256", KEY_KIND_P256 },
	{ KEY_ECDSA_SHA384,     KEY_ECDSA, "SHA384", KEY_KIND_P384 },
	{ KEY_ECDSA_SHA512,     KEY_ECDSA, "SHA512", KEY_KIND_NONE },
	{ KEY_RSA_PKCS1_SHA256, KEY_PKCS1, "SHA256", KEY_KIND_NONE },
	{ KEY_RSA_PKCS1_SHA384, KEY_PKCS1, "SHA384", KEY_KIND_NONE },
	{ KEY_RSA_PKCS1_SHA512, KEY_PKCS1, "SHA512", KEY_KIND_NONE },
	{ KEY_RSA_PSS_SHA256,   KEY_PSS,   "SHA256", KEY_KIND_RSA },
	{ KEY_RSA_PSS_SHA384,   KEY_PSS,   "SHA384", KEY_KIND_RSA },
	{ KEY_RSA_PSS_SHA512,   KEY_PSS,   "SHA512", KEY_KIND_RSA },
};

/* RFC 8422 5.1.1 and 5.4.1; the groups that tls.c offers */
static const struct {
	unsigned curve;
	size_t point;
	bool uncompressed; /* begins with octet 4 */
} curves[] = {
	{ 0x0017, 65, true },  /* secp256r1 */
	{ 0x0018, 97, true },  /* secp384r1 */
	{ 0x001d, 32, false }, /* x25519 */
};
/* clang-format on */

static const char context13[] = "TLS 1.3, server CertificateVerify";

enum { SPACES = 64, RANDOMS = 64, HEAD13 = SPACES + sizeof(context13) };

const struct key_method *
key_method_find(uint32_t scheme)
{
	for (size_t i = 0; i < NELEM(methods); i++)
		if (methods[i].scheme == scheme)
			return &methods[i];
	return NULL;
}

const struct key_method *
key_method_named(enum key_padding padding, const char *digest)
{
	const char *bits = digest;

	if (strncasecmp(digest, "SHA2-", 5) == 0)
		bits += 5;
	else if (strncasecmp(digest, "SHA", 3) == 0)
		bits += 3;
	for (size_t i = 0; i < NELEM(methods); i++)
		if (methods[i].padding == padding && bits != digest &&
		    strcmp(methods[i].digest + 3, bits) == 0)
			return &methods[i];
	return NULL;
}

static bool
is_text13(struct view t)
{
	if (t.n != HEAD13 + 32 && t.n != HEAD13 + 48)
		return false;
	for (size_t i = 0; i < SPACES; i++)
		if (t.p[i] != ' ')
			return false;
	/* sizeof: the zero octet belongs to it */
	return memcmp(t.p + SPACES, context13, sizeof(context13)) == 0;
}

static bool
is_text12(struct view t)
{
	if (t.n < RANDOMS + 5 || t.p[RANDOMS] != 3)
		return false;
	const unsigned char *p = (const unsigned char *)t.p + RANDOMS + 1;
	unsigned curve = (unsigned)p[0] << 8 | p[1];
	size_t n = t.n - RANDOMS - 4;
	for (size_t i = 0; i < NELEM(curves); i++)
		if (curves[i].curve == curve)
			return p[2] == n && n == curves[i].point &&
			       (!curves[i].uncompressed || p[3] == 4);
	return false;
}

const char *
key_text_wrong(struct view text, const struct key_method *m, enum key_kind kind)
{
	if (kind == KEY_KIND_NONE ||
	    (m->padding == KEY_ECDSA) == (kind == KEY_KIND_RSA))
		return "the scheme is for another kind of key";
	if (is_text12(text))
		return NULL;
	if (!is_text13(text))
		return "the text is not a TLS server's handshake";
	if (m->kind13 != kind)
		return "the scheme is not one of TLS 1.3 for this key";
	return NULL;
}
