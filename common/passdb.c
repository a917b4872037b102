/*
 * Users: the file, then the system.
 *
 * Runs in: auth, deliver, maildrop (root); lookup, queue (names only).
 */
#define _GNU_SOURCE
#include "common/passdb.h"

#include <crypt.h>
#include <errno.h>
#include <pwd.h>
#include <shadow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "common/passdb_file.h"
#include "common/private_file.h"

enum { NSS_BUF_MIN = 4096, NSS_BUF_MAX = 1 << 20, MODELS_MAX = 1000 };

struct passdb {
	char *path; /* NULL: no file */
	bool hashes;
	bool system;
	struct passdb_file *file;
	struct private_watch watch;
};

struct passdb *
passdb_open(const struct settings *s, bool with_hashes, char **err)
{
	struct passdb *db = calloc(1, sizeof(*db));
	struct stat read;

	*err = NULL;
	if (db == NULL)
		return NULL;
	db->hashes = with_hashes;
	db->system = s->system_users;
	if (s->users == NULL || s->users[0] == '\0')
		return db;
	db->path = strdup(s->users);
	if (db->path == NULL)
		goto bad;
	db->file = passdb_file_read(db->path, with_hashes, &read, err);
	if (db->file == NULL)
		goto bad;
	private_watch_set(&db->watch, &read);
	return db;
bad:
	passdb_free(db);
	return NULL;
}

void
passdb_free(struct passdb *db)
{
	if (db == NULL)
		return;
	passdb_file_free(db->file);
	free(db->path);
	free(db);
}

void
passdb_refresh(struct passdb *db)
{
	struct stat read;
	char *err = NULL;
	bool changed;

	if (db->path == NULL ||
	    !private_watch_due(&db->watch, db->path, &changed))
		return;
	struct passdb_file *f =
	    passdb_file_read(db->path, db->hashes, &read, &err);
	if (f != NULL) {
		passdb_file_free(db->file);
		db->file = f;
		private_watch_set(&db->watch, &read);
		if (changed)
			log_info("%s: read again: %u users", db->path,
			    passdb_file_count(f));
	} else if (changed) {
		log_error("error: %s; the users read before stay in force",
		    err == NULL ? "out of memory" : err);
	}
	free(err);
}

/* ---- the system's users ---- */

typedef int nss_call(
    const char *name, void *entry, char *buf, size_t size, bool *found);

static int
call_getpwnam(
    const char *name, void *entry, char *buf, size_t size, bool *found)
{
	struct passwd *result = NULL;
	int rc = getpwnam_r(name, entry, buf, size, &result);

	*found = result != NULL;
	return rc;
}

static int
call_getspnam(
    const char *name, void *entry, char *buf, size_t size, bool *found)
{
	struct spwd *result = NULL;
	int rc = getspnam_r(name, entry, buf, size, &result);

	*found = result != NULL;
	return rc;
}

/* Makes the call with a buffer that is large enough; it is *buf, *size octets,
 * owned by the caller, who wipes it.  1, 0, -1 as in passdb_find(). */
static int
nss_find(
    nss_call *call, const char *name, void *entry, char **buf, size_t *size)
{
	int rc = ERANGE;
	bool found = false;

	*buf = NULL;
	for (*size = NSS_BUF_MIN; rc == ERANGE && *size <= NSS_BUF_MAX;
	     *size *= 2) {
		if (*buf != NULL)
			explicit_bzero(*buf, *size / 2);
		free(*buf);
		*buf = malloc(*size);
		if (*buf == NULL)
			return -1;
		do
			rc = call(name, entry, *buf, *size, &found);
		while (rc == EINTR);
	}
	*size /= 2;
	switch (rc) {
	case 0:
		return found;
	case ENOENT: /* getpwnam(3): what some modules say for "no such" */
	case ESRCH:
	case EBADF:
	case EPERM:
		return 0;
	default:
		log_error("error: user database: %s: %s", name, strerror(rc));
		return -1;
	}
}

static void
nss_free(char *buf, size_t size)
{
	if (buf != NULL)
		explicit_bzero(buf, size);
	free(buf);
}

/* The hash of a system user; empty if there is none or the account's time is
 * over.  pw_hash is for systems without a shadow file. */
static int
system_hash(const char *name, const char *pw_hash, char hash[USER_HASH_MAX])
{
	struct spwd sp = { 0 };
	char *buf;
	size_t size;
	int rc = nss_find(call_getspnam, name, &sp, &buf, &size);
	const char *from = rc == 1 ? sp.sp_pwdp : pw_hash;
	bool expired =
	    rc == 1 && sp.sp_expire > 0 && time(NULL) / 86400 >= sp.sp_expire;

	hash[0] = '\0';
	if (rc >= 0 && !expired)
		view_copy(view_of(from), hash, USER_HASH_MAX);
	nss_free(buf, size);
	explicit_bzero(&sp, sizeof(sp));
	return rc < 0 ? -1 : 1;
}

