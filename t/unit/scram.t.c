/* SCRAM, CRAM-MD5 and APOP by the examples of their RFCs, and whatever is wrong
 * with a message. */
#define _GNU_SOURCE
#include "common/scram.h"

#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/sasl_digest.h"
#include "t/unit/scram_client.h"
#include "t/unit/tap.h"

#define GS2 "n,,"
#define BARE "n=user,r=fyko+d2lbbFgONRv9qkxdawL"
#define NONCE "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"
#define PROOF "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
#define FINAL "c=biws,r=" NONCE ",p=" PROOF

static const struct scram_bindings none;

static struct scram_keys
keys_of(enum scram_hash h, const char *pass, const char *salt, unsigned i)
{
	struct scram_keys k = { .iterations = i };

	if (!base64_decode(view_of(salt), k.salt, sizeof(k.salt), &k.salt_n) ||
	    !scram_derive(h, view_of(pass), &k))
		abort();
	return k;
}

/* ---- the examples ---- */

static void
test_examples(void)
{
	static const struct {
		const char *rfc, *first, *nonce, *salt, *challenge, *final, *v;
		enum scram_hash hash;
	} cases[] = {
		{ "RFC 5802 5", GS2 BARE, "3rfcNHYJY1ZVvWVs7j",
		    "QSXCR+Q6sek8bf92", "r=" NONCE ",s=QSXCR+Q6sek8bf92,i=4096",
		    FINAL, "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", SCRAM_SHA1 },
		{ "RFC 7677 3", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
		    "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
		    "W22ZaJ0SNY7soEsUEjb6gQ==",
		    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
		    "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		    "c=biws,"
		    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
		    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		    SCRAM_SHA256 },
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct scram s;
		struct buf out;
		enum scram_hash h = cases[i].hash;
		struct scram_keys k = keys_of(h, "pencil", cases[i].salt, 4096);

		buf_init(&out, AUTH_STEP_MAX);
		scram_start(&s, h, false, false, &none);
		ok(scram_first(&s, view_of(cases[i].first)) == AUTH_CONTINUE &&
			strcmp(s.user, "user") == 0,
		    "%s: client-first-message", cases[i].rfc);
		ok(scram_challenge(&s, k.iterations, k.salt, k.salt_n,
		       view_of(cases[i].nonce), &out) &&
			view_eqs(buf_view(&out), cases[i].challenge),
		    "server-first-message: %s", buf_cstr(&out));
		ok(scram_final(&s, view_of(cases[i].final), &k, &out) ==
			    AUTH_CONTINUE &&
			view_eqs(buf_view(&out), cases[i].v),
		    "server-final-message: %s", buf_cstr(&out));
		k.stored[3] ^= 1;
		ok(scram_final(&s, view_of(cases[i].final), &k, &out) ==
			    AUTH_NO &&
			out.n == 0,
		    "another key: no, and nothing signed");
		buf_free(&out);
	}
}

