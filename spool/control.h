#ifndef SPOOL_CONTROL_H
#define SPOOL_CONTROL_H
/*
 * What people ask the queue: mailq(1), pennyctl queue, sendmail -q.
 *
 * The queue listens on a Unix socket (listen queue unix:/PATH) where the kernel
 * says who asks: root may see and change all, others may see what they handed
 * in themselves, and have it tried again.  A question is one line, words with
 * TABs between them:
 *
 *	VERB [KEY=VALUE ...]
 *
 *	list    what matches
 *	show    the same, with the content; needs id
 *	retry   what matches is due now, and destinations that were down are
 *		tried again
 *	hold    keeps it from being handed out; release: no longer
 *	delete  removes it, and tells nobody
 *
 *	id=ID  sender=GLOB  recipient=GLOB  destination=GLOB (a domain)
 *	older=SECONDS  younger=SECONDS  state=hold|queue
 *
 * A GLOB has * for any octets and ? for any one, is compared without regard to
 * the case of ASCII letters, and must fit the whole.  A message matches when
 * all keys do; recipients that are done do not count.
 *
 * The answer, lines of words with TABs between them:
 *
 *	M ID STATE SIZE ARRIVED NEXT SENDER USER
 *		a message; STATE is active, queued or hold; ARRIVED and NEXT
 *		(0: not known) are seconds since 1970
 *	R STATE ADDRESS ORIGINAL KIND DONE WHY
 *		each of its recipients (list: those that are not done); KIND is
 *		"" for an address; DONE 0, 1; WHY it is not, "" where that is
 *		not known
 *	C N     show: N octets follow, the content, and an LF
 *	A ID TEXT
 *		it was not done with this one, and why
 *	E TEXT  the end: an error
 *	= N     the end: N messages matched (and it was done)
 *
 * The same is asked of the directory itself, by the same code, when no server
 * runs (control_client.h).
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/view.h"
#include "spool/queue.h"

enum {
	CONTROL_LINE_MAX = 4096, /* octets of a question, LF included */
	CONTROL_GLOB_MAX = 320,
	CONTROL_PIECE = 32768 /* octets of an answer made in one go */
};

enum control_verb {
	CONTROL_LIST,
	CONTROL_SHOW,
	CONTROL_RETRY,
	CONTROL_HOLD,
	CONTROL_RELEASE,
	CONTROL_DELETE
};

struct control_query {
	enum control_verb verb;
	char id[ENVELOPE_ID_MAX + 1]; /* "": any, and so are the others */
	char sender[CONTROL_GLOB_MAX], recipient[CONTROL_GLOB_MAX],
	    destination[CONTROL_GLOB_MAX];
	int64_t older, younger; /* seconds; -1: any */
	bool queued, held;	/* which of the two */
};

/* Reads a question, without its LF.  False: *why (static). */
bool control_parse(
    struct view line, struct control_query *out, const char **why);
/* Does all of v fit the pattern? */
bool control_glob(const char *pattern, struct view v);
/* now_us: time of day. */
bool control_matches(
    const struct control_query *, const struct envelope *, int64_t now_us);
/* The domain of an address: "" if there is none. */
struct view control_domain(struct view address);

/* ---- the answer, piece by piece ---- */

/* Whoever serves the queue does it, or the program that found no server. */
struct control_host {
	struct queue *queue;
	/* Does it; the record is in hold/ if held.  NULL: done; else why not
	 * (static). */
	const char *(*act)(enum control_verb, const char *id, bool held);
	/* "active" or "queued", and when it is due (seconds since 1970; 0). */
	const char *(*state)(const char *id, int64_t *next);
	/* Why a recipient has not got it; may be NULL. */
	const char *(*reason)(struct view id, unsigned rcpt);
	/* Root has asked; may be NULL. */
	void (*began)(const struct control_query *);
};

struct control_walk {
	const struct control_host *host;
	struct control_query query;
	uid_t uid;    /* who asks */
	bool all;     /* may see and change all */
	DIR *dir;     /* owned */
	bool in_hold; /* which directory dir is */
	bool looked;  /* at all there is */
	bool ended;
	const char *why; /* the question is none; static */
	uint64_t n;
	struct record shown; /* show: the content that is left */
	uint64_t shown_at, shown_left;
};
/* Begins; an error is in the answer. */
void control_begin(struct control_walk *, const struct control_host *,
    struct view line, uid_t uid, bool all);
/* Adds some lines, not many more than CONTROL_PIECE octets, and looks at no
 * more than a few messages.  False: that was all. */
bool control_more(struct control_walk *, struct buf *out);
void control_end(struct control_walk *);
#endif
