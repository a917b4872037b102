#ifndef SPOOL_EXPAND_H
#define SPOOL_EXPAND_H
/*
 * Who is behind an address: aliases before users, and what a list leads to.
 * The one place for it: lookup (for the dialogue) and expand (for good).
 *
 * Of bob+tag@example.org the first of these counts:
 *	virtual    bob+tag@example.org
 *	alias      bob+tag              (local domains)
 *	user       bob+tag              (local domains)
 *	virtual    bob@example.org
 *	alias      bob
 *	user       bob
 *	virtual    @example.org
 * postmaster is there in every domain of ours (RFC 5321 4.5.1): an alias of
 * that name, else of the name that the keyword `postmaster` has, else that
 * user.  Who is uid 0 and no alias has the mail of the alias root, else of
 * postmaster.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/address.h"
#include "common/buf.h"
#include "common/passdb.h"
#include "common/settings.h"
#include "spool/aliases.h"
#include "spool/ask_expand.h"

struct book { /* all borrowed */
	const struct settings *settings;
	struct passdb *users;
	struct aliases *aliases;
};

struct found {
	enum expand_kind kind;
	struct user user;	/* EXPAND_LOCAL */
	char to[ADDR_MAX + 1];	/* LOCAL: for Delivered-To; LIST: its own
				 * address; MOVED: where to */
	bool forwarded;		/* a LIST, of which the sender may know that
				 * mail goes on to... (251) */
	char forward[ADDR_MAX + 1]; /* ...this address */
	const char *why;	/* LATER: static */
	struct alias_entry entry; /* LIST, MOVED; until the next refresh */
};
void expand_find(const struct book *, const char *address, struct found *);

enum {
	EXPANSION_MAX = 8000, /* targets: recipients of a record */
	EXPANSION_DEPTH = 20,
	EXPANSION_STEPS = 100000, /* targets looked at */
	EXPANSION_SLOTS = 16384,  /* a power of two, beyond twice the most
				   * recipients */
	EXPANSION_NAMES = 4096, /* a power of two: half as many entries */
	EXPANSION_OCTETS = 4 << 20
};

/* Targets of a list, each once, in the order of the files. */
struct expansion {
	enum expand_kind kind; /* LIST, or as of struct found, or ERROR */
	char why[EXPAND_TEXT_MAX]; /* ERROR, LATER; MOVED: where to */
	const char *code;	/* ERROR: static */
	char owner[ADDR_MAX + 1];
	char key[ADDR_MAX + 1];
	unsigned n;
	struct buf text;	/* of each: kind, text, NUL */
	uint32_t at[EXPANSION_MAX];	/* offsets */
	uint16_t slot[EXPANSION_SLOTS];	/* by hash: number + 1 */
	/* While it is made. */
	const char *path[EXPANSION_DEPTH]; /* names of entries */
	unsigned depth, steps;
	const char *done[EXPANSION_NAMES]; /* names of entries, by hash */
	unsigned done_n;
	bool quiet;
	unsigned unknown; /* local targets that nobody is behind */
	char unknown_name[ADDR_MAX + 1]; /* the first of them */
};
void expansion_init(struct expansion *);
void expansion_free(struct expansion *);
/* Fills x, which is reused.  quiet: nothing is logged. */
void expand_list(const struct book *, const char *address, bool quiet,
    struct expansion *x);
/* The i-th; i < n. */
void expansion_target(const struct expansion *, unsigned i,
    struct alias_target *out);
#endif
