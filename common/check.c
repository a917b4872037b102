/*
 * What can be checked without starting: smtpd -t, pop3d -t.  Runs in: master;
 * the directories and users before each start, all else when it then exits, as
 * it reads keys.
 */
#define _GNU_SOURCE
#include "common/master.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/msg.h"
#include "common/check_host.h"
#include "common/passdb.h"
#include "common/secrets.h"
#include "common/svc_key.h"

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

/* As the key role will load them. */
static void
check_tls(const struct tls_pair *t)
{
	const char *name[2] = { t->certificate, t->key };
	int fd[2] = { -1, -1 };
	char err[512], text[64];

	for (unsigned i = 0; i < NELEM(fd); i++) {
		fd[i] =
		    open(name[i], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd[i] == -1) {
			problem("%s: %s; see tls_certificate in the "
				"configuration",
			    name[i], strerror(errno));
			goto out;
		}
	}
	if (!keys_load(fd, t, 1, err, sizeof(err)))
		problem("%s", err);
	else if (keys_expiry(0, text, sizeof(text)))
		fprintf(stderr, "%s: warning: the certificate in %s %s\n",
		    program, t->certificate, text);
	if (t->ocsp != NULL && access(t->ocsp, R_OK) == -1)
		fprintf(stderr,
		    "%s: warning: %s: %s; the certificate will be shown "
		    "without an OCSP response\n",
		    program, t->ocsp, strerror(errno));
	keys_free();
out:
	close_fd(&fd[0]);
	close_fd(&fd[1]);
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
			"bit; chmod o-w %s",
		    what, path, path);
}

/* Roots of processes: nobody may put anything there, and nothing is. */
static void
check_empty(const char *path)
{
	struct stat st;
	struct dirent *e;
	DIR *d = opendir(path);

	if (d == NULL) {
		problem("empty_directory %s: %s%s%s", path, strerror(errno),
		    errno == ENOENT ? "; create it: mkdir -p " : "",
		    errno == ENOENT ? path : "");
		return;
	}
	while ((e = readdir(d)) != NULL &&
	       (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0))
		continue;
	if (e != NULL)
		problem("empty_directory %s: is not empty (%s); name one that "
			"is, or an empty one",
		    path, e->d_name);
	else if (fstat(dirfd(d), &st) == 0 &&
		 (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH))))
		problem("empty_directory %s: must belong to root and be "
			"writable for nobody else (chown root %s; "
			"chmod 755 %s)",
		    path, path, path);
	closedir(d);
}

/* Each role that is not root has a uid of its own. */
static void
check_roles(const struct daemon *d, const struct settings *s, uid_t *queue)
{
	/* priv_user reads the settings only. */
	struct role r = { .settings = (struct settings *)(uintptr_t)s,
		.pop3 = d->pop3,
		.root = true };
	uid_t uid[ROLE__N];
	gid_t gid;
	char err[256];

	for (unsigned i = 0; i < ROLE__N; i++) {
		enum role_id id = (enum role_id)i;
		bool used =
		    id == ROLE_CRYPT || id == ROLE_LOG || id == ROLE_KEY ||
		    id == ROLE_POOL ||
		    (!d->pop3 && (id == ROLE_LOOKUP || id == ROLE_QUEUE ||
				     id == ROLE_APPEND || id == ROLE_RELAY));
		uid[i] = 0;
		if (!used)
			continue;
		if (!priv_user(&r, id, &uid[i], &gid, err, sizeof(err))) {
			problem("%s", err);
			uid[i] = 0;
			continue;
		}
		for (unsigned k = 0; k < i; k++)
			if (uid[k] == uid[i])
				problem("the roles %s and %s are the same user "
					"(uid %u); each needs one of its own: "
					"role_user %s USER",
				    role_name((enum role_id)k), role_name(id),
				    (unsigned)uid[i],
				    id == ROLE_POOL ? "worker" : role_name(id));
	}
	*queue = uid[ROLE_QUEUE];
}

/* As the queue role will want it (spool/queue.c). */
static void
check_queue(const char *path, uid_t owner)
{
	struct stat st;

	check_directory("queue_directory", path);
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
	    (st.st_uid != owner || (st.st_mode & (S_IWGRP | S_IWOTH))))
		problem("queue_directory %s: must belong to uid %u and be "
			"writable for nobody else (chown %u %s; chmod 700 %s)",
		    path, (unsigned)owner, (unsigned)owner, path, path);
}

static void
check_mailbox(const struct settings *s)
{
	char dir[1024];
	const char *slash = strrchr(s->mailbox, '/');

	if (s->mailbox[0] != '/' || slash == s->mailbox)
		return;
	snprintf(
	    dir, sizeof(dir), "%.*s", (int)(slash - s->mailbox), s->mailbox);
	if (strchr(dir, '%') == NULL)
		check_directory("mailbox directory", dir);
}

unsigned
config_check_places(
    const struct daemon *d, const struct options *o, const struct settings *s)
{
	uid_t queue = geteuid();

	program = d->name;
	if (s->listener_n == 0 && !o->inetd)
		problem("%s: there is no listen line; add for example: "
			"listen %s *:%s",
		    o->config, d->pop3 ? "pop3" : "mx", d->pop3 ? "110" : "25");
	check_mailbox(s);
	if (geteuid() == 0) {
		check_roles(d, s, &queue);
		check_empty(s->empty_directory);
	}
	if (!d->pop3 && (geteuid() != 0 || queue != 0))
		check_queue(s->queue_directory, queue);
	return problems;
}

static void
say_mistake(void *arg, bool error, const char *text)
{
	(void)arg;
	if (error)
		problem("%s", text);
	else
		fprintf(stderr, "%s: warning: %s\n", program, text);
}

/* What has to do with users. */
static void
check_users(const struct daemon *d, const struct settings *s, struct passdb *db)
{
	char why[512];

	if (d->check_files != NULL &&
	    d->check_files(s, db, say_mistake, NULL) > 0)
		return;
	if (d->check != NULL && !d->check(s, db, why, sizeof(why)))
		problem("%s", why);
}

unsigned
config_check(
    const struct daemon *d, const struct options *o, const struct settings *s)
{
	char *err = NULL;

	program = d->name;
	for (unsigned i = 0; i < s->tls_n; i++)
		check_tls(&s->tls[i]);
	struct passdb *db = passdb_open(s, false, &err);
	if (db == NULL)
		problem("%s", err);
	else
		check_users(d, s, db);
	free(err);
	passdb_free(db);
	err = NULL;
	struct secrets *secrets = secrets_open(s, &err);
	if (secrets == NULL)
		problem("%s", err == NULL ? "out of memory" : err);
	free(err);
	secrets_free(secrets);
	if (s->tls_client_ca[0] != '\0' && access(s->tls_client_ca, R_OK) == -1)
		problem("%s: %s", s->tls_client_ca, strerror(errno));
	unsigned n = config_check_places(d, o, s);
	if (n == 0) /* errors first */
		config_check_host(d->name, s);
	return n;
}
