/*
 * What can be checked without starting: smtpd -t, pop3d -t.  Runs in: master;
 * the directories before each start, all else when it then exits, as it reads
 * keys.
 */
#define _GNU_SOURCE
#include "common/master.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/passdb.h"
#include "common/secrets.h"

static unsigned problems;
static const char *program;

__attribute__((format(printf, 1, 2))) static void
problem(const char *fmt, ...)
{
	va_list ap;

	problems++;
	fprintf(stderr, "%s: ", program);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
}

static void
check_tls(const struct tls_pair *t)
{
	SSL_CTX *x = SSL_CTX_new(TLS_server_method());

	if (x == NULL) {
		problem("OpenSSL does not work");
		return;
	}
	if (SSL_CTX_use_certificate_chain_file(x, t->certificate) != 1)
		problem("%s: %s", t->certificate,
		    access(t->certificate, R_OK) == -1 ? strerror(errno) :
			"no certificate in PEM form");
	else if (SSL_CTX_use_PrivateKey_file(x, t->key, SSL_FILETYPE_PEM) != 1)
		problem("%s: %s %s", t->key, access(t->key, R_OK) == -1 ?
		    strerror(errno) : "no private key that fits",
		    t->certificate);
	else if (X509_cmp_current_time(X509_get0_notAfter(
		     SSL_CTX_get0_certificate(x))) < 0)
		problem("%s: the certificate has expired", t->certificate);
	SSL_CTX_free(x);
}

static void
check_directory(const char *what, const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1)
		problem("%s %s: %s%s%s", what, path, strerror(errno),
		    errno == ENOENT ? "; create it: mkdir -p " : "",
		    errno == ENOENT ? path : "");
	else if (!S_ISDIR(st.st_mode))
		problem("%s %s: not a directory", what, path);
	else if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX))
		problem("%s %s: everybody may write there without a sticky "
			"bit; chmod o-w %s", what, path, path);
}

static void
check_roles(const struct daemon *d, struct settings *s)
{
	struct role r = { .settings = s, .pop3 = d->pop3, .root = true };
	uid_t uid;
	gid_t gid;
	char err[256];

	for (unsigned i = 0; i < ROLE__N; i++) {
		enum role_id id = (enum role_id)i;
		bool used = id == ROLE_CRYPT || id == ROLE_LOG ||
		    id == ROLE_KEY || id == ROLE_POOL ||
		    (!d->pop3 && (id == ROLE_LOOKUP || id == ROLE_QUEUE ||
				     id == ROLE_APPEND));
		if (used && !priv_user(&r, id, &uid, &gid, err, sizeof(err)))
			problem("%s", err);
	}
	check_directory("empty_directory", s->empty_directory);
}

static void
check_mailbox(const struct settings *s)
{
	char dir[1024];
	const char *slash = strrchr(s->mailbox, '/');

	if (s->mailbox[0] != '/' || slash == s->mailbox)
		return;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - s->mailbox),
	    s->mailbox);
	if (strchr(dir, '%') == NULL)
		check_directory("mailbox directory", dir);
}

unsigned
config_check_places(const struct daemon *d, const struct settings *s)
{
	program = d->name;
	check_mailbox(s);
	if (!d->pop3)
		check_directory("queue_directory", s->queue_directory);
	if (geteuid() == 0) {
		/* priv_user reads the settings only. */
		check_roles(d, (struct settings *)(uintptr_t)s);
	}
	return problems;
}

unsigned
config_check(const struct daemon *d, const struct settings *s)
{
	char *err = NULL;

	program = d->name;
	for (unsigned i = 0; i < s->tls_n; i++)
		check_tls(&s->tls[i]);
	struct passdb *db = passdb_open(s, false, &err);
	if (db == NULL)
		problem("%s", err);
	free(err);
	passdb_free(db);
	struct secrets *secrets = secrets_open(s, &err);
	if (secrets == NULL)
		problem("%s", err == NULL ? "out of memory" : err);
	free(err);
	secrets_free(secrets);
	if (s->tls_client_ca[0] != '\0' &&
	    access(s->tls_client_ca, R_OK) == -1)
		problem("%s: %s", s->tls_client_ca, strerror(errno));
	return config_check_places(d, s);
}