static void
test_digests(void)
{
	static const char cram[] = "<1896.697170952@postoffice.reston.mci.net>";
	static const char apop[] = "<1896.697170952@dbc.mtview.ca.us>";
	struct view right = view_of("b913a602c7eda7a495b4e6e7334d3890");
	struct view pop = view_of("c4c9334bac560ecc979e58001b3e22fb");
	char a[AUTH_STAMP_MAX + 1], b[AUTH_STAMP_MAX + 1], host[400];

	ok(cram_md5_right(view_of("tanstaaftanstaaf"), cram, right),
	    "RFC 2195 2");
	ok(!cram_md5_right(view_of("tanstaaftanstaag"), cram, right) &&
		!cram_md5_right(view_of("tanstaaftanstaaf"), apop, right) &&
		!cram_md5_right(view_of("tanstaaftanstaaf"), cram, pop),
	    "another secret, timestamp, digest");
	ok(apop_right(view_of("tanstaaf"), apop, pop), "RFC 1939 7");
	ok(!apop_right(view_of("tanstaag"), apop, pop) &&
		!apop_right(view_of("tanstaaf"), cram, pop) &&
		!apop_right(view_of("tanstaaf"), apop, right),
	    "another secret, timestamp, digest");
	ok(digest_valid(pop) && !digest_valid(view_of("")) &&
		!digest_valid(view_of("C4C9334BAC560ECC979E58001B3E22FB")) &&
		!digest_valid((struct view){ pop.p, 31 }) &&
		!digest_valid(view_of("c4c9334bac560ecc979e58001b3e22fbb")) &&
		!digest_valid(view_of("g4c9334bac560ecc979e58001b3e22fb")),
	    "32 lower-case hexadecimal digits");
	stamp_make("mail.example.org", a);
	stamp_make("mail.example.org", b);
	ok(strcmp(a, b) != 0 && a[0] == '<' && strlen(a) > 50 &&
		strstr(a, "@mail.example.org>") != NULL,
	    "timestamps: %s", a);
	memset(host, 'h', sizeof(host));
	host[sizeof(host) - 1] = '\0';
	stamp_make(host, a);
	ok(strlen(a) <= AUTH_STAMP_MAX && a[strlen(a) - 1] == '>',
	    "the longest host");
}

/* ---- client-first-message ---- */

struct first {
	const char *what, *message;
	enum auth_result want;
	const char *user;
};

static void
test_first(void)
{
	static const struct first cases[] = {
		{ "nothing", "", AUTH_BAD, NULL },
		{ "a flag", "n", AUTH_BAD, NULL },
		{ "no end of the header", "n,", AUTH_BAD, NULL },
		{ "a header", "n,,", AUTH_BAD, NULL },
		{ "no nonce", "n,,n=a", AUTH_BAD, NULL },
		{ "the wrong order", "n,,r=b,n=a", AUTH_BAD, NULL },
		{ "an empty name", "n,,n=,r=b", AUTH_BAD, NULL },
		{ "an empty nonce", "n,,n=a,r=", AUTH_BAD, NULL },
		{ "half an attribute", "n,,n,r=b", AUTH_BAD, NULL },
		{ "an unknown flag", "q,,n=a,r=b", AUTH_BAD, NULL },
		{ "a flag in upper case", "N,,n=a,r=b", AUTH_BAD, NULL },
		{ "a flag with a value", "n=x,,n=a,r=b", AUTH_BAD, NULL },
		{ "no flag", ",,n=a,r=b", AUTH_BAD, NULL },
		{ "p without a name", "p=,,n=a,r=b", AUTH_BAD, NULL },
		{ "p without anything", "p,,n=a,r=b", AUTH_BAD, NULL },
		{ "no authorization identity", "n,x,n=a,r=b", AUTH_BAD, NULL },
		{ "an empty one", "n,a=,n=a,r=b", AUTH_BAD, NULL },
		{ "a mandatory extension", "n,,m=x,n=a,r=b", AUTH_BAD, NULL },
		{ "and behind", "n,,n=a,r=b,m=x", AUTH_BAD, NULL },
		{ "an extension without a value", "n,,n=a,r=b,x=", AUTH_BAD,
		    NULL },
		{ "one that is none", "n,,n=a,r=b,1=x", AUTH_BAD, NULL },
		{ "a comma at the end", "n,,n=a,r=b,", AUTH_BAD, NULL },
		{ "an equals sign", "n,,n=a=b,r=c", AUTH_BAD, NULL },
		{ "an escape cut off", "n,,n=a=2,r=c", AUTH_BAD, NULL },
		{ "an escape at the end", "n,,n=a=,r=c", AUTH_BAD, NULL },
		{ "an escape in lower case", "n,,n=a=2c,r=c", AUTH_BAD, NULL },
		{ "a foreign escape", "n,,n=a=41,r=c", AUTH_BAD, NULL },
		{ "a blank in the nonce", "n,,n=a,r=b c", AUTH_BAD, NULL },
		{ "8 bit in the nonce", "n,,n=a,r=b\xc3\xa4", AUTH_BAD, NULL },
		{ "DEL in the nonce", "n,,n=a,r=b\x7f", AUTH_BAD, NULL },
		{ "an extension", "n,,n=a,r=b,x=y,z=1", AUTH_CONTINUE, "a" },
		{ "escapes", "n,,n==2Ca=3D=2C,r=b", AUTH_CONTINUE, ",a=," },
		{ "UTF-8", "n,,n=b\xc3\xb6,r=b", AUTH_CONTINUE, "b\xc3\xb6" },
		{ "oneself", "n,a=a=2C,n=a=2C,r=b", AUTH_CONTINUE, "a," },
		{ "somebody else", "n,a=b,n=a,r=b", AUTH_NO, "a" },
		{ "oneself in upper case", "n,a=A,n=a,r=b", AUTH_NO, "a" },
		{ "y", "y,,n=a,r=b", AUTH_CONTINUE, "a" },
		{ "p= without TLS", "p=tls-exporter,,n=a,r=b", AUTH_NO, "a" },
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		const struct first *c = &cases[i];
		struct scram s;
		scram_start(&s, SCRAM_SHA256, false, false, &none);
		enum auth_result r = scram_first(&s, view_of(c->message));
		ok(r == c->want &&
			(c->user == NULL || strcmp(s.user, c->user) == 0),
		    "%s: %s", c->what, c->message);
	}
	struct scram s;
	static const char nul[] = "n,,n=a\0b,r=c", ext[] = "n,,n=a,r=b,x=\0";
	scram_start(&s, SCRAM_SHA1, false, false, &none);
	ok(scram_first(&s, (struct view){ nul, sizeof(nul) - 1 }) == AUTH_BAD &&
		scram_first(&s, (struct view){ ext, sizeof(ext) - 1 }) ==
		    AUTH_BAD,
	    "NULs");
}

