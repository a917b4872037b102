#ifndef SPOOL_ALIAS_FILE_H
#define SPOOL_ALIAS_FILE_H
/*
 * One file of aliases (aliases(5)): names and what stands behind them, read
 * whole, checked whole, and found by name.
 *
 *	name: target, target      in a file of `aliases`
 *	    target                a line that begins with a blank goes on
 *	user@domain  target       in a file of `virtual`
 *	@domain  target
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/settings.h"
#include "common/view.h"

enum alias_form { ALIAS_LOCAL, ALIAS_VIRTUAL };
enum {
	ALIAS_FILE_MAX = 64 << 20, /* octets */
	ALIAS_INCLUDE_MAX = 4 << 20
};

struct alias_entry {
	const char *path;
	unsigned line;       /* where it begins */
	unsigned targets_line;
	const char *name;    /* unquoted; user@domain, domain in lower case */
	struct view targets; /* for target_next */
	enum alias_form form;
};

struct alias_file;
/* Called with each mistake in the file: "path:line: what, and what was
 * meant". */
typedef void alias_say(void *arg, const char *text);
/* NULL: it has a mistake, say() has heard each (at least one).  *st describes
 * what was read, all zero if there was nothing.  The settings say which domains
 * there are, and whether case matters; they are not needed afterwards. */
struct alias_file *alias_file_read(const char *path, enum alias_form,
    const struct settings *, struct stat *st, alias_say *say, void *arg);
void alias_file_free(struct alias_file *);
/* name as in struct alias_entry.  out borrows from the file. */
bool alias_file_find(const struct alias_file *, struct view name,
    struct alias_entry *out);
/* The i-th; false: there are not so many. */
bool alias_file_at(const struct alias_file *, uint32_t i,
    struct alias_entry *out);
uint32_t alias_file_count(const struct alias_file *);
/* Line ends in the n octets at p: from a position to a line number. */
unsigned alias_lines(const char *p, size_t n);
#endif