static int
system_find(const char *name, bool want_hash, struct user *out)
{
	struct passwd pw = { 0 };
	char *buf;
	size_t size;
	int rc = nss_find(call_getpwnam, name, &pw, &buf, &size);

	if (rc != 1)
		goto out;
	/* A directory service may spell it otherwise than we asked. */
	if (!passdb_name_valid(view_of(pw.pw_name)) ||
	    !view_copy(view_of(pw.pw_name), out->name, sizeof(out->name))) {
		rc = 0;
		goto out;
	}
	if (!view_copy(view_of(pw.pw_dir), out->home, sizeof(out->home))) {
		log_error("error: user %s: home longer than %d octets", name,
		    USER_HOME_MAX - 1);
		rc = -1;
		goto out;
	}
	(void)snprintf(out->gecos, sizeof(out->gecos), "%s",
	    pw.pw_gecos == NULL ? "" : pw.pw_gecos);
	/* One that does not fit is none. */
	view_copy(view_of(pw.pw_shell), out->shell, sizeof(out->shell));
	out->uid = pw.pw_uid;
	out->gid = pw.pw_gid;
	if (want_hash)
		rc = system_hash(pw.pw_name, pw.pw_passwd, out->hash);
out:
	nss_free(buf, size);
	return rc;
}

/* ---- both ---- */

static bool
file_find(
    const struct passdb *db, struct view name, bool want_hash, struct user *out)
{
	struct passdb_line l;

	if (db->file == NULL || !passdb_file_find(db->file, name, &l))
		return false;
	/* Name, hash and home were measured when the file was read. */
	view_copy(view_of(l.name), out->name, sizeof(out->name));
	view_copy(view_of(l.home), out->home, sizeof(out->home));
	view_copy(view_of(l.shell), out->shell, sizeof(out->shell));
	if (want_hash)
		view_copy(view_of(l.hash), out->hash, sizeof(out->hash));
	(void)snprintf(out->gecos, sizeof(out->gecos), "%s", l.gecos);
	out->uid = l.uid;
	out->gid = l.gid;
	return true;
}

int
passdb_find(
    struct passdb *db, struct view name, bool want_hash, struct user *out)
{
	char exact[USER_NAME_MAX], lower[USER_NAME_MAX];
	int rc = 0;

	memset(out, 0, sizeof(*out));
	if (!passdb_name_valid(name) || !view_copy(name, exact, sizeof(exact)))
		return 0;
	if (file_find(db, name, want_hash, out))
		return 1;
	if (!db->system)
		return 0;
	for (size_t i = 0; i <= name.n; i++)
		lower[i] = (char)ascii_lower(exact[i]);
	rc = system_find(exact, want_hash, out);
	if (rc == 0 && strcmp(exact, lower) != 0)
		rc = system_find(lower, want_hash, out);
	if (rc != 1)
		explicit_bzero(out, sizeof(*out));
	return rc;
}

/* False: enough was seen. */
static bool
each_in_file(
    struct passdb *db, bool (*see)(void *arg, const struct user *), void *arg)
{
	struct passdb_line l;
	struct user u;

	for (unsigned i = 0;
	     i < PASSDB_EACH_MAX && passdb_file_at(db->file, i, &l); i++)
		if (file_find(db, view_of(l.name), false, &u) && !see(arg, &u))
			return false;
	return true;
}

void
passdb_each(
    struct passdb *db, bool (*see)(void *arg, const struct user *), void *arg)
{
	struct passwd *pw;
	struct user u;

	if ((db->file != NULL && !each_in_file(db, see, arg)) || !db->system)
		return;
	setpwent();
	for (int i = 0; i < PASSDB_EACH_MAX && (pw = getpwent()) != NULL; i++) {
		memset(&u, 0, sizeof(u));
		/* Who is in the file, too, was seen. */
		if (!passdb_name_valid(view_of(pw->pw_name)) ||
		    !view_copy(view_of(pw->pw_name), u.name, sizeof(u.name)) ||
		    file_find(db, view_of(u.name), false, &u))
			continue;
		(void)snprintf(u.gecos, sizeof(u.gecos), "%s",
		    pw->pw_gecos == NULL ? "" : pw->pw_gecos);
		u.uid = pw->pw_uid;
		u.gid = pw->pw_gid;
		if (!see(arg, &u))
			break;
	}
	endpwent();
}

bool
passdb_hash_usable(const char *hash)
{
	size_t n = strlen(hash);

	if (n == 0 || hash[0] == '!' || hash[0] == '*')
		return false;
	/* Two letters are a salt of the oldest method (DES), so to it many a
	 * word looks like a setting; its hashes have 13 characters. */
	if (hash[0] != '$' && hash[0] != '_' && n != 13)
		return false;
	return crypt_checksalt(hash) != CRYPT_SALT_INVALID;
}

bool
passdb_model_hash(struct passdb *db, char hash[USER_HASH_MAX])
{
	hash[0] = '\0';
	if (db->file != NULL)
		view_copy(view_of(passdb_file_first_hash(db->file)), hash,
		    USER_HASH_MAX);
	if (hash[0] != '\0' || !db->system)
		return hash[0] != '\0';
	setspent();
	for (int i = 0; i < MODELS_MAX && hash[0] == '\0'; i++) {
		struct spwd *sp = getspent();
		if (sp == NULL)
			break;
		if (passdb_hash_usable(sp->sp_pwdp))
			view_copy(view_of(sp->sp_pwdp), hash, USER_HASH_MAX);
	}
	endspent();
	return hash[0] != '\0';
}