/* The longest there is, and one octet more. */
static void
test_lengths(void)
{
	struct scram s;
	struct buf b, out;
	char filler[AUTH_STEP_MAX];
	unsigned char salt[SCRAM_SALT_MAX] = { 0 };
	static const struct {
		const char *what;
		size_t user, nonce, rest;
		enum auth_result want;
	} cases[] = {
		{ "a name", AUTH_USER_MAX, 1, 0, AUTH_CONTINUE },
		{ "a name, one more", AUTH_USER_MAX + 1, 1, 0, AUTH_BAD },
		{ "a nonce", 1, SCRAM_NONCE_MAX, 0, AUTH_CONTINUE },
		{ "a nonce, one more", 1, SCRAM_NONCE_MAX + 1, 0, AUTH_BAD },
		{ "a message", 1, SCRAM_NONCE_MAX,
		    AUTH_STEP_MAX - SCRAM_NONCE_MAX - 9 - 3, AUTH_CONTINUE },
		{ "a message, one more", 1, SCRAM_NONCE_MAX,
		    AUTH_STEP_MAX - SCRAM_NONCE_MAX - 9 - 2, AUTH_BAD },
	};

	memset(filler, 'x', sizeof(filler));
	for (size_t i = 0; i < NELEM(cases); i++) {
		buf_init(&b, 2 * AUTH_STEP_MAX);
		buf_init(&out, AUTH_STEP_MAX);
		buf_adds(&b, "n,,n=");
		buf_add(&b, filler, cases[i].user);
		buf_adds(&b, ",r=");
		buf_add(&b, filler, cases[i].nonce);
		if (cases[i].rest > 0) {
			buf_adds(&b, ",x=");
			buf_add(&b, filler, cases[i].rest);
		}
		scram_start(&s, SCRAM_SHA1, false, false, &none);
		enum auth_result r = scram_first(&s, buf_view(&b));
		ok(r == cases[i].want, "%s: %zu octets", cases[i].what, b.n);
		if (r == AUTH_CONTINUE)
			ok(scram_challenge(&s, SCRAM_ITERATIONS_MAX, salt,
			       sizeof(salt), (struct view){ filler, 64 }, &out),
			    "and the longest challenge");
		buf_free(&b);
		buf_free(&out);
	}
}

