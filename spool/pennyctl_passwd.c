/*
 * pennyctl passwd: a user's password in the users file, and in the secrets
 * file.  Runs in: pennyctl, as who may write these files.
 *
 * The files are replaced whole, with the owner and the mode that they had; what
 * is new is read as the daemons read it before it takes its place.
 */
#define _GNU_SOURCE
#include <crypt.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base64.h"
#include "common/passdb_file.h"
#include "common/paths.h"
#include "common/saslprep.h"
#include "common/scram.h"
#include "common/secrets.h"
#include "spool/password.h"
#include "spool/pennyctl.h"
#include "spool/replace.h"

enum {
	ITERATIONS = 10000,
	SALT = 16,
	HASH_SECRET_MAX = CRYPT_MAX_PASSPHRASE_SIZE - 1,
	TEXT_MAX = 1024
};

enum { FORM_SHA256 = 1, FORM_SHA1 = 2, FORM_PLAIN = 4, FORM_ALL = 7 };
static const struct form {
	unsigned bit;
	const char *name;
	enum scram_hash hash; /* not of PLAIN */
} forms[] = { { FORM_SHA256, "SCRAM-SHA-256", SCRAM_SHA256 },
	{ FORM_SHA1, "SCRAM-SHA-1", SCRAM_SHA1 }, { FORM_PLAIN, "PLAIN", 0 } };

struct order {
	const char *user;
	const char *uid, *gid, *home, *gecos; /* of a new one; NULL */
	unsigned forms;	      /* that the secrets file is to have */
	struct view password; /* NUL behind it */
	char *hash;
	const struct settings *settings;
	bool found;   /* the user has a line */
	unsigned had; /* forms in the secrets file */
};

static bool
complain(const char *what, const char *why)
{
	fprintf(stderr, "pennyctl: %s%s%s\n", what, why[0] == '\0' ? "" : ": ",
	    why);
	return false;
}

/* ---- the users file ---- */

/* The hash in the place of the one before; nothing else of the line changes. */
static bool
user_line(void *arg, struct view line, struct buf *out)
{
	struct order *o = arg;
	bool colon;
	struct view rest = line, name = view_split(&rest, ':', &colon);

	if (line.n == 0 || line.p[0] == '#' || !colon ||
	    !passdb_name_same(name, o->user))
		return buf_addv(out, line);
	o->found = true;
	view_split(&rest, ':', &colon);
	return buf_addv(out, name) && buf_addc(out, ':') &&
	       buf_adds(out, o->hash) && (!colon || buf_addc(out, ':')) &&
	       buf_addv(out, rest);
}

static bool
user_end(void *arg, struct buf *out)
{
	struct order *o = arg;

	if (o->found)
		return true;
	if (o->uid == NULL || o->gid == NULL || o->home == NULL)
		return complain(o->user,
		    "there is no such line; a new user needs --uid, --gid and "
		    "--home");
	return buf_addf(out, "%s:%s:%s:%s:%s:%s\n", o->user, o->hash, o->uid,
	    o->gid, o->gecos == NULL ? "" : o->gecos, o->home);
}

static bool
user_check(void *arg, const char *path, char **err)
{
	struct stat st;
	struct passdb_file *f = passdb_file_read(path, true, &st, err);

	(void)arg;
	passdb_file_free(f);
	return f != NULL;
}

/* ---- the secrets file ---- */

static bool
secret(const struct order *o, const struct form *f, struct buf *out)
{
	struct scram_keys k = { .iterations = ITERATIONS, .salt_n = SALT };
	char salt[BASE64_LEN(SALT) + 1], stored[BASE64_LEN(SCRAM_KEY_MAX) + 1],
	    server[BASE64_LEN(SCRAM_KEY_MAX) + 1];
	size_t n;

	if (f->bit == FORM_PLAIN)
		return buf_addf(out, "%s:{PLAIN}%s\n", o->user, o->password.p);
	n = scram_octets(f->hash);
	bool good = getrandom(k.salt, SALT, 0) == SALT &&
		    scram_derive(f->hash, o->password, &k) &&
		    base64_encode((struct view){ (char *)k.salt, SALT }, salt,
			sizeof(salt)) &&
		    base64_encode((struct view){ (char *)k.stored, n }, stored,
			sizeof(stored)) &&
		    base64_encode((struct view){ (char *)k.server, n }, server,
			sizeof(server)) &&
		    buf_addf(out, "%s:{%s}%u,%s,%s,%s\n", o->user, f->name,
			k.iterations, salt, stored, server);
	explicit_bzero(&k, sizeof(k));
	return good;
}

/* Lines of this user go; those that take their place come at the end. */
static bool
secret_line(void *arg, struct view line, struct buf *out)
{
	struct order *o = arg;
	bool colon, open, brace;
	struct view rest = line, name = view_split(&rest, ':', &colon);

	if (line.n == 0 || line.p[0] == '#' || !colon ||
	    !passdb_name_same(name, o->user))
		return buf_addv(out, line);
	view_split(&rest, '{', &open);
	struct view form = view_split(&rest, '}', &brace);
	for (size_t i = 0; i < NELEM(forms); i++)
		if (view_caseeqs(form, forms[i].name))
			o->had |= forms[i].bit;
	if (view_caseeqs(form, "CLEARTEXT"))
		o->had |= FORM_PLAIN;
	return true;
}

