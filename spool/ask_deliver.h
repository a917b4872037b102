#ifndef SPOOL_ASK_DELIVER_H
#define SPOOL_ASK_DELIVER_H
/*
 * One message into one mailbox.
 *
 * 1. To the opener (role deliver, root; sees no octet of the message):
 *    DELIVER_OPEN: str recipient address.
 *    Answer: u32 enum status, str user, str text; with OK an fd: a channel to
 *    the append process that has just been given that mailbox's descriptor.
 *    ERR_GONE: no such user; ERR_UNSAFE, ERR_PERM: the mailbox must not be
 *    written (4.2.0); ERR_NOSPACE ...
 *    DELIVER_TERMINAL, from the queue only: str recipient address, str who
 *    sends it, str sender, view content.  Answer: u32 enum status; OK: it was
 *    written to a terminal of that user; ERR_GONE: there is none.
 * 2. To the append process, on that channel, exactly one of
 *    APPEND_INLINE: str queue id, str sender ("" = <>), str original
 *      recipient, view content of at most MSG_INLINE_MAX octets;
 *    APPEND_FILE, with an fd of a regular file: str id, str sender, str
 *      original recipient, u64 offset, u64 length: the content is there.
 *    Answer when it is durable, or when nothing of it is left: u32 enum
 *    status, str text.  Then the channel ends.
 *    ERR_BUSY: another program holds the mailbox; ERR_NOSPACE, ERR_QUOTA.
 *
 * Content is as on the wire after dot-unstuffing: lines end in CRLF.  The
 * append process writes the From_ line, Return-Path, X-Original-To and
 * Delivered-To itself, from fields it has checked.
 */
#include <stdint.h>

#include "common/address.h"
#include "common/passdb.h"
#include "common/status.h"
#include "common/view.h"

enum {
	DELIVER_OPEN = 1,
	DELIVER_TERMINAL = 3,
	APPEND_INLINE = 1,
	APPEND_FILE = 2
};
enum { QUEUE_ID_MAX = 24, DELIVER_TEXT_MAX = 200 };

struct delivery {
	/* in */
	const char *id;        /* queue id: [0-9A-F]+ */
	const char *recipient; /* address to deliver to */
	const char *original;  /* as the client named it */
	const char *sender;    /* "" = <> */
	struct view content;   /* used unless file is not -1 */
	int file;              /* borrowed; -1: content is inline */
	uint64_t offset, length;
	/* out */
	enum status status;
	char user[USER_NAME_MAX];
	char text[DELIVER_TEXT_MAX]; /* for the log and the reply */
};
/* Does both steps and waits.  sock: the channel to deliver.  d->status is OK
 * only when the message is durable.  A mailbox that was replaced meanwhile
 * (ERR_CHANGED) is opened anew.  When the opener does not answer, sock is shut
 * down for good: its answer to the next question would be a channel to this
 * mailbox. */
void ask_deliver(int sock, struct delivery *d);

/* The steps by themselves, for a process that waits in a loop of its own.
 * The put functions start and fill m, the got ones read the answer in it and
 * set d->status and d->text.  deliver_got_open gives the channel to the append
 * process, owned by the caller, or -1.  m->fd after deliver_put_append is
 * d->file, still borrowed. */
struct msg;
void deliver_put_open(struct msg *m, const struct delivery *d);
int deliver_got_open(struct msg *m, struct delivery *d);
void deliver_put_append(struct msg *m, const struct delivery *d);
void deliver_got_append(struct msg *m, struct delivery *d);
#endif