/* ---- channel binding ---- */

static void
test_flags(void)
{
	static const struct scram_bindings both = { "exporter", "end-point", 8,
		9 };
	static const struct scram_bindings end = { "", "end-point", 0, 9 };
	static const struct {
		const char *what, *flag;
		const struct scram_bindings *b;
		bool plus, offered;
		enum auth_result want;
		const char *data;
	} cases[] = {
		{ "no binding", "n", &none, false, false, AUTH_CONTINUE, "" },
		{ "none though offered", "n", &both, false, true, AUTH_CONTINUE,
		    "" },
		{ "none with -PLUS", "n", &both, true, true, AUTH_NO, "" },
		{ "downgrade", "y", &both, false, true, AUTH_NO, "" },
		{ "y where it is not offered", "y", &both, false, false,
		    AUTH_CONTINUE, "" },
		{ "y with -PLUS", "y", &both, true, true, AUTH_NO, "" },
		{ "exporter", "p=tls-exporter", &both, true, true,
		    AUTH_CONTINUE, "exporter" },
		{ "end point", "p=tls-server-end-point", &both, true, true,
		    AUTH_CONTINUE, "end-point" },
		{ "no exporter", "p=tls-exporter", &end, true, true, AUTH_NO,
		    "" },
		{ "not offered", "p=tls-unique", &both, true, true, AUTH_NO,
		    "" },
		{ "the name in another case", "p=TLS-exporter", &both, true,
		    true, AUTH_NO, "" },
		{ "without -PLUS", "p=tls-exporter", &both, false, true,
		    AUTH_NO, NULL },
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct scram s;
		char message[64];
		(void)snprintf(
		    message, sizeof(message), "%s,,n=a,r=b", cases[i].flag);
		scram_start(&s, SCRAM_SHA256, cases[i].plus, cases[i].offered,
		    cases[i].b);
		ok(scram_first(&s, view_of(message)) == cases[i].want &&
			(cases[i].data == NULL ||
			    view_eqs(s.binding, cases[i].data)),
		    "%s", cases[i].what);
	}
}

/* ---- client-final-message ---- */

static void
test_final(void)
{
	static const struct {
		const char *what, *message;
		enum auth_result want;
	} cases[] = {
		{ "right", FINAL, AUTH_CONTINUE },
		{ "nothing", "", AUTH_BAD },
		{ "a comma", ",", AUTH_BAD },
		{ "only the binding", "c=biws", AUTH_BAD },
		{ "no proof", "c=biws,r=" NONCE, AUTH_BAD },
		{ "an empty proof", "c=biws,r=" NONCE ",p=", AUTH_BAD },
		{ "the wrong order", "r=" NONCE ",c=biws,p=" PROOF, AUTH_BAD },
		{ "something behind the proof", FINAL ",x=y", AUTH_BAD },
		{ "a comma behind the proof", FINAL ",", AUTH_BAD },
		{ "a proof that is too short",
		    "c=biws,r=" NONCE ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Q==",
		    AUTH_BAD },
		{ "one that is too long", "c=biws,r=" NONCE ",p=" PROOF "AAAA",
		    AUTH_BAD },
		{ "one that is no base64",
		    "c=biws,r=" NONCE ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts",
		    AUTH_BAD },
		{ "stray bits under its padding",
		    "c=biws,r=" NONCE ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Tt=",
		    AUTH_BAD },
		{ "a mandatory extension", "c=biws,r=" NONCE ",m=x,p=" PROOF,
		    AUTH_BAD },
		{ "half an extension", "c=biws,r=" NONCE ",x,p=" PROOF,
		    AUTH_BAD },
		{ "an empty one", "c=biws,r=" NONCE ",,p=" PROOF, AUTH_BAD },
		{ "an extension that was not signed",
		    "c=biws,r=" NONCE ",x=y,p=" PROOF, AUTH_NO },
		{ "another header", "c=eSws,r=" NONCE ",p=" PROOF, AUTH_NO },
		{ "data behind the header", "c=biwsAA==,r=" NONCE ",p=" PROOF,
		    AUTH_NO },
		{ "no header", "c=,r=" NONCE ",p=" PROOF, AUTH_NO },
		{ "the client's nonce alone",
		    "c=biws,r=fyko+d2lbbFgONRv9qkxdawL,p=" PROOF, AUTH_NO },
		{ "another nonce", "c=biws,r=x" NONCE ",p=" PROOF, AUTH_NO },
		{ "more nonce", "c=biws,r=" NONCE "x,p=" PROOF, AUTH_NO },
		{ "another proof",
		    "c=biws,r=" NONCE ",p=w0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
		    AUTH_NO },
	};
	struct scram_keys k =
	    keys_of(SCRAM_SHA1, "pencil", "QSXCR+Q6sek8bf92", 4096);

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct scram s;
		struct buf out;
		buf_init(&out, AUTH_STEP_MAX);
		scram_start(&s, SCRAM_SHA1, false, false, &none);
		bool begun =
		    scram_first(&s, view_of(GS2 BARE)) == AUTH_CONTINUE &&
		    scram_challenge(&s, 4096, k.salt, k.salt_n,
			view_of("3rfcNHYJY1ZVvWVs7j"), &out);
		enum auth_result r =
		    scram_final(&s, view_of(cases[i].message), &k, &out);
		ok(begun && r == cases[i].want &&
			(out.n > 0) == (r == AUTH_CONTINUE),
		    "final: %s", cases[i].what);
		buf_free(&out);
	}
}