static bool
secret_end(void *arg, struct buf *out)
{
	struct order *o = arg;

	for (size_t i = 0; i < NELEM(forms); i++)
		if (((o->forms | o->had) & forms[i].bit) != 0 &&
		    !secret(o, &forms[i], out))
			return complain(o->user, "no secret could be made");
	return true;
}

static bool
secret_check(void *arg, const char *path, char **err)
{
	const struct order *o = arg;
	struct settings s = *o->settings;
	char *name = strdup(path);

	if (name == NULL)
		return false;
	s.secrets = name;
	struct secrets *all = secrets_open(&s, err);
	secrets_free(all);
	free(name);
	return all != NULL;
}

/* ---- both ---- */

static bool
hash(struct order *o, struct crypt_data *c)
{
	char salt[CRYPT_GENSALT_OUTPUT_SIZE];

	if (o->password.n > HASH_SECRET_MAX)
		return complain("the password is too long", "");
	if (crypt_gensalt_rn("$y$", 0, NULL, 0, salt, sizeof(salt)) == NULL)
		return complain("libcrypt cannot make yescrypt hashes", "");
	o->hash = crypt_rn(o->password.p, salt, c, sizeof(*c));
	return o->hash != NULL && o->hash[0] == '$'
		   ? true
		   : complain("libcrypt made no hash", strerror(errno));
}

static int
change(struct order *o, struct crypt_data *c)
{
	static const struct replace users = { "users", user_line, user_end,
		user_check };
	static const struct replace secrets = { "secrets", secret_line,
		secret_end, secret_check };
	const struct settings *s = o->settings;

	if (s->users[0] == '\0') {
		complain("there is no users file in the configuration",
		    "the system's users have passwd(1)");
		return CTL_FAILED;
	}
	if (o->forms != 0 && s->secrets[0] == '\0') {
		complain("there is no secrets file in the configuration", "");
		return CTL_FAILED;
	}
	if (!hash(o, c) || !replace_file(s->users, &users, o))
		return CTL_FAILED;
	if (s->secrets[0] != '\0' && !replace_file(s->secrets, &secrets, o))
		return CTL_FAILED;
	printf("%s: %s\n", o->user, o->found ? "changed" : "added");
	return fflush(stdout) == EOF ? CTL_FAILED : CTL_FINE;
}

/* Fields of a line; a colon or a line end would begin another one. */
static bool
field(const char *v)
{
	for (; v != NULL && *v != '\0'; v++)
		if (*v == ':' || (unsigned char)*v < ' ' || *v == 0x7f)
			return false;
	return true;
}

static int
take_options(int argc, char **argv, struct order *o)
{
	static const struct option options[] = { { "uid", required_argument,
						     NULL, 'u' },
		{ "gid", required_argument, NULL, 'g' },
		{ "home", required_argument, NULL, 'h' },
		{ "gecos", required_argument, NULL, 'c' },
		{ "scram", no_argument, NULL, 's' },
		{ "plain", no_argument, NULL, 'p' }, { NULL, 0, NULL, 0 } };
	unsigned long long id;
	int opt;

	optind = 0;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		const char **to = opt == 'u'   ? &o->uid
				  : opt == 'g' ? &o->gid
				  : opt == 'h' ? &o->home
				  : opt == 'c' ? &o->gecos
					       : NULL;
		if (to != NULL)
			*to = optarg;
		else if (opt == 's')
			o->forms |= FORM_SHA256 | FORM_SHA1;
		else if (opt == 'p')
			o->forms |= FORM_PLAIN;
		else
			return -1;
		if ((opt == 'u' || opt == 'g') &&
		    !view_number(view_of(optarg), INT32_MAX, &id))
			return -1;
	}
	if (optind + 1 != argc || !field(o->home) || !field(o->gecos))
		return -1;
	o->user = argv[optind];
	return 0;
}

/* As clients and auth do it.  Keys of SCRAM are made of what Unicode 3.2 knows
 * only (RFC 5802 2.2). */
static bool
prepare(const struct settings *s, const char *password, char *out, size_t size)
{
	bool keys = s->secrets[0] != '\0';

	return saslprep(view_of(password),
		   keys ? SASLPREP_STORED : SASLPREP_QUERY, out, size) > 0 ||
	       complain("the password has characters that clients cannot send "
			"alike (SASLprep, RFC 4013)",
		   keys ? "for the secrets file, newer ones than of Unicode "
			  "3.2 are among these"
			: "");
}

int
ctl_passwd(const char *config, int argc, char **argv)
{
	static struct crypt_data c;
	static char password[TEXT_MAX], prepared[TEXT_MAX];
	struct order o = { .user = NULL };
	char *err = NULL;
	int rc = CTL_FAILED;

	if (take_options(argc, argv, &o) == -1)
		return -1;
	if (config == NULL)
		config = PENNYPOST_CONFIG_DIR "/smtpd.conf";
	if (!passdb_name_valid(view_of(o.user))) {
		complain("that is no name for a user", "");
		return CTL_FAILED;
	}
	struct settings *s = settings_read(config, false, &err);
	if (s == NULL)
		complain(err == NULL ? config : err, "");
	free(err);
	o.settings = s;
	if (s != NULL && password_read(password, sizeof(password)) &&
	    prepare(s, password, prepared, sizeof(prepared))) {
		o.password = view_of(prepared);
		rc = change(&o, &c);
	}
	explicit_bzero(password, sizeof(password));
	explicit_bzero(prepared, sizeof(prepared));
	explicit_bzero(&c, sizeof(c));
	settings_free(s);
	return rc;
}
