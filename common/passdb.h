#ifndef COMMON_PASSDB_H
#define COMMON_PASSDB_H
/*
 * Who is a user of this host: the users file (Dovecot's passwd-file form,
 * name:hash:uid:gid:gecos:home[:shell[:extra]]) and the system's users
 * (getpwnam_r, getspnam_r).  The file wins.  Read by auth and deliver as root,
 * by lookup before it drops its privileges (names only).
 */
#include <stdbool.h>
#include <sys/types.h>

#include "common/settings.h"
#include "common/view.h"

enum {
	USER_NAME_MAX = 64,
	USER_HASH_MAX = 384,
	USER_HOME_MAX = 256,
	USER_SHELL_MAX = 128
};

enum { PASSDB_EACH_MAX = 10000 };

struct user {
	char name[USER_NAME_MAX]; /* as the database spells it */
	uid_t uid;
	gid_t gid;
	char gecos[128];
	char home[USER_HOME_MAX];
	char shell[USER_SHELL_MAX]; /* "": none is named */
	char hash[USER_HASH_MAX]; /* only when asked for; wipe after use */
};

struct passdb;
/* Without settings->users there is no file.  with_hashes false: hashes are not
 * kept in memory.  The settings are not needed afterwards.
 * NULL: *err (malloc'd) says "file:line: what to do". A missing file is an
 * error. */
struct passdb *passdb_open(const struct settings *, bool with_hashes,
    char **err);
void passdb_free(struct passdb *); /* wipes */
/* Reads the file again if it changed; a file with an error leaves the old
 * content in force and is logged once. */
void passdb_refresh(struct passdb *);
/* 1: found, 0: no such user, -1: cannot be known now (log, answer 4xx).
 * A name that could not be a user's (too long, empty, with '/', ':', blanks,
 * control characters, or starting with '-' or '.') is not found and reaches no
 * database.  Case: a line of the file whatever the case of its letters and the
 * normalization of what is not ASCII (common/fold.h), then a system user of
 * exactly this name, then one of the name in lower case. */
int passdb_find(struct passdb *, struct view name, bool want_hash,
    struct user *out);
/* Calls see() with each user of the file, then with each system user, of both
 * the first PASSDB_EACH_MAX, until it says false. */
void passdb_each(struct passdb *, bool (*see)(void *arg, const struct user *),
    void *arg);
/* Whether crypt(3) could ever match it: not empty, not locked by '!' or '*',
 * of a known method. */
bool passdb_hash_usable(const char *hash);
/* A hash with which somebody here could log in, as a model of how much work a
 * check is: the file's first, else the system's first.  False: there is none.
 */
bool passdb_model_hash(struct passdb *, char hash[USER_HASH_MAX]);
#endif
