/*
 * An OpenSSL provider whose keys live in the key role.
 * Runs in: worker, and pool for the warm-up.
 *
 * A key here is the certificate's public key and a number.  OpenSSL fetches
 * our key manager for it because keyprov_pkey asks for it by property, and our
 * signature because our keys refuse to be exported with a private part, so that
 * no other provider can take them.  What is to be signed arrives in one piece
 * (libssl calls EVP_DigestSign), and goes to the key role as it is.
 */
#include "common/ask_key.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "common/msg.h"
#include "common/pem.h"
#include "common/status.h"

#define PROVIDER "pennypost-key"
#define PROPERTY "provider=" PROVIDER
#define PARAM_NUMBER "number"
#define PARAM_PUBLIC "public"

struct key {
	EVP_PKEY *pub; /* the default provider's */
	unsigned number;
	unsigned refs; /* one thread only */
};

struct signer {
	struct key *key;
	enum key_padding padding;
	const struct key_method *method;
};

static int key_sock = -1;
static int key_wait_ms = 10000;
static const char *failure;

/* ---- keys ---- */

static void *
key_new(void *provctx)
{
	(void)provctx;
	struct key *k = calloc(1, sizeof(*k));
	if (k != NULL)
		k->refs = 1;
	return k;
}

static void
key_free(void *key)
{
	struct key *k = key;

	if (k == NULL || --k->refs > 0)
		return;
	EVP_PKEY_free(k->pub);
	free(k);
}

/* Only keyprov_pkey knows these parameters: a foreign key is refused. */
static int
key_import(void *key, int selection, const OSSL_PARAM params[])
{
	struct key *k = key;
	const OSSL_PARAM *number =
	    OSSL_PARAM_locate_const(params, PARAM_NUMBER);
	const OSSL_PARAM *pub = OSSL_PARAM_locate_const(params, PARAM_PUBLIC);
	const void *p;
	size_t n;

	(void)selection;
	if (number == NULL || pub == NULL ||
	    !OSSL_PARAM_get_uint(number, &k->number) ||
	    !OSSL_PARAM_get_octet_string_ptr(pub, &p, &n) ||
	    n != sizeof(k->pub))
		return 0;
	memcpy(&k->pub, p, sizeof(k->pub));
	if (EVP_PKEY_up_ref(k->pub))
		return 1;
	k->pub = NULL;
	return 0;
}

static const OSSL_PARAM *
key_import_types(int selection)
{
	static const OSSL_PARAM types[] = { OSSL_PARAM_uint(PARAM_NUMBER, NULL),
		OSSL_PARAM_octet_string(PARAM_PUBLIC, NULL, 0),
		OSSL_PARAM_END };

	(void)selection;
	return types;
}

/* The public part goes out, so that libssl can compare it with the
 * certificate's.  The private part is not here. */
static int
key_export(void *key, int selection, OSSL_CALLBACK *cb, void *arg)
{
	struct key *k = key;
	OSSL_PARAM *params = NULL;

	if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) ||
	    !EVP_PKEY_todata(k->pub, EVP_PKEY_PUBLIC_KEY, &params))
		return 0;
	int rc = cb(params, arg);
	OSSL_PARAM_free(params);
	return rc;
}

static const OSSL_PARAM *
key_export_types(int selection)
{
	static const OSSL_PARAM none[] = { OSSL_PARAM_END };

	(void)selection;
	return none;
}

/* It acts as if it had a private part. */
static int
key_has(const void *key, int selection)
{
	(void)selection;
	return ((const struct key *)key)->pub != NULL;
}

static int
key_match(const void *a, const void *b, int selection)
{
	const struct key *ka = a, *kb = b;

	(void)selection;
	return EVP_PKEY_eq(ka->pub, kb->pub) == 1;
}

static int
key_get_params(void *key, OSSL_PARAM params[])
{
	return EVP_PKEY_get_params(((struct key *)key)->pub, params);
}

