/*
 * The keeper of the private keys.  Runs in: key.
 *
 * A worker that was broken into can have TLS handshakes signed while it lives,
 * as any worker can; it can not have the key, nor a signature under anything
 * but the handshake of a TLS server (key_text.c): no certificate request, no
 * client authentication, no raw digest.
 */
#include "common/svc_key.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/ask_key.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/pem.h"
#include "common/status.h"

enum {
	SECURE_HEAP = 65536, /* locked, not dumped, between guard pages */
	SECURE_MIN = 16,
	EXPIRY_MS = 86400000 /* certificates are looked at once a day */
};

static struct key_pair {
	EVP_PKEY *key;
	X509 *cert;
	enum key_kind kind;
	const char *cert_name; /* borrowed from the settings */
} pairs[KEYS_MAX];
static unsigned pair_n;
static uint64_t refused;

/* ---- signing ---- */

/* Sets up ctx for either signing or verifying after the manner of m. */
static bool
method_apply(EVP_PKEY_CTX *ctx, const struct key_method *m)
{
	if (m->padding == KEY_ECDSA)
		return true;
	if (m->padding == KEY_PKCS1)
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0;
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) >
		   0;
}

static bool
sign(EVP_PKEY *key, const struct key_method *m, struct view text,
    unsigned char *sig, size_t *n)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *how;
	bool good = ctx != NULL &&
		    EVP_DigestSignInit_ex(
			ctx, &how, m->digest, NULL, NULL, key, NULL) > 0 &&
		    method_apply(how, m) &&
		    EVP_DigestSign(
			ctx, sig, n, (const unsigned char *)text.p, text.n) > 0;

	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

static bool
verify(EVP_PKEY *pub, const struct key_method *m, struct view text,
    const unsigned char *sig, size_t n)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *how;
	bool good = ctx != NULL &&
		    EVP_DigestVerifyInit_ex(
			ctx, &how, m->digest, NULL, NULL, pub, NULL) > 0 &&
		    method_apply(how, m) &&
		    EVP_DigestVerify(
			ctx, sig, n, (const unsigned char *)text.p, text.n) > 0;

	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

static enum answer
refuse(struct peer *p, const char *why)
{
	refused++;
	log_warn("refused to sign for %s %llu: %s (%llu refused so far)",
	    p->service->name, (unsigned long long)p->id, why,
	    (unsigned long long)refused);
	return ANSWER_DROP;
}

/* KEY_SIGN: u32 key number, u32 scheme, view text; u32 status, view sig. */
static enum answer
answer_key_sign(struct peer *p, struct msg *rq, struct msg *rp)
{
	unsigned char sig[KEY_SIG_MAX];
	size_t n = sizeof(sig);
	uint32_t number = msg_get_u32(rq);
	const struct key_method *m = key_method_find(msg_get_u32(rq));
	struct view text = msg_get_view(rq, KEY_TEXT_MAX);

	if (!msg_done(rq))
		return refuse(p, "the request is malformed");
	if (number >= pair_n)
		return refuse(p, "there is no such key");
	if (m == NULL)
		return refuse(p, "there is no such scheme");
	const char *why = key_text_wrong(text, m, pairs[number].kind);
	if (why != NULL)
		return refuse(p, why);
	if (!sign(pairs[number].key, m, text, sig, &n)) {
		log_error(
		    "%s: OpenSSL could not sign", pairs[number].cert_name);
		n = 0;
	}
	msg_put_u32(rp, status_pack(n > 0 ? OK : ERR_IO));
	msg_put_view(rp, (struct view){ (const char *)sig, n });
	return ANSWER;
}

/* clang-format off */
static const struct request requests[] = {
	{ KEY_SIGN, 12, 12 + KEY_TEXT_MAX, false, BIT(KEY_SIGN),
	    answer_key_sign, "sign" },
};
/* clang-format on */

const struct service key_service = { .name = "worker",
	.requests = requests,
	.n = NELEM(requests),
	.first = BIT(KEY_SIGN) };

uint64_t
keys_refused(void)
{
	return refused;
}

/* ---- loading ---- */

/* Signs by each method that the key has and verifies with the certificate: the
 * two belong together, and all that OpenSSL needs is loaded before the
 * sandbox. */
static bool
pair_prove(const struct key_pair *p)
{
	/* no text that a handshake could hold */
	static const char probe[] = "pennypost: does this key sign?";
	static const uint32_t schemes[] = { KEY_ECDSA_SHA256, KEY_ECDSA_SHA384,
		KEY_ECDSA_SHA512, KEY_RSA_PKCS1_SHA256, KEY_RSA_PKCS1_SHA384,
		KEY_RSA_PKCS1_SHA512, KEY_RSA_PSS_SHA256, KEY_RSA_PSS_SHA384,
		KEY_RSA_PSS_SHA512 };
	EVP_PKEY *pub = X509_get0_pubkey(p->cert);
	struct view text = view_of(probe);

	if (pub == NULL || EVP_PKEY_eq(pub, p->key) != 1)
		return false;
	for (size_t i = 0; i < NELEM(schemes); i++) {
		const struct key_method *m = key_method_find(schemes[i]);
		unsigned char sig[KEY_SIG_MAX];
		size_t n = sizeof(sig);
		if ((m->padding == KEY_ECDSA) == (p->kind == KEY_KIND_RSA))
			continue;
		if (!sign(p->key, m, text, sig, &n) ||
		    !verify(pub, m, text, sig, n))
			return false;
	}
	return true;
}

