#ifndef SPOOL_ASK_EXPAND_H
#define SPOOL_ASK_EXPAND_H
/*
 * Who is behind an address: aliases, virtual addresses, lists.  Asked by the
 * queue, on channels that it introduces itself (INTRO_QUEUE to
 * peer[ROLE_EXPAND]); answered by the role expand, which reads the
 * administrator's files only.
 *
 * EXPAND_RESOLVE: u32 n (at most EXPAND_BATCH), then n times str address.
 *   Answer: u32 n, then n times u32 enum expand_kind, str text, str more:
 *     EXPAND_LOCAL    text: the user, more: the address for Delivered-To
 *     EXPAND_FOREIGN  "", ""
 *     EXPAND_LIST     text: the list's own address (in lower case), more: ""
 *     EXPAND_UNKNOWN  "", ""
 *     EXPAND_MOVED    text: where to
 *     EXPAND_LATER    text: why, for the log
 *     EXPAND_ERROR    text: why, more: the enhanced code ("5.4.6")
 *   Nothing is flattened for it: a list with an error inside is a EXPAND_LIST.
 * EXPAND_LIST_OPEN: str address.
 *   Flattens the list: nested aliases, includes and virtual addresses are
 *   resolved in it, each target is named once.
 *   Answer: as one of EXPAND_RESOLVE (u32, str, str), then str owner: the
 *   sender of what goes on ("": unchanged), str key (the alias' name, for
 *   DELIVER_COMMAND), u32 n: targets of the list, at most ENVELOPE_RCPT_MAX.
 *   n is 0 unless it is EXPAND_LIST; a list of nobody is EXPAND_ERROR.
 *   Then, and only then, any number of
 * EXPAND_LIST_PAGE: u32 first.
 *   Answer: u32 n (0: there is nothing at first or behind it), then n times
 *   u32 enum target_kind, str text: TARGET_ADDRESS (local user or foreign;
 *   always with a domain; not to be expanded again by this role, but a user's
 *   .forward is), TARGET_USER (local; neither), TARGET_COMMAND, TARGET_FILE
 *   (as `alias_user`; deliver checks that an alias file has it: aliases_have).
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/address.h"
#include "spool/target.h"

enum { EXPAND_RESOLVE = 1, EXPAND_LIST_OPEN = 2, EXPAND_LIST_PAGE = 3 };
enum {
	EXPAND_BATCH = 64,
	EXPAND_TEXT_MAX = 300, /* octets of a text, terminator included */
	EXPAND_PAGE_OCTETS = 48000, /* of the targets of one page, about */
	EXPAND_PAGE_MAX = 1000
};
enum expand_kind {
	EXPAND_LOCAL,   /* a user of this host, and no alias */
	EXPAND_FOREIGN, /* another host's */
	EXPAND_LIST,    /* leads elsewhere: one target or many */
	EXPAND_UNKNOWN, /* ours, but nobody of that name: 5.1.1 */
	EXPAND_MOVED,   /* 5.1.6 */
	EXPAND_LATER,   /* cannot be known now: 4.3.0 */
	EXPAND_ERROR,   /* a loop, too many targets, a broken file */
	EXPAND__N
};
struct expand_answer {
	enum expand_kind kind;
	char text[EXPAND_TEXT_MAX];
	char more[EXPAND_TEXT_MAX];
};
struct expand_list {
	struct expand_answer a;
	char owner[ADDR_MAX + 1];
	char key[ADDR_MAX + 1];
	uint32_t n;
};

/* The put functions fill m, the got ones read the answer in it; false: it is
 * no answer, and the channel is of no use any more.  For a process that waits
 * in a loop of its own. */
struct msg;
void expand_put_resolve(
    struct msg *m, const char *const *address, unsigned n);
bool expand_got_resolve(
    struct msg *m, struct expand_answer *a, unsigned n);
void expand_put_list(struct msg *m, const char *address);
bool expand_got_list(struct msg *m, struct expand_list *out);
void expand_put_page(struct msg *m, uint32_t first);
/* *n: how many follow; each is then taken with expand_got_target. */
bool expand_got_page(struct msg *m, uint32_t *n);
bool expand_got_target(struct msg *m, struct alias_target *out);
#endif
