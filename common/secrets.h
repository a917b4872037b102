#ifndef COMMON_SECRETS_H
#define COMMON_SECRETS_H
/*
 * What CRAM-MD5, APOP and SCRAM need of users: the secrets file.  One line
 * each, comments after '#', blank lines, CRLF tolerated:
 *
 *	name:{PLAIN}secret                        for all of them
 *	name:{SCRAM-SHA-256}iterations,salt,StoredKey,ServerKey
 *	name:{SCRAM-SHA-1}iterations,salt,StoredKey,ServerKey
 *	*:{PLAIN}secret                           of which salts are made
 *
 * A user may have a line of each form.  Where a user has none, invented ones
 * take their place: who has a secret cannot be told by asking.  A salt that is
 * not in the file is made of the user's name and a secret of this host, so that
 * it is the same at every try and with the other daemon.
 */
#include <stdbool.h>

#include "common/passdb.h"
#include "common/scram.h"
#include "common/settings.h"

struct secrets;
/* Without settings->secrets nobody has any.  NULL: *err (malloc'd; NULL without
 * memory) says "file:line: what to do". */
struct secrets *secrets_open(const struct settings *, char **err);
void secrets_free(struct secrets *); /* wipes */
/* Reads the file again if it changed; a file with an error leaves the old
 * content in force and is logged once. */
void secrets_refresh(struct secrets *);

/* The secret itself, which borrows from s until the next refresh.  False: there
 * is none, and *secret is an invented one.  name is spelled as the file does,
 * else empty. */
bool secrets_plain(struct secrets *s, struct view user, struct view *secret,
    char name[USER_NAME_MAX]);
/* The same for SCRAM.  full false: iterations and salt only, at no cost; else
 * the keys as well, made of {PLAIN} when first asked for. */
bool secrets_scram(struct secrets *s, struct view user, enum scram_hash,
    bool full, struct scram_keys *, char name[USER_NAME_MAX]);
#endif
