/* Base64 and the SASL mechanisms. */
#include "common/sasl.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base64.h"
#include "t/unit/tap.h"

static bool fake_tls = true;

bool
conn_is_tls(const struct conn *c)
{
	(void)c;
	return fake_tls;
}

enum auth_result
ask_auth_password(const struct auth_client *c, struct view user,
    struct view pass, const char *mechanism, char *user_out,
    size_t user_out_size, int *right)
{
	(void)c;
	(void)user;
	(void)pass;
	(void)mechanism;
	(void)user_out_size;
	*right = -1;
	user_out[0] = '\0';
	return AUTH_NO;
}

#define FAKE_RIGHT dup(2)
#include "t/unit/fake_exchange.h"

static struct settings settings = { .secrets = (char[]){ "" },
	.tls_client_ca = (char[]){ "" },
	.sasl_mechanisms = (1u << SASL__N) - 1 };
static struct listener listener;
static struct worker worker = { .settings = &settings, .listener = &listener };

enum { LONGEST = 1024 };

/* Beside OpenSSL, in memory of exactly the size that is needed, so that the
 * address sanitizer sees an octet too many. */
static void
test_base64_lengths(void)
{
	unsigned good = 0, tight = 0, shorter = 0;

	for (size_t n = 0; n <= LONGEST; n++) {
		unsigned char *raw = malloc(n + (n == 0));
		unsigned char *back = malloc(n + (n == 0));
		unsigned char want[BASE64_LEN(LONGEST) + 1];
		char *text = malloc(BASE64_LEN(n) + 1);
		size_t got;

		for (size_t i = 0; i < n; i++)
			raw[i] = (unsigned char)(i * 7 + n);
		EVP_EncodeBlock(want, raw, (int)n);
		struct view in = { (const char *)raw, n };
		bool same = base64_encode(in, text, BASE64_LEN(n) + 1) &&
			    strcmp(text, (const char *)want) == 0;
		good += same && base64_decode(view_of(text), back, n, &got) &&
			got == n && memcmp(back, raw, n) == 0;
		shorter += n == 0 ||
			   (!base64_decode(view_of(text), back, n - 1, &got) &&
			       got == 0);
		tight += !base64_encode(in, text, BASE64_LEN(n)) &&
			 (n == 0 || text[0] == '\0');
		free(raw);
		free(back);
		free(text);
	}
	ok(good == LONGEST + 1, "lengths 0 to %d as OpenSSL does", LONGEST);
	ok(shorter == LONGEST + 1, "decoding: one octet too little room");
	ok(tight == LONGEST + 1, "encoding: one octet too little room");
}

static void
test_base64_strict(void)
{
	static const char *const bad[] = { "A", "AA", "AAA", "A===", "AA==A",
		"AA==AAAA", "AA=A", "=AAA", "====", "==", "AAAA=", "AAA*",
		"AAA ", " AAA", "AAA\n", "AAAA\r\n", "AA A", "AA-_", "AAA\xc3",
		"AB==", "AAB=", "A\x80==", "AA=\x01" };
	unsigned refused = 0;
	char out[16];
	size_t n;

	for (size_t i = 0; i < NELEM(bad); i++) {
		bool no = !base64_decode(view_of(bad[i]), out, sizeof(out), &n);
		refused += no && n == 0;
		if (!no)
			printf("# accepted: %s\n", bad[i]);
	}
	ok(refused == NELEM(bad), "%u bad spellings are refused", refused);
	ok(!base64_decode((struct view){ "AA\0A", 4 }, out, sizeof(out), &n),
	    "a NUL is refused");
	/* Every octet but the 64 and nothing else. */
	unsigned taken = 0;
	for (int c = 0; c < 256; c++) {
		char four[4] = { 'A', (char)c, 'A', 'A' };
		taken += base64_decode(
		    (struct view){ four, 4 }, out, sizeof(out), &n);
	}
	ok(taken == 64, "64 characters are taken: %u", taken);
}

/* One line: "i:" an initial response, "s:" a line; what must come. */
struct line {
	const char *in;
	enum sasl_result want;
	const char *challenge;
};

static struct view
line_of(const char *in, char *b64, size_t size)
{
	/* "raw:" is sent as it is, all else is encoded; "\1" stands for NUL. */
	char plain[4096];
	size_t n = strlen(in);

	if (strncmp(in, "raw:", 4) == 0)
		return view_of(in + 4);
	for (size_t i = 0; i < n; i++)
		plain[i] = in[i] == '\1' ? '\0' : in[i];
	if (!base64_encode((struct view){ plain, n }, b64, size))
		abort();
	return view_of(b64);
}

