#ifndef SPOOL_TARGET_H
#define SPOOL_TARGET_H
/*
 * Where mail goes on: the right-hand sides of aliases(5), the lines of
 * .forward and of :include: files, in the grammar of sendmail and Postfix:
 *
 *	address         bob, bob@example.org, "john doe"@example.org,
 *	                Bob Smith <bob@example.org>, bob (Bob Smith)
 *	\user           that user's mailbox, expanded no further
 *	|command        or "|command words \"a word\"" or |"command words"
 *	/file           or "/file name"
 *	:include:/file  or ":include:/file name"
 *	:moved: address        not here any more; mail is refused with 551
 *	:forwarded: address    the same, but mail is sent on: 251
 *
 * separated by commas or line ends.  A '#' where a target may begin, or behind
 * a blank after an address, begins a comment up to the end of the line.  An
 * unquoted command ends at a comma or the line's end; quotes in it hold both
 * together.  A backslash in quotes takes the next octet as it is.
 *
 * Pure.  All input is hostile: a user's file is one.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/view.h"

enum target_kind {
	TARGET_ADDRESS, /* text: as struct address has it; maybe no domain */
	TARGET_USER,    /* \user; text: the same */
	TARGET_COMMAND, /* text: behind the '|', unquoted once, not split */
	TARGET_FILE,    /* text: an absolute path */
	TARGET_INCLUDE, /* text: an absolute path */
	TARGET_MOVED,   /* text: an address with a domain */
	TARGET_FORWARDED, /* text: an address with a domain */
	TARGET__N
};
enum {
	TARGET_TEXT_MAX = 1000, /* octets of a text */
	TARGET_ARGS_MAX = 64,   /* words of a command */
	/* What may stand where; for target_next. */
	TARGETS_LIST = 1 << TARGET_ADDRESS | 1 << TARGET_USER,
	TARGETS_FORWARD = TARGETS_LIST | 1 << TARGET_COMMAND |
			  1 << TARGET_FILE,
	TARGETS_ALIAS = TARGETS_FORWARD | 1 << TARGET_INCLUDE |
			1 << TARGET_MOVED | 1 << TARGET_FORWARDED,
	TARGETS_VIRTUAL = TARGETS_LIST | 1 << TARGET_MOVED |
			  1 << TARGET_FORWARDED
};

struct alias_target {
	enum target_kind kind;
	char text[TARGET_TEXT_MAX + 1]; /* no control characters */
};

/* Takes the next target off *v.  allowed: bits 1 << kind.
 * 1: *out is set.  0: there is none left.  -1: *why (static) says what is
 * wrong with the one that began at v->p; nothing more can be read from *v.
 * The line is that of *v as it was, plus the line ends skipped: v->p stands
 * behind the target, or at the offending one. */
int target_next(struct view *v, unsigned allowed, struct alias_target *out,
    const char **why);
/* Same kind, same text. */
bool target_same(const struct alias_target *, const struct alias_target *);
/* "\bob", "|/bin/x", ":include:/x": for people; out as snprintf has it. */
void target_print(const struct alias_target *, char *out, size_t size);

/* The words of a command: split at blanks; '...' as it is; "..." with \" and
 * \\; \ takes the next octet as it is.  No variables, no globbing, no shell.
 * argv[0] is an absolute path.  Words are strings in space (at least
 * TARGET_TEXT_MAX + 1 octets); argv has TARGET_ARGS_MAX + 1 places and ends in
 * NULL.  False: *why (static) says what is wrong. */
bool target_argv(const char *command, char *space,
    char *argv[TARGET_ARGS_MAX + 1], const char **why);
#endif
