/*
 * SCRAM, the server's side.  Runs in: auth.
 *
 * This is read from clients by a process that is root, so it copies nothing but
 * whole messages and a name, each of bounded length, and looks at the rest
 * through views.
 */
#define _GNU_SOURCE
#include "common/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "common/base64.h"
#include "common/saslprep.h"

static const EVP_MD *
md_of(enum scram_hash h)
{
	return h == SCRAM_SHA256 ? EVP_sha256() : EVP_sha1();
}

size_t
scram_octets(enum scram_hash h)
{
	return h == SCRAM_SHA256 ? 32 : 20;
}

void
scram_start(struct scram *s, enum scram_hash h, bool plus, bool plus_offered,
    const struct scram_bindings *b)
{
	memset(s, 0, sizeof(*s));
	s->hash = h;
	s->plus = plus;
	s->plus_offered = plus_offered;
	s->bindings = *b;
}

/* ---- the grammar, RFC 5802 7 ---- */

/* Takes the attribute of this letter off a message, up to the next comma or the
 * end. */
static bool
attribute(struct view *rest, char letter, struct view *value)
{
	*value = view_split(rest, ',', NULL);
	if (value->n < 2 || value->p[0] != letter || value->p[1] != '=')
		return false;
	value->p += 2;
	value->n -= 2;
	return true;
}

/* saslname: "=2C" is a comma, "=3D" an equals sign, and no other "=" is. */
static bool
saslname(struct view v, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];
		if (c == '=') {
			struct view hex = { v.p + i + 1, 2 };
			if (v.n - i < 3)
				return false;
			if (view_eqs(hex, "2C"))
				c = ',';
			else if (!view_eqs(hex, "3D"))
				return false;
			i += 2;
		}
		if (c == '\0' || n + 1 >= size)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return n > 0;
}

/* printable: what may be in a nonce. */
static bool
printable(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] <= ' ' || v.p[i] == 0x7f || v.p[i] == ',')
			return false;
	return v.n > 0;
}

/* Extensions are ignored if they are any; "m" would have been mandatory. */
static bool
extensions(struct view rest, bool more)
{
	while (more) {
		struct view e = view_split(&rest, ',', &more);
		if (e.n < 3 || !ascii_alpha(e.p[0]) || e.p[0] == 'm' ||
		    e.p[1] != '=' || memchr(e.p, '\0', e.n) != NULL)
			return false;
	}
	return true;
}

/* ---- client-first-message ---- */

/* The flag at its start: does the client bind to the channel, and how?
 * AUTH_CONTINUE: go on. */
static enum auth_result
cbind_flag(struct scram *s, struct view flag)
{
	struct scram_bindings *b = &s->bindings;

	s->binding = (struct view){ NULL, 0 };
	if (view_eqs(flag, "n"))
		return s->plus ? AUTH_NO : AUTH_CONTINUE;
	/* "I could, but you do not offer it": then somebody has changed our
	 * offer on its way (RFC 5802 6). */
	if (view_eqs(flag, "y"))
		return s->plus || s->plus_offered ? AUTH_NO : AUTH_CONTINUE;
	if (flag.n < 3 || flag.p[0] != 'p' || flag.p[1] != '=')
		return AUTH_BAD;
	struct view type = { flag.p + 2, flag.n - 2 };
	if (view_eqs(type, "tls-exporter"))
		s->binding = (struct view){ b->exporter, b->exporter_n };
	else if (view_eqs(type, "tls-server-end-point"))
		s->binding = (struct view){ b->end_point, b->end_point_n };
	return s->plus && s->binding.n > 0 ? AUTH_CONTINUE : AUTH_NO;
}

enum auth_result
scram_first(struct scram *s, struct view message)
{
	char authzid[AUTH_USER_MAX + 1] = "";
	struct view rest, flag, value;
	bool more1, more2, more3;

	if (message.n == 0 || message.n > sizeof(s->first))
		return AUTH_BAD;
	memcpy(s->first, message.p, message.n);
	s->first_n = message.n;
	rest = (struct view){ s->first, s->first_n };
	flag = view_split(&rest, ',', &more1);
	value = view_split(&rest, ',', &more2);
	if (!more1 || !more2)
		return AUTH_BAD;
	s->gs2_n = s->first_n - rest.n;
	if (value.n > 0 &&
	    (value.n < 2 || value.p[0] != 'a' || value.p[1] != '=' ||
		!saslname((struct view){ value.p + 2, value.n - 2 }, authzid,
		    sizeof(authzid))))
		return AUTH_BAD;
	if (!attribute(&rest, 'n', &value) ||
	    !saslname(value, s->user, sizeof(s->user)))
		return AUTH_BAD;
	s->nonce = view_split(&rest, ',', &more3);
	if (s->nonce.n < 2 || s->nonce.p[0] != 'r' || s->nonce.p[1] != '=' ||
	    !extensions(rest, more3))
		return AUTH_BAD;
	s->nonce.p += 2;
	s->nonce.n -= 2;
	if (!printable(s->nonce) || s->nonce.n > SCRAM_NONCE_MAX)
		return AUTH_BAD;
	enum auth_result r = cbind_flag(s, flag);
	if (r == AUTH_CONTINUE && authzid[0] != '\0' &&
	    strcmp(authzid, s->user) != 0)
		r = AUTH_NO; /* nobody here may act for somebody else */
	return r;
}

/* ---- server-first-message ---- */

