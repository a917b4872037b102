/* The secrets file: its lines, its changes, and what those get who are not in
 * it. */
#define _GNU_SOURCE
#include "common/secrets.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base64.h"
#include "t/unit/tap.h"

/* RFC 5802 5 and RFC 7677 3: the password is "pencil". */
#define SHA1_LINE                                                              \
	"{SCRAM-SHA-1}4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,"     \
	"D+CSWLOshSulAsxiupA+qs2/fTE="
#define SHA256_LINE                                                            \
	"{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,"                        \
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"                        \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static char dir[] = "/tmp/secrets.XXXXXX";
static char path[64];
static struct settings settings = { .secrets = path };

static void
put(const char *text)
{
	char tmp[80];

	(void)snprintf(tmp, sizeof(tmp), "%s.new", path);
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd == -1 || write(fd, text, strlen(text)) == -1 ||
	    rename(tmp, path) == -1)
		abort();
	close(fd);
}

static struct secrets *
opened(const char *text)
{
	char *err = NULL;

	put(text);
	struct secrets *s = secrets_open(&settings, &err);
	if (s == NULL)
		printf("# %s\n", err);
	free(err);
	return s;
}

static void
test_errors(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "alice", ":1: not name:" },
		{ "alice:secret", ":1: not name:" },
		{ "alice:{PLAIN", ":1: not name:" },
		{ "# x\n\n:{PLAIN}x\n", ":3: no name for a user" },
		{ "-x:{PLAIN}x\n", ":1: no name for a user" },
		{ "a b:{PLAIN}x\n", ":1: no name for a user" },
		{ "alice:{}x\n", ":1: form {} is not supported" },
		{ "alice:{CRYPT}x\n", ":1: form {CRYPT} is not supported" },
		{ "alice:{PLAIN}\n", ":1: a secret has 1 to 1024 octets" },
		{ "alice:{PLAIN} x\n", ":1: the secret begins or ends" },
		{ "alice:{PLAIN}x \r\n", ":1: the secret begins or ends" },
		{ "alice:{PLAIN}a\tb\n", ":1: control character" },
		{ "alice:{PLAIN}a\n\nAlice:{CLEARTEXT}b\n",
		    ":3: user 'alice' has such a line already, first 1" },
		{ "a:" SHA1_LINE "\na:{PLAIN}x\na:" SHA1_LINE "\n",
		    ":3: user 'a' has such a line already, first 1" },
		{ "a:{SCRAM-SHA-1}\n", ":1: not {SCRAM-SHA-1}iterations" },
		{ "a:{SCRAM-SHA-1}4095,QSXC,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,"
		  "D+CSWLOshSulAsxiupA+qs2/fTE=\n",
		    ":1: not {SCRAM-SHA-1}iterations" },
		{ "a:{SCRAM-SHA-1}1000001,QSXC,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,"
		  "D+CSWLOshSulAsxiupA+qs2/fTE=\n",
		    ":1: not {SCRAM-SHA-1}iterations" },
		{ "a:{SCRAM-SHA-1}4096,,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,"
		  "D+CSWLOshSulAsxiupA+qs2/fTE=\n",
		    ":1: not {SCRAM-SHA-1}iterations" },
		{ "a:{SCRAM-SHA-1}4096,QSX,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,"
		  "D+CSWLOshSulAsxiupA+qs2/fTE=\n",
		    ":1: not {SCRAM-SHA-1}iterations" },
		{ "a:" SHA1_LINE ",\n", ":1: not {SCRAM-SHA-1}iterations" },
		{ "a:" SHA1_LINE ",AAAA\n", ":1: not {SCRAM-SHA-1}iterations" },
		{ "a:{SCRAM-SHA-1}4096,QSXC,6dlGYMOdZcOPutkcNY8U2g7vK9Y=\n",
		    ":1: not {SCRAM-SHA-1}iterations" },
		{ "a:{SCRAM-SHA-256}4096,QSXC,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,"
		  "D+CSWLOshSulAsxiupA+qs2/fTE=\n",
		    ":1: not {SCRAM-SHA-256}iterations" },
		{ "*:{PLAIN}fifteen octets.\n", ":1: of '*' there is only" },
		{ "*:" SHA1_LINE "\n", ":1: of '*' there is only" },
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		char *err = NULL, want[160];
		put(cases[i].text);
		struct secrets *s = secrets_open(&settings, &err);
		(void)snprintf(want, sizeof(want), "%s%s", path, cases[i].want);
		if (!ok(s == NULL && err != NULL &&
			    strncmp(err, want, strlen(want)) == 0,
			"refused: %s", cases[i].want))
			printf("# %s\n", err == NULL ? "taken" : err);
		secrets_free(s);
		free(err);
	}
	char *err = NULL;
	put("a:{PLAIN}x\n");
	chmod(path, 0604);
	ok(secrets_open(&settings, &err) == NULL &&
		strstr(err, "others can read the secrets file") != NULL,
	    "others can read it");
	free(err);
	unlink(path);
	ok(secrets_open(&settings, &err) == NULL &&
		strstr(err, "take 'secrets' out of") != NULL,
	    "it is not there");
	free(err);
}