/* As of the users file: what others can read is no secret. */
static bool
key_private(int fd, const char *name, char *err, size_t err_size)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && (st.st_mode & (S_IRWXO | S_IWGRP)) == 0)
		return true;
	snprintf(err, err_size,
	    "%s: others can read or change this private key; chmod 600 %s",
	    name, name);
	return false;
}

static bool
pair_load(struct key_pair *p, const int fd[2], const struct tls_pair *name,
    char *err, size_t err_size)
{
	STACK_OF(X509) *chain = NULL;
	struct buf cert, key;
	bool good = false;

	buf_init(&key, 0);
	p->cert_name = name->certificate;
	if (!pem_read(fd[0], name->certificate, &cert, err, err_size) ||
	    !pem_certs(buf_view(&cert), name->certificate, &p->cert, &chain,
		err, err_size) ||
	    !key_private(fd[1], name->key, err, err_size) ||
	    !pem_read(fd[1], name->key, &key, err, err_size))
		goto out;
	p->key = pem_key(buf_view(&key), name->key, err, err_size);
	if (p->key == NULL)
		goto out;
	p->kind = key_kind_of(p->key);
	good = pair_prove(p);
	if (!good)
		snprintf(err, err_size,
		    "the key in %s is not the one of the certificate in %s",
		    name->key, name->certificate);
out:
	sk_X509_pop_free(chain, X509_free);
	buf_free(&cert);
	buf_wipe(&key);
	return good;
}

bool
keys_load(const int *file, const struct tls_pair *names, unsigned n, char *err,
    size_t err_size)
{
	if (n > KEYS_MAX) {
		snprintf(err, err_size, "more than %d certificates", KEYS_MAX);
		return false;
	}
	keys_free();
	/* Without effect the second time, and without RLIMIT_MEMLOCK not
	 * locked: still not dumped. */
	CRYPTO_secure_malloc_init(SECURE_HEAP, SECURE_MIN);
	for (pair_n = 0; pair_n < n;) {
		unsigned i = pair_n++;
		if (pair_load(&pairs[i], file + (size_t)i * 2, &names[i], err,
			err_size))
			continue;
		keys_free();
		return false;
	}
	return true;
}

void
keys_free(void)
{
	for (unsigned i = 0; i < pair_n; i++) {
		EVP_PKEY_free(pairs[i].key);
		X509_free(pairs[i].cert);
		pairs[i] = (struct key_pair){ 0 };
	}
	pair_n = 0;
}

bool
keys_expiry(unsigned i, char *text, size_t size)
{
	return pem_expiry(pairs[i].cert, time(NULL), text, size);
}

/* ---- the role ---- */

static void
warn_of_expiry(void *arg)
{
	char text[64];

	(void)arg;
	for (unsigned i = 0; i < pair_n; i++)
		if (keys_expiry(i, text, sizeof(text)))
			log_warn("the certificate in %s %s", pairs[i].cert_name,
			    text);
	timer_add(EXPIRY_MS, warn_of_expiry, NULL);
}

static void
add_worker(int sock, const struct intro *in)
{
	if (in->kind != INTRO_WORKER) {
		close_fd(&sock);
		return;
	}
	service_add(sock, &key_service, NULL);
}

static void
add_intro(enum role_id from, int fd)
{
	if (fd == -1)
		return; /* the pool is to come */
	if (from == ROLE_POOL)
		service_introductions(fd, add_worker);
	else
		close_fd(&fd);
}

noreturn void
svc_key_main(struct role *r)
{
	char err[512];

	if (r->file_n != 2 * r->settings->tls_n)
		role_failed(r, "the certificates did not arrive");
	if (!keys_load(r->file, r->settings->tls, r->settings->tls_n, err,
		sizeof(err)))
		role_failed(r, "%s", err);
	for (unsigned i = 0; i < r->file_n; i++)
		close_fd(&r->file[i]);
	service_init();
	warn_of_expiry(NULL);
	add_intro(ROLE_POOL, r->peer[ROLE_POOL]);
	role_watch_master(r, add_intro, NULL);
	priv_drop(r, ROLE_KEY, r->settings->empty_directory);
	sandbox_enter(r, ROLE_KEY);
	role_ready(r);
	service_run();
	log_flush();
	exit(0);
}