static void
talk(const char *what, const char *mech, const struct line *l, unsigned n,
    const char *user, const char *pass)
{
	struct sasl s;
	struct buf challenge;
	bool good = sasl_start(&s, &worker, view_of(mech));

	buf_init(&challenge, 200);
	buf_adds(&challenge, "left over");
	for (unsigned i = 0; i < n && good; i++) {
		char b64[8192];
		struct view v = line_of(l[i].in, b64, sizeof(b64));
		enum sasl_result r = i == 0 ? sasl_initial(&s, v, &challenge)
					    : sasl_step(&s, v, &challenge);
		good = r == l[i].want &&
		       (r != SASL_CONTINUE ||
			   view_eqs(buf_view(&challenge), l[i].challenge));
		if (!good)
			printf("# line %u: %d, %s\n", i, (int)r,
			    buf_cstr(&challenge));
	}
	if (user != NULL)
		good = good && strcmp(s.user, user) == 0 &&
		       strcmp(s.pass, pass) == 0;
	ok(good, "%s: %s", mech, what);
	sasl_wipe(&s);
	struct sasl empty;
	memset(&empty, 0, sizeof(empty));
	if (memcmp(&s, &empty, sizeof(s)) != 0)
		ok(false, "%s: wiped", what);
	buf_free(&challenge);
}

#define TALK(what, mech, user, pass, ...)                                      \
	talk(what, mech, (const struct line[]){ __VA_ARGS__ },                 \
	    NELEM(((const struct line[]){ __VA_ARGS__ })), user, pass)

static void
test_plain(void)
{
	TALK("initial response", "PLAIN", "bob", "secret",
	    { "\1bob\1secret", SASL_CHECK, NULL });
	TALK("in two steps", "plain", "bob", "secret",
	    { "raw:", SASL_CONTINUE, "" },
	    { "\1bob\1secret", SASL_CHECK, NULL });
	TALK("equal identities", "PLAIN", "bob", "x",
	    { "bob\1bob\1x", SASL_CHECK, NULL });
	TALK("somebody else's identity", "PLAIN", "bob", "",
	    { "alice\1bob\1x", SASL_CHECK, NULL });
	TALK("an identity that begins alike", "PLAIN", "bob", "",
	    { "bo\1bob\1x", SASL_CHECK, NULL });
	TALK("no NUL", "PLAIN", NULL, NULL, { "bob", SASL_BAD, NULL });
	TALK("one NUL", "PLAIN", NULL, NULL, { "bob\1secret", SASL_BAD, NULL });
	TALK("three NULs", "PLAIN", NULL, NULL,
	    { "\1bob\1sec\1ret", SASL_BAD, NULL });
	TALK("a NUL at the end", "PLAIN", NULL, NULL,
	    { "\1bob\1secret\1", SASL_BAD, NULL });
	TALK("no user", "PLAIN", NULL, NULL, { "\1\1x", SASL_BAD, NULL });
	TALK(
	    "no password", "PLAIN", "bob", "", { "\1bob\1", SASL_CHECK, NULL });
	TALK("empty initial response", "PLAIN", NULL, NULL,
	    { "raw:=", SASL_BAD, NULL });
	TALK("an empty line", "PLAIN", NULL, NULL,
	    { "raw:", SASL_CONTINUE, "" }, { "raw:", SASL_BAD, NULL });
	TALK("'=' as a line", "PLAIN", NULL, NULL,
	    { "raw:", SASL_CONTINUE, "" }, { "raw:=", SASL_BAD, NULL });
	TALK("cancelled", "PLAIN", NULL, NULL, { "raw:", SASL_CONTINUE, "" },
	    { "raw:*", SASL_CANCEL, NULL });
	TALK("'*' as initial response", "PLAIN", NULL, NULL,
	    { "raw:*", SASL_BAD, NULL });
	TALK(
	    "not base64", "PLAIN", NULL, NULL, { "raw:AGJv!", SASL_BAD, NULL });
	TALK("UTF-8", "PLAIN",
	    "b\xc3\xb6"
	    "b",
	    "\xe2\x82\xac",
	    { "\1b\xc3\xb6"
	      "b\1\xe2\x82\xac",
		SASL_CHECK, NULL });
}

