/* The key role signs a TLS server's handshake and nothing else. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/ask_key.h"
#include "common/key_text.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/pem.h"
#include "common/status.h"
#include "common/svc_key.h"
#include "t/unit/certs.h"
#include "t/unit/tap.h"

/* ---- texts ---- */

#define SP16 "                "
#define SP64 SP16 SP16 SP16 SP16
#define SERVER13 "TLS 1.3, server CertificateVerify"
#define CLIENT13 "TLS 1.3, client CertificateVerify"
#define H16 "0123456789abcdef"
#define H32 H16 H16
#define H48 H32 H16
#define H64 H32 H32
#define P256(first) "\x03\x00\x17\x41" first H64
#define P384(first) "\x03\x00\x18\x61" first H64 H32
#define X25519 "\x03\x00\x1d\x20" H32
#define T(s) s, sizeof(s) - 1

/* clang-format off */
static const struct {
	const char *text;
	size_t n;
	uint32_t scheme;
	enum key_kind kind;
	bool good;
	const char *name;
} texts[] = {
	/* TLS 1.3 */
	{ T(SP64 SERVER13 "\0" H32), KEY_ECDSA_SHA256, KEY_KIND_P256, true, "1.3, P-256" },
	{ T(SP64 SERVER13 "\0" H48), KEY_ECDSA_SHA256, KEY_KIND_P256, true, "1.3, a hash of 48" },
	{ T(SP64 SERVER13 "\0" H32), KEY_ECDSA_SHA384, KEY_KIND_P384, true, "1.3, P-384" },
	{ T(SP64 SERVER13 "\0" H32), KEY_RSA_PSS_SHA256, KEY_KIND_RSA, true, "1.3, RSA" },
	{ T(SP64 SERVER13 "\0" H48), KEY_RSA_PSS_SHA512, KEY_KIND_RSA, true, "1.3, RSA with SHA-512" },
	{ T(SP64 CLIENT13 "\0" H32), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.3, the client's context" },
	{ T(SP64 "tLS 1.3, server CertificateVerify\0" H32), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.3, another context" },
	{ T(SP64 SERVER13 " " H32), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.3, no zero octet" },
	{ T(SP64 SERVER13 "\0"), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.3, no hash" },
	{ T(SP64 SERVER13 "\0" H16), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.3, a hash of 16" },
	{ T(SP64 SERVER13 "\0" H16 "123456789012345"), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.3, a hash of 31" },
	{ T(SP64 SERVER13 "\0" H32 "1"), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.3, a hash of 33" },
	{ T(SP64 SERVER13 "\0" H64), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.3, a hash of 64: no suite has it" },
	{ T(SP64 " " SERVER13 "\0" H32), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.3, 65 spaces" },
	{ T(SP16 SP16 SP16 "               " SERVER13 "\0" H32), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.3, 63 spaces" },
	{ T(SP16 SP16 SP16 "       \t        " SERVER13 "\0" H32), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.3, a tab among the spaces" },
	{ T(SERVER13 "\0" H32), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.3, no spaces" },
	{ T(SP64 SERVER13 "\0" H32), KEY_ECDSA_SHA384, KEY_KIND_P256, false, "1.3, the scheme of another curve" },
	{ T(SP64 SERVER13 "\0" H32), KEY_ECDSA_SHA512, KEY_KIND_P256, false, "1.3, the scheme of P-521" },
	{ T(SP64 SERVER13 "\0" H32), KEY_ECDSA_SHA256, KEY_KIND_P384, false, "1.3, P-384 with SHA-256" },
	{ T(SP64 SERVER13 "\0" H32), KEY_RSA_PKCS1_SHA256, KEY_KIND_RSA, false, "1.3, PKCS 1 padding" },
	{ T(SP64 SERVER13 "\0" H32), KEY_RSA_PSS_SHA256, KEY_KIND_P256, false, "1.3, RSA's scheme for ECDSA" },
	{ T(SP64 SERVER13 "\0" H32), KEY_ECDSA_SHA256, KEY_KIND_RSA, false, "1.3, ECDSA's scheme for RSA" },
	/* TLS 1.2 */
	{ T(H64 P256("\4")), KEY_ECDSA_SHA256, KEY_KIND_P256, true, "1.2, P-256 point" },
	{ T(H64 P384("\4")), KEY_ECDSA_SHA256, KEY_KIND_P256, true, "1.2, P-384 point" },
	{ T(H64 X25519), KEY_ECDSA_SHA512, KEY_KIND_P256, true, "1.2, X25519 point, SHA-512" },
	{ T(H64 X25519), KEY_ECDSA_SHA256, KEY_KIND_P384, true, "1.2, P-384 key with SHA-256" },
	{ T(H64 X25519), KEY_RSA_PKCS1_SHA256, KEY_KIND_RSA, true, "1.2, PKCS 1 padding" },
	{ T(H64 X25519), KEY_RSA_PSS_SHA384, KEY_KIND_RSA, true, "1.2, PSS" },
	{ T(H64 X25519), KEY_RSA_PSS_SHA384, KEY_KIND_P256, false, "1.2, RSA's scheme for ECDSA" },
	{ T(H64 X25519), KEY_ECDSA_SHA256, KEY_KIND_RSA, false, "1.2, ECDSA's scheme for RSA" },
	{ T(H64 X25519), KEY_ECDSA_SHA256, KEY_KIND_NONE, false, "1.2, no kind of key" },
	{ T(H64 X25519 "x"), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.2, an octet behind it" },
	{ T(H64 P256("\4") "x"), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.2, an octet behind P-256" },
	{ T(H64 "\x03\x00\x1d\x20" H16), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.2, a short point" },
	{ T(H64 "\x03\x00\x1d\x21" H32 "x"), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.2, a long point" },
	{ T(H64 "\x03\x00\x1d\x10" H16), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.2, length and point too short" },
	{ T(H64 "\x03\x00\x17\x20" H32), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.2, X25519's length for P-256" },
	{ T(H64 P256("\2")), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.2, a compressed point" },
	{ T(H64 P384("\3")), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.2, a compressed P-384 point" },
	{ T(H64 "\x03\x00\x19\x20" H32), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.2, another curve" },
	{ T(H64 "\x01\x00\x1d\x20" H32), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.2, an explicit curve" },
	{ T(H64 "\x03\x00\x1d\x20"), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.2, no point" },
	{ T(H64 "\x03\x00\x1d"), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.2, no length" },
	{ T(H64 "\x03"), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.2, no curve" },
	{ T(H64), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.2, randoms alone" },
	{ T(H48 X25519), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "1.2, short randoms" },
	/* neither */
	{ T(""), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "nothing" },
	{ T(H32), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "a raw digest" },
	{ T(H32), KEY_RSA_PKCS1_SHA256, KEY_KIND_RSA, false, "a raw digest, RSA" },
	{ T("GET / HTTP/1.0\r\n\r\n"), KEY_ECDSA_SHA256, KEY_KIND_P256, false, "any text" },
	{ T("\x30\x82\x01\x22" H64 H64), KEY_RSA_PKCS1_SHA256, KEY_KIND_RSA, false, "a certificate to be signed" },
	{ T(H64 "\x00\x80" H64 H64 "\x00\x01\x02\x00\x80" H64), KEY_RSA_PKCS1_SHA256, KEY_KIND_RSA, false, "1.2, DHE parameters" },
};
/* clang-format on */

static void
test_texts(void)
{
	for (size_t i = 0; i < NELEM(texts); i++) {
		struct view v = { texts[i].text, texts[i].n };
		const char *why = key_text_wrong(
		    v, key_method_find(texts[i].scheme), texts[i].kind);
		ok((why == NULL) == texts[i].good, "%s: %s", texts[i].name,
		    why == NULL ? "signed" : why);
	}
	ok(key_method_find(0x0201) == NULL && key_method_find(0) == NULL &&
		key_method_find(0x0403) != NULL,
	    "SHA-1 has no scheme");
	const struct key_method *m = key_method_named(KEY_PSS, "sha2-384");
	ok(m != NULL && m->scheme == KEY_RSA_PSS_SHA384, "a digest's name");
	ok(key_method_named(KEY_ECDSA, "SHA1") == NULL &&
		key_method_named(KEY_ECDSA, "256") == NULL &&
		key_method_named(KEY_ECDSA, "MD5") == NULL,
	    "digests that are not used");
}

/* ---- files ---- */

static char err[512];
static char name_a[] = "/etc/a.crt", name_b[] = "/etc/a.key";
static const struct tls_pair names = { name_a, name_b, NULL };

static void
refused(int cert, int key, const char *want, const char *what)
{
	int fd[2] = { cert, key };

	err[0] = '\0';
	ok(!keys_load(fd, &names, 1, err, sizeof(err)) &&
		strstr(err, want) != NULL && strchr(err, '\n') == NULL,
	    "%s: %s", what, err);
}

static void
unusable(const char *kind)
{
	struct certs_pair p = certs_pair(kind);

	refused(p.fd[0], p.fd[1], "only ECDSA keys on P-256 or P-384 and RSA",
	    kind);
}

static void
test_files(void)
{
	static char big[PEM_MAX + 1];
	struct certs_pair a = certs_pair("EC:P-256"),
			  b = certs_pair("EC:P-256");
	struct certs_pair rsa = certs_pair("RSA:2048");
	char phrase[] = "sesame";
	int end[2];

	ok(keys_load(a.fd, &names, 1, err, sizeof(err)), "a pair loads");
	ok(keys_load(a.fd, &names, 1, err, sizeof(err)),
	    "and again, from the start of the files");
	refused(a.fd[0], b.fd[1],
	    "the key in /etc/a.key is not the one of the certificate in "
	    "/etc/a.crt",
	    "another key");
	refused(a.fd[0], rsa.fd[1], "is not the one of", "another kind of key");
	fchmod(a.fd[1], 0644);
	refused(a.fd[0], a.fd[1], "/etc/a.key: others can read", "no secret");
	fchmod(a.fd[1], 0660);
	refused(a.fd[0], a.fd[1], "chmod 600", "others may change it");
	fchmod(a.fd[1], 0640);
	ok(keys_load(a.fd, &names, 1, err, sizeof(err)), "a group may read it");
	refused(a.fd[0], certs_key_fd(a.key, phrase),
	    "/etc/a.key is encrypted; remove the passphrase with: openssl "
	    "pkey -in /etc/a.key",
	    "an encrypted key");
	refused(a.fd[0], a.fd[0], "/etc/a.key holds no private key",
	    "a certificate for a key");
	refused(a.fd[1], a.fd[1], "/etc/a.crt holds a private key",
	    "a key in the certificate's file");
	refused(certs_fd("hello\n", 6), a.fd[1], "holds no certificate",
	    "any text");
	refused(certs_fd("", 0), a.fd[1], "/etc/a.crt is empty", "nothing");
	refused(certs_fd(T("-----BEGIN CERTIFICATE-----\nMIIB\n"
			   "-----END CERTIFICATE-----\n")),
	    a.fd[1], "/etc/a.crt: a certificate cannot be read",
	    "a damaged certificate");
	refused(certs_fd(big, sizeof(big)), a.fd[1], "longer than", "too big");
	if (pipe2(end, O_CLOEXEC) == -1)
		abort();
	refused(end[0], a.fd[1], "not an ordinary file", "a pipe");
	unusable("RSA:1024");
	unusable("EC:P-521");
	unusable("ED25519");

	/* as `openssl ecparam -genkey` writes it */
	BIO *bio = BIO_new(BIO_s_mem());
	BIO_puts(bio, "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
		      "-----END EC PARAMETERS-----\n");
	PEM_write_bio_PrivateKey_traditional(
	    bio, a.key, NULL, NULL, 0, NULL, NULL);
	int fd[2] = { a.fd[0], certs_bio_fd(bio) };
	ok(keys_load(fd, &names, 1, err, sizeof(err)),
	    "parameters before the key");
	/* a chain */
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, a.cert);
	PEM_write_bio_X509(bio, b.cert);
	fd[0] = certs_bio_fd(bio);
	ok(keys_load(fd, &names, 1, err, sizeof(err)), "a chain");
	bio = BIO_new(BIO_s_mem());
	for (int i = 0; i < PEM_CHAIN_MAX + 2; i++)
		PEM_write_bio_X509(bio, a.cert);
	refused(certs_bio_fd(bio), a.fd[1], "too many", "a long chain");
	keys_free();
}

static void
test_expiry(void)
{
	static const struct {
		long from, until;
		const char *want;
	} cases[] = { { -10, 20 * 86400L, NULL }, { -10, -5, "has expired" },
		{ -10, 3600, "expires today or tomorrow" },
		{ -10, 3 * 86400L, "expires within a week" },
		{ -10, 13 * 86400L, "expires within 14 days" },
		{ 3600, 90 * 86400L, "is not valid yet" } };
	EVP_PKEY *key = certs_key("EC:P-256");

	for (size_t i = 0; i < NELEM(cases); i++) {
		char text[64] = "";
		X509 *x = certs_cert(key, cases[i].from, cases[i].until);
		bool warned = pem_expiry(x, time(NULL), text, sizeof(text));
		ok(warned == (cases[i].want != NULL) &&
			(!warned || strcmp(text, cases[i].want) == 0),
		    "a certificate that %s", warned ? text : "is valid");
		X509_free(x);
	}
	EVP_PKEY_free(key);
}

/* ---- the channel ---- */

enum { CHANNELS = 128 };

static int chans[CHANNELS];
static unsigned next_chan;
static pid_t role;

/* The role with these keys, and channels to it. */
static void
role_run(const int *fd, unsigned n)
{
	static const struct tls_pair two[] = { { name_a, name_b, NULL },
		{ name_a, name_b, NULL } };
	int far[CHANNELS];

	for (unsigned i = 0; i < CHANNELS; i++) {
		int end[2];
		if (channel_pair(end) == -1)
			abort();
		chans[i] = end[0];
		far[i] = end[1];
	}
	fflush(stdout);
	role = fork();
	if (role == 0) {
		int null = open("/dev/null", O_WRONLY);
		dup2(null, 2); /* refusals are logged */
		service_init();
		for (unsigned i = 0; i < CHANNELS; i++) {
			close(chans[i]);
			service_add(far[i], &key_service, NULL);
		}
		if (!keys_load(fd, two, n, err, sizeof(err)))
			_exit(1);
		service_run();
		_exit(0);
	}
	for (unsigned i = 0; i < CHANNELS; i++)
		close(far[i]);
}

static struct msg m;

/* Whether the request is answered, with a signature that verifies. */
static bool
signed_by(EVP_PKEY *pub, const struct key_method *how, struct view text)
{
	EVP_PKEY_CTX *pctx;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (!msg_call(chans[next_chan], &m, 60000)) {
		EVP_MD_CTX_free(ctx);
		return false;
	}
	enum status st = status_unpack(msg_get_u32(&m));
	struct view sig = msg_get_view(&m, KEY_SIG_MAX);
	bool good = msg_done(&m) && st == OK &&
		    EVP_DigestVerifyInit_ex(
			ctx, &pctx, how->digest, NULL, NULL, pub, NULL) == 1 &&
		    (how->padding != KEY_PSS ||
			(EVP_PKEY_CTX_set_rsa_padding(
			     pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
			    EVP_PKEY_CTX_set_rsa_pss_saltlen(
				pctx, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
		    EVP_DigestVerify(ctx, (const unsigned char *)sig.p, sig.n,
			(const unsigned char *)text.p, text.n) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

/* The channel of this question was closed, and nothing was answered. */
static bool
dropped(void)
{
	struct pollfd p = { .fd = chans[next_chan], .events = POLLIN };

	if (poll(&p, 1, 60000) != 1 || msg_recv(chans[next_chan], &m) != 0)
		return false;
	next_chan++;
	return true;
}

static void
ask(uint32_t number, uint32_t scheme, struct view text)
{
	msg_start(&m, KEY_SIGN);
	msg_put_u32(&m, number);
	msg_put_u32(&m, scheme);
	msg_put_view(&m, text);
}

static void
test_signs(const struct certs_pair *ec, const struct certs_pair *rsa)
{
	for (size_t i = 0; i < NELEM(texts); i++) {
		struct view v = { texts[i].text, texts[i].n };
		bool is_rsa = texts[i].kind == KEY_KIND_RSA;
		if (texts[i].kind != KEY_KIND_P256 && !is_rsa)
			continue;
		ask(is_rsa, texts[i].scheme, v);
		if (texts[i].good)
			ok(signed_by(is_rsa ? rsa->key : ec->key,
			       key_method_find(texts[i].scheme), v),
			    "signs: %s", texts[i].name);
		else
			ok(msg_send(chans[next_chan], &m) == 0 && dropped(),
			    "drops whoever asks for: %s", texts[i].name);
	}
}

static const char good13[] = SP64 SERVER13 "\0" H32;

static void
test_breaches(const struct certs_pair *ec)
{
	struct view good = { good13, sizeof(good13) - 1 };
	static char big[MSG_DATA_MAX];
	int end[2];

	ask(2, KEY_ECDSA_SHA256, good);
	ok(msg_send(chans[next_chan], &m) == 0 && dropped(), "no such key");
	ask(0xffffffff, KEY_ECDSA_SHA256, good);
	ok(msg_send(chans[next_chan], &m) == 0 && dropped(), "key -1");
	ask(0, 0x0203, good);
	ok(msg_send(chans[next_chan], &m) == 0 && dropped(), "no such scheme");
	ask(0, KEY_ECDSA_SHA256, good);
	msg_put_u32(&m, 0);
	ok(msg_send(chans[next_chan], &m) == 0 && dropped(),
	    "a field too many");
	ask(0, KEY_ECDSA_SHA256, good);
	m.len--;
	ok(msg_send(chans[next_chan], &m) == 0 && dropped(), "cut off");
	msg_start(&m, KEY_SIGN);
	ok(msg_send(chans[next_chan], &m) == 0 && dropped(), "no field");
	ask(0, KEY_ECDSA_SHA256, (struct view){ big, 60000 });
	ok(msg_send(chans[next_chan], &m) == 0 && dropped(), "60,000 octets");
	ask(0, KEY_ECDSA_SHA256, good);
	m.type = 2;
	ok(msg_send(chans[next_chan], &m) == 0 && dropped(), "another type");
	ask(0, KEY_ECDSA_SHA256, good);
	if (pipe2(end, O_CLOEXEC) == -1)
		abort();
	m.fd = end[0];
	ok(msg_send(chans[next_chan], &m) == 0 && dropped(), "a descriptor");
	close(end[0]);
	struct pollfd writer = { .fd = end[1] };
	ok(poll(&writer, 1, 60000) == 1 && (writer.revents & POLLERR),
	    "which does not stay open there");
	close(end[1]);
	m.fd = -1;
	ask(0, KEY_ECDSA_SHA256, good);
	ok(signed_by(ec->key, key_method_find(KEY_ECDSA_SHA256), good),
	    "others are served as before");
}

int
main(void)
{
	struct certs_pair ec = certs_pair("EC:P-256");
	struct certs_pair rsa = certs_pair("RSA:2048");
	int fd[] = { ec.fd[0], ec.fd[1], rsa.fd[0], rsa.fd[1] };
	int status;

	log_open(-1, "key");
	test_texts();
	test_files();
	test_expiry();
	role_run(fd, 2);
	test_signs(&ec, &rsa);
	test_breaches(&ec);
	ok(waitpid(role, &status, WNOHANG) == 0, "the role lives");
	kill(role, SIGKILL);
	waitpid(role, &status, 0);
	return done_testing();
}
