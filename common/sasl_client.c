/* Logging in to another server.  Pure.  Runs in: sender. */
#include "common/sasl_client.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "common/base64.h"
#include "common/saslprep.h"

static const enum sasl_id known[] = { SASL_SCRAM_SHA_256, SASL_SCRAM_SHA_1,
	SASL_CRAM_MD5, SASL_PLAIN, SASL_LOGIN };

enum { PROVED = 100 }; /* step: the server has shown its signature */

enum sasl_id
sasl_client_choose(struct view offered, bool cleartext)
{
	for (size_t i = 0; i < NELEM(known); i++) {
		const struct sasl_mech *m = &sasl_mechs[known[i]];
		struct view rest = offered;
		if ((m->flags & SASL_CLEARTEXT) != 0 && !cleartext)
			continue;
		while (rest.n > 0)
			if (view_caseeqs(view_token(&rest), m->name))
				return known[i];
	}
	return SASL__N;
}

void
sasl_client_start(struct sasl_client *c, enum sasl_id id, const char *user,
    const char *pass, const char *nonce)
{
	memset(c, 0, sizeof(*c));
	c->id = id;
	c->user = user;
	c->pass = pass;
	snprintf(c->nonce, sizeof(c->nonce), "%s", nonce);
}

static bool
is_scram(const struct sasl_client *c)
{
	return c->id == SASL_SCRAM_SHA_256 || c->id == SASL_SCRAM_SHA_1;
}

/* RFC 5802 5.1: "," and "=" of a name are written as "=2C" and "=3D". */
static bool
scram_first_bare(struct sasl_client *c)
{
	struct buf b;

	buf_init(&b, sizeof(c->bare) - 1);
	buf_adds(&b, "n=");
	for (const char *p = c->user; *p != '\0'; p++)
		if (*p == ',' || *p == '=')
			buf_adds(&b, *p == ',' ? "=2C" : "=3D");
		else
			buf_addc(&b, *p);
	buf_addf(&b, ",r=%s", c->nonce);
	bool good = !b.bad && view_copy(buf_view(&b), c->bare, sizeof(c->bare));
	buf_free(&b);
	return good;
}

bool
sasl_client_initial(struct sasl_client *c, struct buf *out)
{
	if (c->id == SASL_PLAIN) {
		buf_addc(out, '\0');
		buf_adds(out, c->user);
		buf_addc(out, '\0');
		buf_adds(out, c->pass);
		return true;
	}
	if (!is_scram(c) || !scram_first_bare(c))
		return false;
	buf_adds(out, "n,,");
	buf_adds(out, c->bare);
	return true;
}

/* ---- CRAM-MD5 ---- */