static const OSSL_PARAM *
key_gettable_params(void *provctx)
{
	static const OSSL_PARAM params[] = { OSSL_PARAM_int(
						 OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_END };

	(void)provctx;
	return params;
}

static const char *
rsa_operation(int op)
{
	(void)op;
	return "RSA";
}

static const char *
ec_operation(int op)
{
	return op == OSSL_OP_SIGNATURE ? "ECDSA" : "EC";
}

/* ---- signatures ---- */

static void *
signer_new(void *provctx, const char *properties)
{
	(void)provctx;
	(void)properties;
	return calloc(1, sizeof(struct signer));
}

static void
signer_free(void *signer)
{
	struct signer *s = signer;

	if (s != NULL)
		key_free(s->key);
	free(s);
}

/* OpenSSL gives the padding as a number or by name. */
static bool
get_padding(const OSSL_PARAM *p, enum key_padding *padding)
{
	const char *name;
	int number = 0;

	if (p->data_type == OSSL_PARAM_UTF8_STRING) {
		if (!OSSL_PARAM_get_utf8_string_ptr(p, &name))
			return false;
		if (strcmp(name, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0)
			number = RSA_PKCS1_PSS_PADDING;
		else if (strcmp(name, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0)
			number = RSA_PKCS1_PADDING;
	} else if (!OSSL_PARAM_get_int(p, &number)) {
		return false;
	}
	*padding = number == RSA_PKCS1_PSS_PADDING ? KEY_PSS : KEY_PKCS1;
	return number == RSA_PKCS1_PSS_PADDING || number == RSA_PKCS1_PADDING;
}

/* The salt is as long as the digest (RFC 8446 4.2.3), and the key role sees to
 * that; any other wish is TLS's to make, and TLS has none. */
static int
signer_set_params(void *signer, const OSSL_PARAM params[])
{
	struct signer *s = signer;
	const OSSL_PARAM *p = params == NULL
				  ? NULL
				  : OSSL_PARAM_locate_const(
					params, OSSL_SIGNATURE_PARAM_PAD_MODE);

	if (p == NULL)
		return 1;
	if (s->padding == KEY_ECDSA || s->method == NULL ||
	    !get_padding(p, &s->padding))
		return 0;
	s->method = key_method_named(s->padding, s->method->digest);
	return s->method != NULL;
}

static const OSSL_PARAM *
signer_settable_params(void *signer, void *provctx)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(
		    OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_END
	};

	(void)signer;
	(void)provctx;
	return params;
}

static int
signer_init(
    void *signer, const char *digest, void *key, const OSSL_PARAM params[])
{
	struct signer *s = signer;

	if (key != NULL) {
		key_free(s->key);
		s->key = key;
		s->key->refs++;
	}
	if (s->key == NULL || digest == NULL)
		return 0;
	s->padding = EVP_PKEY_is_a(s->key->pub, "RSA") ? KEY_PKCS1 : KEY_ECDSA;
	s->method = key_method_named(s->padding, digest);
	return s->method != NULL && signer_set_params(s, params);
}

/* Asks the key role.  NULL: the signature is in sig; else why not. */
static const char *
ask_key_sign(const struct signer *s, struct view text, unsigned char *sig,
    size_t *n, size_t max)
{
	const char *why = NULL;

	if (key_sock == -1)
		return "no channel to the key role";
	msg_start(&scratch, KEY_SIGN);
	msg_put_u32(&scratch, s->key->number);
	msg_put_u32(&scratch, s->method->scheme);
	msg_put_view(&scratch, text);
	if (!msg_call(key_sock, &scratch, key_wait_ms)) {
		/* a late answer must not be taken for the next one's */
		key_sock = -1;
		return "the key role does not answer";
	}
	enum status st = status_unpack(msg_get_u32(&scratch));
	struct view v = msg_get_view(&scratch, KEY_SIG_MAX);
	if (!msg_done(&scratch))
		why = "the key role's answer is malformed";
	else if (st != OK)
		why = "the key role could not sign";
	else if (v.n == 0 || v.n > max)
		why = "the key role's signature has the wrong length";
	if (why == NULL) {
		memcpy(sig, v.p, v.n);
		*n = v.n;
	}
	msg_wipe(&scratch);
	return why;
}

static int
signer_sign(void *signer, unsigned char *sig, size_t *n, size_t max,
    const unsigned char *text, size_t text_n)
{
	struct signer *s = signer;
	size_t size = (size_t)EVP_PKEY_get_size(s->key->pub);
	struct view v = { (const char *)text, text_n };

	*n = size;
	if (sig == NULL)
		return 1;
	if (text_n > KEY_TEXT_MAX)
		failure = "the text is too long";
	else
		failure = ask_key_sign(s, v, sig, n, max < size ? max : size);
	return failure == NULL;
}

static void *
signer_dup(void *signer)
{
	struct signer *s = signer, *d = malloc(sizeof(*d));

	if (d == NULL)
		return NULL;
	*d = *s;
	if (d->key != NULL)
		d->key->refs++;
	return d;
}

/* ---- the provider's tables ---- */

/* clang-format off */
#define F(id, f) { OSSL_FUNC_##id, (void (*)(void))(f) }
#define KEYMGMT(operation) \
	F(KEYMGMT_NEW, key_new), \
	F(KEYMGMT_FREE, key_free), \
	F(KEYMGMT_IMPORT, key_import), \
	F(KEYMGMT_IMPORT_TYPES, key_import_types), \
	F(KEYMGMT_EXPORT, key_export), \
	F(KEYMGMT_EXPORT_TYPES, key_export_types), \
	F(KEYMGMT_HAS, key_has), \
	F(KEYMGMT_MATCH, key_match), \
	F(KEYMGMT_GET_PARAMS, key_get_params), \
	F(KEYMGMT_GETTABLE_PARAMS, key_gettable_params), \
	F(KEYMGMT_QUERY_OPERATION_NAME, operation), \
	{ 0, NULL }

static const OSSL_DISPATCH rsa_keymgmt[] = { KEYMGMT(rsa_operation) };
static const OSSL_DISPATCH ec_keymgmt[] = { KEYMGMT(ec_operation) };
static const OSSL_DISPATCH signature[] = {
	F(SIGNATURE_NEWCTX, signer_new),
	F(SIGNATURE_FREECTX, signer_free),
	F(SIGNATURE_DUPCTX, signer_dup),
	F(SIGNATURE_DIGEST_SIGN_INIT, signer_init),
	F(SIGNATURE_DIGEST_SIGN, signer_sign),
	F(SIGNATURE_SET_CTX_PARAMS, signer_set_params),
	F(SIGNATURE_SETTABLE_CTX_PARAMS, signer_settable_params),
	{ 0, NULL }
};

static const OSSL_ALGORITHM keymgmts[] = {
	{ "RSA:rsaEncryption", PROPERTY, rsa_keymgmt, NULL },
	{ "EC:id-ecPublicKey", PROPERTY, ec_keymgmt, NULL },
	{ NULL, NULL, NULL, NULL }
};
static const OSSL_ALGORITHM signatures[] = {
	{ "RSA:rsaEncryption", PROPERTY, signature, NULL },
	{ "ECDSA", PROPERTY, signature, NULL },
	{ NULL, NULL, NULL, NULL }
};
/* clang-format on */

static const OSSL_ALGORITHM *
provider_query(void *provctx, int op, int *no_cache)
{
	(void)provctx;
	*no_cache = 0;
	if (op == OSSL_OP_KEYMGMT)
		return keymgmts;
	return op == OSSL_OP_SIGNATURE ? signatures : NULL;
}

static int
provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
    const OSSL_DISPATCH **out, void **provctx)
{
	/* clang-format off */
	static const OSSL_DISPATCH table[] = {
		F(PROVIDER_QUERY_OPERATION, provider_query), { 0, NULL }
	};
	/* clang-format on */
	static char no_context;

	(void)handle;
	(void)in;
	*out = table;
	*provctx = &no_context;
	return 1;
}

/* ---- what others call ---- */

bool
keyprov_init(void)
{
	static OSSL_PROVIDER *standard, *own; /* for the life of the process */

	if (own != NULL)
		return true;
	/* Where two providers have an algorithm, the default one is meant. */
	if (standard == NULL)
		standard = OSSL_PROVIDER_load(NULL, "default");
	if (standard != NULL &&
	    EVP_set_default_properties(NULL, "?provider=default") &&
	    OSSL_PROVIDER_add_builtin(NULL, PROVIDER, provider_init))
		own = OSSL_PROVIDER_load(NULL, PROVIDER);
	return own != NULL;
}

void
keyprov_sock(int sock)
{
	key_sock = sock;
	failure = NULL;
}

void
keyprov_wait(int ms)
{
	key_wait_ms = ms;
}

const char *
keyprov_why(void)
{
	const char *why = failure;

	failure = NULL;
	return why;
}

EVP_PKEY *
keyprov_pkey(X509 *cert, unsigned n)
{
	EVP_PKEY *pub = X509_get0_pubkey(cert), *key = NULL;

	if (pub == NULL || key_kind_of(pub) == KEY_KIND_NONE)
		return NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(
	    NULL, EVP_PKEY_is_a(pub, "RSA") ? "RSA" : "EC", PROPERTY);
	OSSL_PARAM params[] = { OSSL_PARAM_construct_uint(PARAM_NUMBER, &n),
		OSSL_PARAM_construct_octet_string(
		    PARAM_PUBLIC, &pub, sizeof(pub)),
		OSSL_PARAM_construct_end() };
	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}