static void
test_limits(void)
{
	char in[AUTH_USER_MAX * 2 + AUTH_PASS_MAX + 16];
	char user[AUTH_USER_MAX + 2], pass[AUTH_PASS_MAX + 2];

	memset(user, 'u', sizeof(user));
	memset(pass, 'p', sizeof(pass));
	user[AUTH_USER_MAX] = pass[AUTH_PASS_MAX] = '\0';
	(void)snprintf(in, sizeof(in), "%s\1%s\1%s", user, user, pass);
	TALK("the longest of everything", "PLAIN", user, pass,
	    { in, SASL_CHECK, NULL });
	(void)snprintf(in, sizeof(in), "\1%s\1%sp", user, pass);
	TALK("a password of one octet too many", "PLAIN", NULL, NULL,
	    { in, SASL_BAD, NULL });
	(void)snprintf(in, sizeof(in), "\1%su\1x", user);
	TALK("a user of one octet too many", "PLAIN", NULL, NULL,
	    { in, SASL_BAD, NULL });
	(void)snprintf(in, sizeof(in), "%s\1%s\1%sp", user, user, pass);
	TALK("one octet more than a message can have", "PLAIN", NULL, NULL,
	    { in, SASL_BAD, NULL });
	TALK("the longest of everything", "LOGIN", user, pass,
	    { user, SASL_CONTINUE, "UGFzc3dvcmQ6" },
	    { pass, SASL_CHECK, NULL });
	(void)snprintf(in, sizeof(in), "%su", user);
	TALK("a user of one octet too many", "LOGIN", NULL, NULL,
	    { in, SASL_BAD, NULL });
	(void)snprintf(in, sizeof(in), "%sp", pass);
	TALK("a password of one octet too many", "LOGIN", NULL, NULL,
	    { "bob", SASL_CONTINUE, "UGFzc3dvcmQ6" }, { in, SASL_BAD, NULL });
}

static void
test_login(void)
{
	TALK("user and password", "LOGIN", "bob", "secret",
	    { "raw:", SASL_CONTINUE, "VXNlcm5hbWU6" },
	    { "bob", SASL_CONTINUE, "UGFzc3dvcmQ6" },
	    { "secret", SASL_CHECK, NULL });
	TALK("user as initial response", "login", "bob", "secret",
	    { "bob", SASL_CONTINUE, "UGFzc3dvcmQ6" },
	    { "secret", SASL_CHECK, NULL });
	TALK("cancelled at the user", "LOGIN", NULL, NULL,
	    { "raw:", SASL_CONTINUE, "VXNlcm5hbWU6" },
	    { "raw:*", SASL_CANCEL, NULL });
	TALK("cancelled at the password", "LOGIN", NULL, NULL,
	    { "bob", SASL_CONTINUE, "UGFzc3dvcmQ6" },
	    { "raw:*", SASL_CANCEL, NULL });
	TALK("empty initial response", "LOGIN", NULL, NULL,
	    { "raw:=", SASL_BAD, NULL });
	TALK("no user", "LOGIN", NULL, NULL,
	    { "raw:", SASL_CONTINUE, "VXNlcm5hbWU6" },
	    { "raw:", SASL_BAD, NULL });
	TALK("no password", "LOGIN", "bob", "",
	    { "bob", SASL_CONTINUE, "UGFzc3dvcmQ6" },
	    { "raw:", SASL_CHECK, NULL });
	TALK("a NUL in the user", "LOGIN", NULL, NULL,
	    { "bob\1", SASL_BAD, NULL });
	TALK("a NUL before the user", "LOGIN", NULL, NULL,
	    { "\1bob", SASL_BAD, NULL });
	TALK("a NUL in the password", "LOGIN", NULL, NULL,
	    { "bob", SASL_CONTINUE, "UGFzc3dvcmQ6" },
	    { "sec\1ret", SASL_BAD, NULL });
	TALK("password in plain text", "LOGIN", NULL, NULL,
	    { "bob", SASL_CONTINUE, "UGFzc3dvcmQ6" },
	    { "raw:secret", SASL_BAD, NULL });
}

/* What is offered: all of want, whatever the flags are, and nothing else. */
static void
offers(const char *what, const char *want)
{
	struct buf b;
	unsigned ready = 0;
	bool right = true;

	buf_init(&b, 200);
	sasl_names(&worker, &b);
	struct view rest = view_of(want);
	while (rest.n > 0) {
		struct sasl s;
		right = sasl_start(&s, &worker, view_token(&rest)) && right;
		ready++;
	}
	for (unsigned i = 0; i < SASL__N; i++) {
		struct sasl s;
		bool shows = (sasl_mechs[i].flags & SASL_CLEARTEXT) != 0;
		ready -= sasl_start(&s, &worker, view_of(sasl_mechs[i].name)) &&
			 (!shows || fake_tls || listener.plaintext_auth);
	}
	ok(view_eqs(buf_view(&b), want) && right && ready == 0 &&
		sasl_offered(&worker) == (want[0] != '\0'),
	    "offered %s: %s", what, buf_cstr(&b));
	buf_free(&b);
}

