#ifndef COMMON_PASSDB_FILE_H
#define COMMON_PASSDB_FILE_H
/*
 * The users file, as read once: passdb.c's own part.
 *
 * One user a line, name:hash:uid:gid:gecos:home[:shell[:extra]] (Dovecot's
 * passwd-file; extra is ignored), comments after '#', blank lines,
 * CRLF tolerated.  Names are found without regard to the case of ASCII
 * letters, so two that differ only in case are an error.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "common/view.h"

enum { PASSDB_FILE_MAX = 256 << 20 }; /* octets */

struct passdb_line {
	const char *name, *hash, *gecos, *home, *shell; /* "" when absent */
	uid_t uid;
	gid_t gid;
};

struct passdb_file;
/* Opens, checks owner and mode, and reads.  *st describes what was read; it is
 * all zero when there was nothing.  hashes false: they are checked, then
 * overwritten.  NULL: *err (malloc'd; NULL if there was no memory for that
 * either) says "file:line: what to do". */
struct passdb_file *passdb_file_read(
    const char *path, bool hashes, struct stat *st, char **err);
void passdb_file_free(struct passdb_file *); /* wipes */
/* False: nobody of that name.  out borrows from the file. */
bool passdb_file_find(
    const struct passdb_file *, struct view name, struct passdb_line *out);
/* The i-th user; false: there are not so many. */
bool passdb_file_at(
    const struct passdb_file *, unsigned i, struct passdb_line *out);
/* The first hash with which somebody could log in, "" if there is none. */
const char *passdb_file_first_hash(const struct passdb_file *);
unsigned passdb_file_count(const struct passdb_file *);

/* Whether v may be a user's name at all; see passdb_find(). */
bool passdb_name_valid(struct view v);
/* For tables of names; the case of ASCII letters does not matter. */
uint32_t passdb_name_hash(struct view v);
/* Is that the name, in whatever case and normalization (common/fold.h)? */
bool passdb_name_same(struct view typed, const char *name);
#endif
