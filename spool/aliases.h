#ifndef SPOOL_ALIASES_H
#define SPOOL_ALIASES_H
/*
 * All files of `aliases` and `virtual`, read again when they have changed.
 *
 * A file that is missing at first is empty, and a warning.  One with a mistake
 * is not used: what it said before stays in force; if it said nothing before,
 * the aliases are broken, and mail for names that might be in it must wait
 * (EXPAND_LATER), as nobody can know that they are unknown.
 */
#include "common/passdb.h"
#include "common/settings.h"
#include "spool/alias_file.h"
#include "spool/target.h"

struct aliases;
/* Reads all files.  NULL: out of memory.  *err: NULL, or (malloc'd) the first
 * mistake, "file:line: what": then the aliases are broken.  Mistakes are not
 * logged here, missing files are. */
struct aliases *aliases_open(const struct settings *, char **err);
void aliases_free(struct aliases *);
/* Looks at the files (one stat each), and reads what has changed; logs that, or
 * why not, once for each change. */
void aliases_refresh(struct aliases *, const struct settings *);
bool aliases_broken(const struct aliases *);
/* A name of the local domains; a whole address, domain in lower case, or
 * "@domain".  out borrows until the next refresh. */
bool aliases_find(const struct aliases *, enum alias_form, struct view name,
    struct alias_entry *out);
/* Is t a target of some alias in a file of `aliases`?  For whoever is to run
 * or write it, and believes nobody. */
bool aliases_have(const struct aliases *, const struct alias_target *t);

/* What newaliases and smtpd -t say: each mistake of each file, loops, lists
 * that cannot be read; warnings (error false): unknown users, root or
 * postmaster that reach nobody.  Returns the number of errors. */
typedef void aliases_say(void *arg, bool error, const char *text);
unsigned aliases_check(const struct settings *, struct passdb *,
    aliases_say *say, void *arg);
#endif