static bool
plain_is(struct secrets *s, const char *user, const char *want)
{
	char name[USER_NAME_MAX];
	struct view secret;
	bool found = secrets_plain(s, view_of(user), &secret, name);

	if (want == NULL)
		return !found && name[0] == '\0' && secret.n > 0;
	return found && view_eqs(secret, want) &&
	       view_caseeqs(view_of(user), name);
}

static bool
keys_are(struct secrets *s, const char *user, enum scram_hash h,
    const char *salt, const char *stored, const char *server)
{
	char name[USER_NAME_MAX], b64[3][BASE64_LEN(SCRAM_SALT_MAX) + 1];
	struct scram_keys k;
	size_t n = scram_octets(h);

	if (!secrets_scram(s, view_of(user), h, true, &k, name))
		return false;
	base64_encode(
	    (struct view){ (char *)k.salt, k.salt_n }, b64[0], sizeof(b64[0]));
	base64_encode(
	    (struct view){ (char *)k.stored, n }, b64[1], sizeof(b64[1]));
	base64_encode(
	    (struct view){ (char *)k.server, n }, b64[2], sizeof(b64[2]));
	return k.iterations == 4096 && strcmp(b64[0], salt) == 0 &&
	       strcmp(b64[1], stored) == 0 && strcmp(b64[2], server) == 0;
}

