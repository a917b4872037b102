#ifndef COMMON_PRIVATE_FILE_H
#define COMMON_PRIVATE_FILE_H
/*
 * Files with hashes or secrets in them: read whole into one piece of memory, so
 * that no copies are left behind, refused when others could read or change
 * them, and read again when they have changed.  And files that only must not be
 * changed by others.
 */
#include <stdbool.h>
#include <sys/stat.h>

#include "common/view.h"

struct private_file {
	char *text;  /* size octets and a NUL */
	size_t size; /* octets */
	struct stat st;
};

/* Opens, checks owner and mode, and reads.  keyword is the one of the
 * configuration that names the file, "users"; max is in octets, a multiple of
 * 1 MiB.  False: *err (malloc'd, or NULL without memory) says "path: what to
 * do"; out holds what was read, if only st; either way
 * private_file_wipe(out). */
bool private_file_read(const char *path, const char *keyword, size_t max,
    struct private_file *out, char **err);
/* The same for a file that everybody may read; any_owner: it may belong to
 * somebody else, too. */
bool admin_file_read(const char *path, const char *keyword, size_t max,
    bool any_owner, struct private_file *out, char **err);
/* Overwrites the text and frees it. */
void private_file_wipe(struct private_file *);
/* Sets *err to path and what stands behind it, and gives false. */
bool private_file_error(char **err, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The file as it was read, or as it was refused. */
struct private_watch {
	struct stat seen;
	bool settled; /* a change cannot hide in the same clock tick */
};
void private_watch_set(struct private_watch *, const struct stat *read);
/* Whether the file is to be read again.  *changed: because it has changed, and
 * not only to be sure. */
bool private_watch_due(struct private_watch *, const char *path, bool *changed);
#endif
