/* Logging in to another server, against our own server's side of SCRAM. */
#include "common/sasl_client.h"

#include <string.h>

#include "common/sasl_digest.h"
#include "t/unit/tap.h"

static const char nonce[] = "0123456789abcdef0123456789abcdef";

static void
test_choose(void)
{
	ok(sasl_client_choose(view_of("PLAIN SCRAM-SHA-1 CRAM-MD5"), true) ==
		SASL_SCRAM_SHA_1,
	    "the best one");
	ok(sasl_client_choose(view_of("login plain"), true) == SASL_PLAIN,
	    "in any case");
	ok(sasl_client_choose(view_of("PLAIN LOGIN"), false) == SASL__N,
	    "none that shows the password");
	ok(sasl_client_choose(view_of("SCRAM-SHA-256-PLUS GSSAPI"), true) ==
		SASL__N,
	    "none that is not known");
}

static void
test_scram(enum sasl_id id, enum scram_hash h, const char *pass, bool good)
{
	static struct scram s;
	struct scram_bindings none = { .exporter_n = 0 };
	struct scram_keys keys = {
		.iterations = 4096, .salt_n = 4, .salt = { 1, 2, 3, 4 }
	};
	struct sasl_client c;
	struct buf out, in;

	buf_init(&out, 4096);
	buf_init(&in, 4096);
	scram_derive(h, view_of("pencil"), &keys);
	scram_start(&s, h, false, false, &none);
	sasl_client_start(&c, id, "us,er", pass, nonce);
	bool fine = sasl_client_initial(&c, &out) &&
		    scram_first(&s, buf_view(&out)) == AUTH_CONTINUE &&
		    strcmp(s.user, "us,er") == 0 &&
		    scram_challenge(&s, keys.iterations, keys.salt, keys.salt_n,
			view_of("server"), &in);
	buf_clear(&out);
	fine = fine && sasl_client_step(&c, buf_view(&in), &out);
	buf_clear(&in);
	enum auth_result r = scram_final(&s, buf_view(&out), &keys, &in);
	ok(fine && r == (good ? AUTH_CONTINUE : AUTH_NO), "%s with %s",
	    sasl_mechs[id].name, good ? "the password" : "another one");
	ok(!sasl_client_done(&c), "nothing is proved yet");
	if (good) {
		buf_clear(&out);
		ok(sasl_client_step(&c, buf_view(&in), &out) && out.n == 0 &&
			sasl_client_done(&c),
		    "the server has proved itself");
	}
	buf_free(&out);
	buf_free(&in);
	sasl_client_wipe(&c);
}

/* Challenges of a server that wants something else. */
static void
test_hostile(void)
{
	static const char *const bad[] = { "", "r=", "x",
		"r=other,s=AQIDBA==,i=4096",
		"r=1123456789abcdef0123456789abcdefx,s=AQIDBA==,i=4096",
		"r=0123456789abcdef0123456789abcdef,s=AQIDBA==,i=4096",
		"r=0123456789abcdef0123456789abcdefx,s=AQIDBA==,i=1",
		"r=0123456789abcdef0123456789abcdefx,s=AQIDBA==,i=99999999",
		"r=0123456789abcdef0123456789abcdefx,s=%,i=4096",
		"m=x,r=0123456789abcdef0123456789abcdefx,s=AQIDBA==,i=4096" };
	struct sasl_client c;
	struct buf out;

	buf_init(&out, 4096);
	for (size_t i = 0; i < NELEM(bad); i++) {
		sasl_client_start(
		    &c, SASL_SCRAM_SHA_256, "user", "pencil", nonce);
		sasl_client_initial(&c, &out);
		buf_clear(&out);
		ok(!sasl_client_step(&c, view_of(bad[i]), &out) &&
			!sasl_client_done(&c),
		    "SCRAM refuses \"%s\"", bad[i]);
		buf_clear(&out);
	}
	sasl_client_start(&c, SASL_SCRAM_SHA_256, "user", "pencil", nonce);
	sasl_client_initial(&c, &out);
	buf_clear(&out);
	sasl_client_step(&c,
	    view_of("r=0123456789abcdef0123456789abcdefx,s=AQIDBA==,i=4096"),
	    &out);
	ok(!sasl_client_step(&c, view_of("v=AAAA"), &out) &&
		!sasl_client_done(&c),
	    "and a server that does not know the password");
	sasl_client_start(&c, SASL_LOGIN, "user", "pencil", nonce);
	bool two = sasl_client_step(&c, view_of("x"), &out) &&
		   sasl_client_step(&c, view_of("x"), &out);
	ok(two && !sasl_client_step(&c, view_of("x"), &out),
	    "LOGIN has two steps");
	buf_free(&out);
}

static void
test_cram(void)
{
	struct sasl_client c;
	struct buf out;

	buf_init(&out, 4096);
	/* RFC 2195 2 */
	sasl_client_start(&c, SASL_CRAM_MD5, "tim", "tanstaaftanstaaf", nonce);
	ok(sasl_client_step(&c,
	       view_of("<1896.697170952@postoffice.reston.mci.net>"), &out) &&
		view_eqs(
		    buf_view(&out), "tim b913a602c7eda7a495b4e6e7334d3890"),
	    "CRAM-MD5: the example of its RFC");
	buf_free(&out);
}

int
main(void)
{
	test_choose();
	test_scram(SASL_SCRAM_SHA_256, SCRAM_SHA256, "pencil", true);
	test_scram(SASL_SCRAM_SHA_256, SCRAM_SHA256, "pen", false);
	test_scram(SASL_SCRAM_SHA_1, SCRAM_SHA1, "pencil", true);
	test_hostile();
	test_cram();
	return done_testing();
}
