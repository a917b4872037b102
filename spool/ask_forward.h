#ifndef SPOOL_ASK_FORWARD_H
#define SPOOL_ASK_FORWARD_H
/*
 * What the queue asks deliver about a user who has mail sent on (forward(5)).
 * A child that has become the user does all of it.
 *
 *   DELIVER_OPEN (spool/ask_deliver.h) answers ERR_FORWARD when the user has a
 *     ~/.forward; the asker then comes to the queue, and the queue to
 *   DELIVER_FORWARD: str address.
 *     Answer: u32 enum status, str user, str text, str address as Delivered-To
 *     has it, u32 n, then n times u32 enum
 *     target_kind, str text.  OK: the message goes to these n targets, which
 *     are TARGET_ADDRESS, TARGET_USER (the mailbox of a local user, as which
 *     the user himself appears, too), TARGET_COMMAND or TARGET_FILE.  ERR_GONE:
 *     nowhere: there is no file, or none that may be used, and the log says
 *     why; the message goes to the mailbox.  Other: later.
 *   DELIVER_OPEN_HERE: as DELIVER_OPEN, whatever that user forwards.
 *   DELIVER_RUN: u32 enum target_kind, u32 enum envelope_source, str user, str
 *     text, str queue id, str sender, str original recipient, u64 offset, u64
 *     length of the content, and an fd of a regular file that it stands in.
 *     TARGET_COMMAND: runs it with the message as its standard input.
 *     TARGET_FILE: appends the message as to a mailbox.
 *     Both as the user, who for SOURCE_ALIASES is `alias_user` whatever the
 *     field says, and only if exactly this target stands in the source at this
 *     moment: the queue's word is not enough to run anything.
 *     Answer: u32 enum run_outcome, str enhanced status code, str text.
 */
#include <stdint.h>

#include "common/address.h"
#include "common/passdb.h"
#include "common/status.h"
#include "spool/ask_deliver.h"
#include "spool/envelope.h"
#include "spool/target.h"

enum { DELIVER_OPEN_HERE = 4, DELIVER_FORWARD = 5, DELIVER_RUN = 6 };
enum {
	FORWARD_TARGETS_MAX = 500,
	FORWARD_SIZE_MAX = 32768 /* octets of a file, and of all targets */
};

enum run_outcome {
	RUN_DONE,
	RUN_LATER,  /* it may work another time */
	RUN_FAILED, /* for good */
	RUN_STALE,  /* the target is not in its source any more */
	RUN__N
};

struct forwarding {
	char user[USER_NAME_MAX]; /* whose file it is */
	char delivered_to[ADDR_MAX + 1];
	unsigned n;
	struct alias_target *target; /* owned */
};
void forwarding_free(struct forwarding *);

struct msg;
void forward_put_ask(struct msg *m, const char *address);
/* Reads the answer in m: d->status, d->user and d->text are set; with OK *out,
 * to be freed.  ERR_DOWN: it makes no sense. */
void forward_got(struct msg *m, struct delivery *d, struct forwarding *out);

/* A target and its message; strings are borrowed. */
struct run {
	enum target_kind kind;
	enum envelope_source source;
	const char *user, *text, *id, *sender, *original;
	uint64_t offset, length;
	int file; /* borrowed */
};
/* m->fd is run->file, still borrowed. */
void run_put(struct msg *m, const struct run *);
void run_add(struct msg *m, const struct run *); /* only the fields */
/* Reads the request as deliver gets it; the strings lie in space.  False: it
 * makes no sense. */
struct run_space {
	char user[USER_NAME_MAX], text[TARGET_TEXT_MAX + 1], id[QUEUE_ID_MAX],
	    sender[ADDR_MAX + 1], original[ADDR_MAX + 1];
};
bool run_get(struct msg *m, struct run *out, struct run_space *space);
enum { RUN_CODE_MAX = 12 };
void run_put_answer(
    struct msg *m, enum run_outcome, const char *code, const char *text);
/* code: RUN_CODE_MAX octets; text: DELIVER_TEXT_MAX octets, made harmless.
 * False: it makes no sense. */
bool run_got(struct msg *m, enum run_outcome *out, char *code, char *text);
#endif