/* What is wrong although the proof is right. */
static void
test_signed(void)
{
	static const struct {
		const char *what, *before;
		enum auth_result want;
	} cases[] = {
		{ "right", "c=biws,r=" NONCE, AUTH_CONTINUE },
		{ "an extension", "c=biws,r=" NONCE ",x=y,z=, =", AUTH_BAD },
		{ "extensions", "c=biws,r=" NONCE ",x=y,z=1=2", AUTH_CONTINUE },
		{ "another header", "c=eSws,r=" NONCE, AUTH_NO },
		{ "a binding nobody asked for", "c=biwseA==,r=" NONCE,
		    AUTH_NO },
		{ "no header", "c=,r=" NONCE, AUTH_NO },
		{ "a header without padding", "c=biws=,r=" NONCE, AUTH_NO },
		{ "the client's nonce alone",
		    "c=biws,r=fyko+d2lbbFgONRv9qkxdawL", AUTH_NO },
		{ "another nonce", "c=biws,r=fyko+d2lbbFgONRv9qkxdawLx",
		    AUTH_NO },
		{ "a nonce cut short",
		    "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7",
		    AUTH_NO },
		{ "more nonce", "c=biws,r=" NONCE "x", AUTH_NO },
	};
	struct scram_keys k =
	    keys_of(SCRAM_SHA1, "pencil", "QSXCR+Q6sek8bf92", 4096);

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct scram s;
		struct buf out;
		char message[512];
		buf_init(&out, AUTH_STEP_MAX);
		scram_start(&s, SCRAM_SHA1, false, false, &none);
		scram_first(&s, view_of(GS2 BARE));
		scram_challenge(&s, 4096, k.salt, k.salt_n,
		    view_of("3rfcNHYJY1ZVvWVs7j"), &out);
		scram_sign(SCRAM_SHA1, "pencil", BARE, buf_cstr(&out),
		    cases[i].before, message, sizeof(message));
		enum auth_result r =
		    scram_final(&s, view_of(message), &k, &out);
		ok(r == cases[i].want, "a right proof for %s", cases[i].what);
		buf_free(&out);
	}
}

int
main(void)
{
	test_signed();
	test_examples();
	test_digests();
	test_first();
	test_lengths();
	test_flags();
	test_final();
	return done_testing();
}
