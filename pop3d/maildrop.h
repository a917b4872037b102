#ifndef POP3D_MAILDROP_H
#define POP3D_MAILDROP_H
/*
 * The maildrop of one session (RFC 1939 4, 5): the messages that were there
 * when it was opened, which of them are marked as deleted, and their content.
 *
 * The messages that the index covers (spool/index.h) are read from it when they
 * are needed; those behind it, few if there is an index at all, are kept in
 * memory.
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
#include "spool/index.h"
#include "spool/mbox.h"
#include "spool/uidl.h"

enum {
	MAILDROP_TAIL = 64,
	/* Octets of a mailbox that are scanned here and not by a child. */
	MAILDROP_SCAN = 1 << 20
};

/* A message that is marked as deleted. */
struct maildrop_mark {
	uint32_t i;
	unsigned char uid[UNIQUE_ID_OCTETS];
};
/* One that is longer than the file says: given in another form. */
struct maildrop_more {
	size_t i;
	uint64_t octets; /* modulo 2^64 */
};

struct maildrop {
	const struct settings *settings; /* borrowed */
	int right; /* channel on which we are this user; -1: not open */
	int lock;  /* the session lock */
	int mbox;  /* -1: there is no mailbox file */
	int turnstile; /* spool/lock.h; -1: not needed yet, or none */
	char path[MAILDROP_TEXT_MAX]; /* of the mailbox, for the log */
	/* Why opening failed, where there is more to say than its status. */
	char holder[MAILDROP_TEXT_MAX]; /* ERR_BUSY: the session that has it,
					 * as ask_maildrop_lock() says */
	unsigned delay;	 /* ERR_LIMIT: seconds until a login is allowed */
	size_t n;	 /* messages */
	uint64_t size;	 /* octets of the file that they fill */
	struct index ix; /* messages [0, base) */
	size_t base;
	uint64_t base_size;    /* octets that these fill */
	struct mbox_list list; /* messages [base, n) */
	uint64_t dev, ino;
	int64_t ctime_ns;   /* at the scan; 0: was too young to rely on */
	uint64_t seen_size; /* of the file at the last look */
	int64_t seen_mtime, seen_ctime;
	unsigned char tail[MAILDROP_TAIL]; /* the last octets of the scan */
	size_t tail_n;
	unsigned char *deleted;	    /* a bit per message */
	struct maildrop_mark *mark; /* of those */
	size_t mark_n, mark_cap;
	/* Unique-ids of [base, n), NULL until needed. */
	unsigned char (*uid)[UNIQUE_ID_OCTETS];
	uint32_t *copy;	  /* that message is copy[i - base]-th of equal ones, */
	struct maildrop_equal *equal; /* when this is NULL */
	struct uidl uidl; /* imported ones */
	bool numbered;	  /* all of these are there */
	struct maildrop_more *more; /* ascending */
	size_t more_n, more_cap;
	unsigned char *looked;	  /* a bit per message: pop3d/present.h has */
	unsigned char *surrogate; /* found out whether it is given as one */
	size_t left;		  /* messages that are not marked */
	uint64_t octets;	  /* of those, on the wire */
	uint64_t all_octets;	  /* of all messages */
	/* Those three maps, unless there are many messages: small blocks of the
	 * heap would each cost a worker a page of its own. */
	unsigned char few[192];
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

/* Where message i lies; its size on the wire is what this client gets.
 * ERR_CHANGED: the index is not what it was any more. */
enum status maildrop_msg(struct maildrop *, size_t i, struct mbox_msg *m);
/* Message i is given with so many octets more, modulo 2^64. */
enum status maildrop_longer(struct maildrop *, size_t i, uint64_t more);
/* Is the mailbox still what was opened?  Status as maildrop_read(). */
enum status maildrop_check(struct maildrop *);
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
/* After that: the unique-id as text (RFC 1939 7), an imported one if there is
 * one.  Equal messages get ".2", ".3" in their order.  out: at least UIDL_TEXT;
 * the result lies there.  Empty: the index is not what it was any more. */
struct view maildrop_unique_id(struct maildrop *, size_t i, char *out);

/* For long lists, after maildrop_unique_ids(): reads the unique-ids of messages
 * from i on at once.  How many are in b, of which entry k is that of message
 * i + k, with our own unique-id; 0: it must be asked for alone. */
enum { MAILDROP_BLOCKS = 8 };
size_t maildrop_id_blocks(
    struct maildrop *, size_t i, struct index_block b[MAILDROP_BLOCKS]);

/* Parts that maildrop.c and maildrop_uid.c share.  Between begin and end the
 * mailbox lock is held and the mailbox is what was opened; with OK, end must
 * follow. */
enum status maildrop_look_begin(struct maildrop *);
/* The mailbox lock alone. */
enum status maildrop_lock(struct maildrop *);
void maildrop_look_end(struct maildrop *);
/* The file is as *st says at this look. */
struct stat;
void maildrop_remember(struct maildrop *, const struct stat *st);
/* Message i, with its unique-id if that was found out.  An index that turns out
 * to be damaged is made anew. */
enum status maildrop_entry(struct maildrop *, size_t i, struct index_entry *e);
/* Takes another index, as `what` says; where none is to be had, all messages
 * are scanned into memory. */
enum status maildrop_renew(struct maildrop *, enum maildrop_file what);

/* Removes what is marked (UPDATE).  Status and text as ask_maildrop_commit. */
enum status maildrop_commit(struct maildrop *, char *text, size_t size);
#endif