bool
scram_challenge(struct scram *s, unsigned iterations, const unsigned char *salt,
    size_t salt_n, struct view nonce, struct buf *out)
{
	char b64[BASE64_LEN(SCRAM_SALT_MAX) + 1];

	buf_clear(out);
	if (!base64_encode(
		(struct view){ (const char *)salt, salt_n }, b64, sizeof(b64)))
		return false;
	buf_adds(out, "r=");
	buf_addv(out, s->nonce);
	buf_addv(out, nonce);
	buf_addf(out, ",s=%s,i=%u", b64, iterations);
	if (out->bad || out->n > sizeof(s->challenge))
		return false;
	memcpy(s->challenge, out->p, out->n);
	s->challenge_n = out->n;
	s->nonce_n = s->nonce.n + nonce.n;
	return true;
}

/* ---- client-final-message ---- */

/* c= is the GS2 header and the binding.  There is one way to write them in
 * base64, so the text is compared. */
static bool
binding_right(const struct scram *s, struct view c)
{
	char want[BASE64_LEN(AUTH_STEP_MAX + AUTH_BINDING_MAX) + 1];
	char raw[AUTH_STEP_MAX + AUTH_BINDING_MAX];

	memcpy(raw, s->first, s->gs2_n);
	if (s->binding.n > 0)
		memcpy(raw + s->gs2_n, s->binding.p, s->binding.n);
	return base64_encode((struct view){ raw, s->gs2_n + s->binding.n },
		   want, sizeof(want)) &&
	       view_eqs(c, want);
}

bool
scram_hmac(
    enum scram_hash h, struct view key, struct view text, unsigned char *out)
{
	return HMAC(md_of(h), key.n == 0 ? "" : key.p, (int)key.n,
		   (const unsigned char *)text.p, text.n, out, NULL) != NULL;
}

static struct view
octets(const void *p, size_t n)
{
	return (struct view){ p, n };
}

/* RFC 5802 3.  True: the proof is right.  signature is the server's. */
static bool
prove(const struct scram *s, const struct scram_keys *k, struct view text,
    const unsigned char *proof, unsigned char *signature)
{
	size_t n = scram_octets(s->hash);
	unsigned char key[SCRAM_KEY_MAX], stored[EVP_MAX_MD_SIZE];
	bool good = scram_hmac(s->hash, octets(k->stored, n), text, key);

	for (size_t i = 0; i < n; i++)
		key[i] ^= proof[i];
	good = good &&
	       EVP_Digest(key, n, stored, NULL, md_of(s->hash), NULL) == 1 &&
	       scram_hmac(s->hash, octets(k->server, n), text, signature) &&
	       CRYPTO_memcmp(stored, k->stored, n) == 0;
	explicit_bzero(key, sizeof(key));
	return good;
}

enum auth_result
scram_final(struct scram *s, struct view message, const struct scram_keys *k,
    struct buf *out)
{
	size_t n = scram_octets(s->hash), proof_n = 0;
	unsigned char proof[SCRAM_KEY_MAX], signature[EVP_MAX_MD_SIZE] = { 0 };
	char b64[BASE64_LEN(SCRAM_KEY_MAX) + 1];
	struct view rest = message, c, r, p, want, before;
	struct buf text;

	buf_clear(out);
	if (!attribute(&rest, 'c', &c) || !attribute(&rest, 'r', &r))
		return AUTH_BAD;
	/* Extensions may stand before the proof, which is the last. */
	const char *last = rest.n == 0 ? NULL : memrchr(rest.p, ',', rest.n);
	p = last == NULL
		? rest
		: octets(last + 1, rest.n - (size_t)(last + 1 - rest.p));
	if (!extensions(
		octets(rest.p, rest.n - p.n - (last != NULL)), last != NULL))
		return AUTH_BAD;
	if (p.n < 2 || p.p[0] != 'p' || p.p[1] != '=' ||
	    !base64_decode(
		octets(p.p + 2, p.n - 2), proof, sizeof(proof), &proof_n) ||
	    proof_n != n)
		return AUTH_BAD;
	want = octets(s->challenge + 2, s->nonce_n);
	before = octets(message.p, message.n - p.n - 1);
	buf_init(&text, 3 * AUTH_STEP_MAX);
	buf_add(&text, s->first + s->gs2_n, s->first_n - s->gs2_n);
	buf_addc(&text, ',');
	buf_add(&text, s->challenge, s->challenge_n);
	buf_addc(&text, ',');
	buf_addv(&text, before);
	bool proved = prove(s, k, buf_view(&text), proof, signature);
	bool good = binding_right(s, c) && view_eq(r, want) && !text.bad &&
		    base64_encode(octets(signature, n), b64, sizeof(b64)) &&
		    buf_adds(out, "v=") && buf_adds(out, b64);
	buf_free(&text);
	if (good && proved)
		return AUTH_CONTINUE;
	buf_clear(out);
	return AUTH_NO;
}

bool
scram_derive(enum scram_hash h, struct view secret, struct scram_keys *k)
{
	size_t n = scram_octets(h);
	unsigned char salted[SCRAM_KEY_MAX], client[EVP_MAX_MD_SIZE];
	char text[AUTH_PASS_MAX + 1];
	size_t text_n = saslprep(secret, SASLPREP_STORED, text, sizeof(text));
	bool good =
	    text_n > 0 &&
	    PKCS5_PBKDF2_HMAC(text, (int)text_n, k->salt, (int)k->salt_n,
		(int)k->iterations, md_of(h), (int)n, salted) == 1 &&
	    scram_hmac(h, octets(salted, n), view_of("Client Key"), client) &&
	    EVP_Digest(client, n, k->stored, NULL, md_of(h), NULL) == 1 &&
	    scram_hmac(h, octets(salted, n), view_of("Server Key"), k->server);

	explicit_bzero(text, sizeof(text));
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client, sizeof(client));
	return good;
}
