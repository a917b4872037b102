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

enum { USER_NAME_MAX = 64, USER_HASH_MAX = 384, USER_HOME_MAX = 256 };

struct user {
	char name[USER_NAME_MAX]; /* as the database spells it */
	uid_t uid;
	gid_t gid;
	char gecos[128];
	char home[USER_HOME_MAX];
	char hash[USER_HASH_MAX]; /* only when asked for; wipe after use */
};

struct passdb;
/* file "" or NULL: none.  with_hashes false: hashes are never kept in memory.
 * NULL: *err (malloc'd) says "file:line: what to do". A missing file is an
 * error. */
struct passdb *passdb_open(const struct settings *, bool with_hashes,
    char **err);
void passdb_free(struct passdb *); /* wipes */
/* Reads the file again if it changed; a file with an error leaves the old
 * content in force and is logged once. */
void passdb_refresh(struct passdb *);
/* 1: found, 0: no such user, -1: cannot be known now (log, answer 4xx).
 * A name that could not be a user's (too long, empty, with '/', ':', control
 * characters, or starting with '-' or '.') is not found and reaches no
 * database. */
int passdb_find(struct passdb *, struct view name, bool want_hash,
    struct user *out);
#endif