static void
test_names(void)
{
	static char none[] = "", file[] = "file";
	struct sasl s;

	fake_tls = true;
	offers("under TLS", "PLAIN LOGIN");
	fake_tls = false;
	offers("without TLS", "");
	listener.plaintext_auth = true;
	offers("where the listener allows it", "PLAIN LOGIN");
	listener.plaintext_auth = false;
	settings.secrets = file;
	offers(
	    "without TLS, with secrets", "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5");
	fake_tls = true;
	offers("under TLS without a binding",
	    "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN");
	fake_channel.end_point_n = 32;
	offers("under TLS with a binding",
	    "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 "
	    "CRAM-MD5 PLAIN LOGIN");
	settings.secrets = none;
	strcpy(fake_channel.name, "alice");
	offers("with a certificate that is not asked for", "PLAIN LOGIN");
	settings.tls_client_ca = file;
	offers("with a certificate", "EXTERNAL PLAIN LOGIN");
	settings.sasl_mechanisms = 1u << SASL_LOGIN | 1u << SASL_CRAM_MD5;
	offers("as far as configured", "LOGIN");
	settings.sasl_mechanisms = (1u << SASL__N) - 1;
	memset(&fake_channel, 0, sizeof(fake_channel));
	offers("without a certificate", "PLAIN LOGIN");
	settings.tls_client_ca = none;
	ok(!sasl_start(&s, &worker, view_of("CRAM-MD5")) &&
		!sasl_start(&s, &worker, view_of("")) &&
		!sasl_start(&s, &worker, view_of("PLAINER")) &&
		!sasl_start(&s, &worker, view_of("PLAI")),
	    "others are not known");
	ok(sasl_start(&s, &worker, view_of("pLaIn")) && sasl_cleartext(&s) &&
		strcmp(s.mech->name, "PLAIN") == 0,
	    "case does not matter; PLAIN shows the password");
}

/* What auth carries out: messages go through as they are. */
static void
test_relayed(void)
{
	static char file[] = "file";

	settings.secrets = file;
	fake_tls = true;
	fake_channel.end_point_n = 48;
	fake_channel.exporter_n = 32;
	TALK("in two steps", "SCRAM-SHA-256-PLUS", "bob", "",
	    { "raw:", SASL_CONTINUE, "" },
	    { "more", SASL_CONTINUE, "Z28gb24=" },
	    { "good bob", SASL_CHECK, NULL });
	ok(strcmp(fake_exchange_said, "SCRAM-SHA-256-PLUS 32 48 ") == 0,
	    "with the channel bindings: %s", fake_exchange_said);
	TALK("initial response", "scram-sha-1", NULL, NULL,
	    { "more", SASL_CONTINUE, "Z28gb24=" },
	    { "raw:", SASL_CHECK, NULL });
	TALK("bad", "SCRAM-SHA-1", NULL, NULL, { "bad", SASL_BAD, NULL });
	TALK("no base64", "SCRAM-SHA-1", NULL, NULL,
	    { "raw:x", SASL_BAD, NULL });
	TALK("cancelled", "SCRAM-SHA-1", NULL, NULL,
	    { "more", SASL_CONTINUE, "Z28gb24=" },
	    { "raw:*", SASL_CANCEL, NULL });
	TALK("the server begins", "CRAM-MD5", "bob", "",
	    { "raw:", SASL_CONTINUE, "PHN0YW1wPg==" },
	    { "good bob", SASL_CHECK, NULL });
	TALK("no initial response", "CRAM-MD5", NULL, NULL,
	    { "good bob", SASL_UNASKED, NULL });
	TALK("not even an empty one", "CRAM-MD5", NULL, NULL,
	    { "raw:=", SASL_UNASKED, NULL });
	struct sasl s;
	struct buf b;
	char name[AUTH_USER_MAX + 1];
	int right;
	buf_init(&b, 200);
	bool good =
	    sasl_start(&s, &worker, view_of("SCRAM-SHA-1")) &&
	    sasl_initial(&s, view_of("Z29vZCBib2I="), &b) == SASL_CHECK &&
	    sasl_ask(&s, name, sizeof(name), &right) == AUTH_YES &&
	    strcmp(name, "bob") == 0 && right != -1 && s.right == -1;
	close(right);
	ok(good, "the right is handed on");
	good = sasl_start(&s, &worker, view_of("SCRAM-SHA-1")) &&
	       sasl_initial(&s, view_of("Z29vZCBib2I="), &b) == SASL_CHECK;
	int fd = s.right;
	sasl_wipe(&s);
	ok(good && fcntl(fd, F_GETFD) == -1, "or closed");
	buf_free(&b);
}

int
main(void)
{
	test_base64_lengths();
	test_base64_strict();
	test_plain();
	test_login();
	test_limits();
	test_names();
	test_relayed();
	return done_testing();
}