static void
test_lines(void)
{
	struct secrets *s = opened("# comment\r\n\n"
				   "Alice:{plain}a:b {c}\r\n"
				   "bob:" SHA1_LINE "\nbob:" SHA256_LINE "\n"
				   "carol:{CLEARTEXT}x\ncarol:" SHA1_LINE "\n"
				   "last:{PLAIN}\xc3\xa4");

	if (!ok(s != NULL, "a file with all forms"))
		return;
	ok(plain_is(s, "alice", "a:b {c}") && plain_is(s, "ALICE", "a:b {c}"),
	    "a secret, in any case of the name");
	ok(plain_is(s, "last", "\xc3\xa4"), "the last line without its end");
	ok(plain_is(s, "carol", "x"), "one who has two lines");
	ok(plain_is(s, "bob", NULL) && plain_is(s, "nobody", NULL) &&
		plain_is(s, "", NULL) && plain_is(s, "*", NULL),
	    "those who have none");
	ok(keys_are(s, "bob", SCRAM_SHA1, "QSXCR+Q6sek8bf92",
	       "6dlGYMOdZcOPutkcNY8U2g7vK9Y=",
	       "D+CSWLOshSulAsxiupA+qs2/fTE=") &&
		keys_are(s, "BOB", SCRAM_SHA256, "W22ZaJ0SNY7soEsUEjb6gQ==",
		    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
		    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="),
	    "keys as they are written");
	struct scram_keys k, derived;
	char name[USER_NAME_MAX];
	ok(secrets_scram(s, view_of("alice"), SCRAM_SHA1, true, &k, name) &&
		strcmp(name, "Alice") == 0,
	    "keys made of a secret");
	derived = (struct scram_keys){ .iterations = k.iterations,
		.salt_n = k.salt_n };
	memcpy(derived.salt, k.salt, k.salt_n);
	scram_derive(SCRAM_SHA1, view_of("a:b {c}"), &derived);
	ok(memcmp(derived.stored, k.stored, 20) == 0 &&
		memcmp(derived.server, k.server, 20) == 0,
	    "as they should be");
	ok(secrets_scram(s, view_of("carol"), SCRAM_SHA256, true, &k, name) &&
		secrets_scram(
		    s, view_of("carol"), SCRAM_SHA1, true, &k, name) &&
		k.salt_n == 12,
	    "one who has keys for one, and a secret for the other");
	secrets_free(s);
}

/* Two that look alike to whoever asks: the same iterations, as long a salt,
 * the same one each time, and not the other's. */
static bool
alike(struct secrets *s, const char *a, const char *b, enum scram_hash h)
{
	struct scram_keys x, y, again;
	char name[USER_NAME_MAX];

	secrets_scram(s, view_of(a), h, false, &x, name);
	secrets_scram(s, view_of(b), h, false, &y, name);
	secrets_scram(s, view_of(b), h, true, &again, name);
	return x.iterations == y.iterations && x.salt_n == y.salt_n &&
	       memcmp(x.salt, y.salt, x.salt_n) != 0 &&
	       memcmp(again.salt, y.salt, y.salt_n) == 0 &&
	       again.iterations == y.iterations;
}

static bool
same_salt(struct secrets *a, struct secrets *b, const char *x, const char *y)
{
	struct scram_keys k, l;
	char name[USER_NAME_MAX];

	secrets_scram(a, view_of(x), SCRAM_SHA256, false, &k, name);
	secrets_scram(b, view_of(y), SCRAM_SHA256, false, &l, name);
	return k.salt_n == l.salt_n && memcmp(k.salt, l.salt, k.salt_n) == 0;
}

static void
test_nobody(void)
{
	struct secrets *s = opened("alice:{PLAIN}x\nbob:{PLAIN}y\n");

	ok(alike(s, "alice", "nobody", SCRAM_SHA256) &&
		alike(s, "nobody", "alice", SCRAM_SHA1) &&
		alike(s, "nobody", "nowhere", SCRAM_SHA1),
	    "nobody is like a user with a secret");
	ok(same_salt(s, s, "nobody", "NoBody") &&
		same_salt(s, s, "alice", "ALICE") &&
		same_salt(s, s, "ghost", "GHOST"),
	    "the case of a name does not matter");
	secrets_free(s);
	struct secrets *t =
	    opened("a:{PLAIN}x\nbob:" SHA256_LINE "\nbob:" SHA1_LINE "\n");
	ok(alike(t, "bob", "nobody", SCRAM_SHA256) &&
		alike(t, "bob", "nobody", SCRAM_SHA1) &&
		alike(t, "bob", "a", SCRAM_SHA1),
	    "nobody is like a user with keys, and so is one with a secret");
	secrets_free(t);
	settings.secrets = (char[]){ "" };
	char *err = NULL;
	t = secrets_open(&settings, &err);
	settings.secrets = path;
	ok(t != NULL && plain_is(t, "alice", NULL) &&
		alike(t, "alice", "nobody", SCRAM_SHA256),
	    "without a file there are none");
	secrets_free(t);
}

/* Another start, another daemon, another host. */
static void
test_salts_stay(void)
{
	struct secrets *a =
	    opened("*:{PLAIN}0123456789abcdef\nalice:{PLAIN}x\n");
	struct secrets *b = opened("*:{PLAIN}0123456789abcdef\nbob:{PLAIN}y\n");
	struct secrets *c = opened("*:{PLAIN}0123456789abcdeF\nbob:{PLAIN}y\n");
	struct secrets *d = opened("bob:{PLAIN}z\n");
	struct secrets *e = opened("bob:{PLAIN}y\n");

	ok(same_salt(a, b, "nobody", "nobody") &&
		same_salt(a, b, "alice", "alice"),
	    "the salts of one '*' are the same everywhere");
	ok(!same_salt(a, c, "nobody", "nobody") &&
		!same_salt(a, d, "nobody", "nobody"),
	    "those of another are not");
	if (access("/etc/machine-id", R_OK) == 0)
		ok(same_salt(d, e, "nobody", "nobody"),
		    "nor does a restart on one host change them");
	else
		ok(!same_salt(d, e, "nobody", "nobody"),
		    "without anything of the host they change");
	secrets_free(a);
	secrets_free(b);
	secrets_free(c);
	secrets_free(d);
	secrets_free(e);
}

static void
test_change(void)
{
	struct secrets *s = opened("alice:{PLAIN}x\n");
	struct scram_keys old, now;
	char name[USER_NAME_MAX];

	secrets_scram(s, view_of("alice"), SCRAM_SHA1, true, &old, name);
	put("alice:{PLAIN}y\nbob:{PLAIN}z\n");
	secrets_refresh(s);
	secrets_scram(s, view_of("alice"), SCRAM_SHA1, true, &now, name);
	ok(plain_is(s, "alice", "y") && plain_is(s, "bob", "z") &&
		memcmp(old.stored, now.stored, 20) != 0,
	    "a changed file is read again, and keys are made anew");
	put("nonsense\n");
	secrets_refresh(s);
	ok(plain_is(s, "alice", "y"), "a broken one changes nothing");
	unlink(path);
	secrets_refresh(s);
	ok(plain_is(s, "alice", "y"), "nor does one that is gone");
	put("bob:{PLAIN}z\n");
	secrets_refresh(s);
	ok(plain_is(s, "alice", NULL) && plain_is(s, "bob", "z"),
	    "who is taken out has none");
	secrets_free(s);
}

int
main(void)
{
	if (mkdtemp(dir) == NULL)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/secrets", dir);
	test_errors();
	test_lines();
	test_nobody();
	test_salts_stay();
	test_change();
	unlink(path);
	rmdir(dir);
	return done_testing();
}
