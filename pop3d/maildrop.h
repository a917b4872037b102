#ifndef POP3D_MAILDROP_H
#define POP3D_MAILDROP_H
/*
 * The maildrop of one session (RFC 1939 4, 5): the messages that were there
 * when it was opened, which of them are marked as deleted, and their content.
 *
 * The mailbox lock is held for as long as one look at the file takes, never
 * while a client is waited for.  At each look it is checked that the file is
 * still the one that was scanned; it may have grown.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/settings.h"
#include "common/status.h"
#include "pop3d/ask_maildrop.h"
#include "spool/mbox.h"

enum {
	MAILDROP_TAIL = 64,
	UNIQUE_ID_TEXT = 2 * UNIQUE_ID_OCTETS + 12 /* hex, ".4294967295" */
};

struct maildrop {
	const struct settings *settings; /* borrowed */
	int right; /* channel on which we are this user; -1: not open */
	int lock;  /* the session lock */
	int mbox;  /* -1: there is no mailbox file */
	char path[MAILDROP_TEXT_MAX]; /* of the mailbox, for the log */
	/* Why opening failed, where there is more to say than its status. */
	char holder[MAILDROP_TEXT_MAX]; /* ERR_BUSY: the session that has it,
					 * as ask_maildrop_lock() says */
	unsigned delay; /* ERR_LIMIT: seconds until a login is allowed */
	struct mbox_list list;
	uint64_t dev, ino;
	uint64_t seen_size; /* of the file at the last look */
	int64_t seen_mtime, seen_ctime;
	unsigned char tail[MAILDROP_TAIL]; /* the last octets of the scan */
	size_t tail_n;
	unsigned char *deleted;			/* a bit per message */
	unsigned char *hashed;			/* uid[i] is known */
	unsigned char (*uid)[UNIQUE_ID_OCTETS]; /* NULL until needed */
	uint32_t *copy;	 /* message i is copy[i]-th of equal ones; NULL until
			  * needed, and where no two are equal */
	bool numbered;	 /* copy was found out */
	unsigned char *looked;	  /* a bit per message: pop3d/present.h has */
	unsigned char *surrogate; /* found out whether it is given as one */
	size_t left;	 /* messages that are not marked */
	uint64_t octets; /* of those, on the wire */
	uint64_t all_octets; /* of all messages */
	bool changed; /* by another program: nothing will be deleted */
};

/* An empty one that is not open. */
void maildrop_init(struct maildrop *, const struct settings *);
/* Opens the maildrop behind right, which is taken.  After a failure text is a
 * sentence for the user (in English, for lang_text(); it names no path), and
 * the maildrop is closed again, but path, holder and delay stay. */
enum status maildrop_open(
    struct maildrop *, int right, char *text, size_t size);
/* Gives up right and locks.  Nothing is deleted. */
void maildrop_close(struct maildrop *);

bool maildrop_deleted(const struct maildrop *, size_t i);
/* Marks message i, which is not marked.  Its unique-id is taken now: the
 * update will remove nothing else. */
enum status maildrop_mark(struct maildrop *, size_t i);
void maildrop_unmark_all(struct maildrop *);

/* Reads n octets of message i from octet `at` of it (0: its From_ line).
 * ERR_CHANGED: the file is not what was scanned.  ERR_BUSY: somebody holds the
 * mailbox lock for too long.  ERR_IO, ERR_DOWN: the mailbox is lost. */
enum status maildrop_read(
    struct maildrop *, size_t i, uint64_t at, char *p, size_t n);
/* Finds out the unique-ids of all messages, if that was not done yet. */
enum status maildrop_unique_ids(struct maildrop *);
/* After that: the unique-id as text (RFC 1939 7).  Equal messages get ".2",
 * ".3" in their order.  out: at least UNIQUE_ID_TEXT. */
const char *maildrop_unique_id(const struct maildrop *, size_t i, char *out);

/* Removes what is marked (UPDATE).  Status and text as ask_maildrop_commit. */
enum status maildrop_commit(struct maildrop *, char *text, size_t size);
#endif
