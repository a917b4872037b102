#ifndef SPOOL_REPLACE_H
#define SPOOL_REPLACE_H
/*
 * A private file (common/private_file.h) of lines, replaced whole: whoever
 * reads it sees the old one or the new one.  Owner, group and mode stay.  Two
 * who do it at the same time wait for each other.  Runs in: pennyctl.
 */
#include <stdbool.h>

#include "common/buf.h"

struct replace {
	const char *keyword; /* of the configuration: "users" */
	/* Adds what is to stand for this line, which has its LF. */
	bool (*line)(void *arg, struct view line, struct buf *out);
	/* Adds what is to stand behind all others. */
	bool (*end)(void *arg, struct buf *out);
	/* Is the new file right?  False: *err (malloc'd, or NULL) says why. */
	bool (*check)(void *arg, const char *path, char **err);
};

/* False: nothing has changed, and standard error says why. */
bool replace_file(const char *path, const struct replace *, void *arg);
#endif
