#ifndef SPOOL_FORWARD_FILE_H
#define SPOOL_FORWARD_FILE_H
/*
 * A user's ~/.forward, read by a process that is this user.
 *
 * It is used only if it is a regular file, no link, with one name, belongs to
 * the user or to root, and is writable for nobody else.  The same holds for
 * each list that it includes; one that may not be used, or has a mistake, is a
 * mistake of the file.  A list has addresses, and includes no other.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/passdb.h"
#include "common/status.h"
#include "spool/target.h"

#define FORWARD_NAME ".forward"

/* Is there something of that name?  As root: looked for with the file system
 * identity of the user.  OK: yes, whatever it is; ERR_GONE: no; other: cannot
 * be known now. */
enum status forward_there(const struct user *);
/* Where the file is; false: this user has none. */
bool forward_path(const struct user *, char *out, size_t size);
/* Reads and parses it.  target has room for max.  OK: *n > 0.  ERR_GONE: there
 * is none, it says nothing, or it may not be used: why is then one line for
 * the log, else "".  Other: it cannot be read now. */
enum status forward_read(const struct user *, struct alias_target *target,
    unsigned max, unsigned *n, char *why, size_t size);
/* The same of text, whose name is name in messages.  include gives what a list
 * holds, at most FORWARD_SIZE_MAX octets, good until it is called again; its
 * statuses and why are as above. */
typedef enum status forward_include(void *arg, const char *path,
    struct view *text, char *why, size_t size);
enum status forward_parse(struct view text, const char *name,
    forward_include *include, void *arg, struct alias_target *target,
    unsigned max, unsigned *n, char *why, size_t size);
#endif