static bool
cram_md5(struct sasl_client *c, struct view challenge, struct buf *out)
{
	unsigned char d[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (HMAC(EVP_md5(), c->pass, (int)strlen(c->pass),
		(const unsigned char *)challenge.p, challenge.n, d, &n) == NULL)
		return false;
	buf_addf(out, "%s ", c->user);
	for (unsigned i = 0; i < n; i++)
		buf_addf(out, "%02x", d[i]);
	return true;
}

/* ---- SCRAM ---- */

struct challenge {
	struct view nonce, salt;
	unsigned long long iterations;
};

static bool
attribute(struct view *v, const char *name, struct view *out)
{
	*out = view_split(v, ',', NULL);
	if (out->n < 2 || memcmp(out->p, name, 2) != 0)
		return false;
	out->p += 2;
	out->n -= 2;
	return true;
}

/* server-first-message; the nonce must begin with ours. */
static bool
read_challenge(
    const struct sasl_client *c, struct view v, struct challenge *out)
{
	struct view number;
	size_t ours = strlen(c->nonce);

	return attribute(&v, "r=", &out->nonce) &&
	       attribute(&v, "s=", &out->salt) &&
	       attribute(&v, "i=", &number) &&
	       view_number(number, SCRAM_ITERATIONS_MAX, &out->iterations) &&
	       out->iterations >= SCRAM_ITERATIONS_MIN && out->nonce.n > ours &&
	       memcmp(out->nonce.p, c->nonce, ours) == 0;
}

/* The proof, and the signature that the server must answer with. */
static bool
scram_keys_use(struct sasl_client *c, enum scram_hash h,
    const unsigned char *salted, struct view text, unsigned char *proof)
{
	const EVP_MD *md = h == SCRAM_SHA256 ? EVP_sha256() : EVP_sha1();
	unsigned char key[EVP_MAX_MD_SIZE], stored[EVP_MAX_MD_SIZE],
	    signature[EVP_MAX_MD_SIZE];
	size_t n = scram_octets(h);
	struct view salted_v = { (const char *)salted, n };
	bool good =
	    scram_hmac(h, salted_v, view_of("Server Key"), key) &&
	    scram_hmac(h, (struct view){ (char *)key, n }, text,
		c->server_signature) &&
	    scram_hmac(h, salted_v, view_of("Client Key"), key) &&
	    EVP_Digest(key, n, stored, NULL, md, NULL) == 1 &&
	    scram_hmac(h, (struct view){ (char *)stored, n }, text, signature);

	for (size_t i = 0; i < n; i++)
		proof[i] = key[i] ^ signature[i];
	OPENSSL_cleanse(key, sizeof(key));
	return good;
}

static bool
scram_answer(struct sasl_client *c, struct view challenge, struct buf *out)
{
	enum scram_hash h =
	    c->id == SASL_SCRAM_SHA_256 ? SCRAM_SHA256 : SCRAM_SHA1;
	const EVP_MD *md = h == SCRAM_SHA256 ? EVP_sha256() : EVP_sha1();
	unsigned char salt[SCRAM_SALT_MAX], salted[SCRAM_KEY_MAX],
	    proof[SCRAM_KEY_MAX];
	char b64[BASE64_LEN(SCRAM_KEY_MAX) + 1];
	struct challenge ch;
	struct buf text;
	char prepared[AUTH_PASS_MAX + 1];
	const char *pass = prepared;
	size_t salt_n, n = scram_octets(h), before = out->n;
	bool good = false;

	/* What cannot be prepared is for the server to refuse. */
	if (saslprep(view_of(c->pass), SASLPREP_STORED, prepared,
		sizeof(prepared)) == 0)
		pass = c->pass;
	buf_init(&text, 3 * SASL_CLIENT_TEXT);
	if (!read_challenge(c, challenge, &ch) ||
	    !base64_decode(ch.salt, salt, sizeof(salt), &salt_n) ||
	    PKCS5_PBKDF2_HMAC(pass, (int)strlen(pass), salt, (int)salt_n,
		(int)ch.iterations, md, (int)n, salted) != 1)
		goto out;
	/* "biws" is "n,,": no channel binding (RFC 5802 5.1). */
	buf_adds(out, "c=biws,r=");
	buf_addv(out, ch.nonce);
	if (out->bad)
		goto out;
	buf_addf(&text, "%s,", c->bare);
	buf_addv(&text, challenge);
	buf_addc(&text, ',');
	buf_add(&text, out->p + before, out->n - before);
	if (text.bad || !scram_keys_use(c, h, salted, buf_view(&text), proof) ||
	    !base64_encode((struct view){ (char *)proof, n }, b64, sizeof(b64)))
		goto out;
	buf_adds(out, ",p=");
	buf_adds(out, b64);
	good = !out->bad;
out:
	OPENSSL_cleanse(prepared, sizeof(prepared));
	OPENSSL_cleanse(salted, sizeof(salted));
	buf_free(&text);
	return good;
}

static bool
scram_verify(struct sasl_client *c, struct view message)
{
	unsigned char got[SCRAM_KEY_MAX];
	size_t n, want = scram_octets(
		      c->id == SASL_SCRAM_SHA_256 ? SCRAM_SHA256 : SCRAM_SHA1);
	struct view v;

	if (!attribute(&message, "v=", &v) ||
	    !base64_decode(v, got, sizeof(got), &n) || n != want ||
	    CRYPTO_memcmp(got, c->server_signature, n) != 0)
		return false;
	c->step = PROVED;
	return true;
}

/* ---- steps ---- */

bool
sasl_client_step(struct sasl_client *c, struct view challenge, struct buf *out)
{
	unsigned step = c->step++;

	switch (c->id) {
	case SASL_LOGIN:
		buf_adds(out, step == 0 ? c->user : c->pass);
		return step < 2;
	case SASL_CRAM_MD5:
		return step == 0 && cram_md5(c, challenge, out);
	case SASL_SCRAM_SHA_256:
	case SASL_SCRAM_SHA_1:
		if (step == 0)
			return scram_answer(c, challenge, out);
		return step == 1 && scram_verify(c, challenge);
	default:
		return false;
	}
}

bool
sasl_client_done(const struct sasl_client *c)
{
	return !is_scram(c) || c->step == PROVED;
}

void
sasl_client_wipe(struct sasl_client *c)
{
	OPENSSL_cleanse(c, sizeof(*c));
}
