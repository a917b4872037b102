#ifndef SPOOL_ASK_QUEUE_H
#define SPOOL_ASK_QUEUE_H
/*
 * A message into the queue.  On a worker's own channel the asker is anonymous;
 * on a channel that auth made (the "right") it is that user.  The queue checks
 * every recipient itself: local ones for anybody, foreign ones for users, those
 * of this host, and clients in relay_networks.
 *
 * QUEUE_SPOOL: no fields.  Answer: u32 status; with OK an fd: an empty file
 *   without a name, open for reading and writing, for content over
 *   MSG_INLINE_MAX.  The asker writes it; the queue keeps its own descriptor
 *   for the next QUEUE_COMMIT.  At most one per channel; asking again gives a
 *   new one and forgets the old.
 * QUEUE_BEGIN: str id, str sender, str client ("name[addr]"), str helo, str
 *   protocol ("ESMTPS"), and, only if there are any, str parameters of MAIL to
 *   be kept ("RET=HDRS ENVID=x").  Answer: u32 status, str text.
 * QUEUE_RCPT: u32 n, then n times str recipient, str original; any number of
 *   these.  Answer: u32 status, str text naming the refused one.
 * QUEUE_RCPT_PARAMS: the same, but n times str recipient, str original, str
 *   parameters of RCPT to be kept ("NOTIFY=NEVER").
 * QUEUE_COMMIT: u32 kind (0 inline, 1 spooled), u64 length, view content.
 *   Answer: u32 status, str text.  OK: the message survives a power cut.
 * QUEUE_CLIENT, with the client's socket, an internet one: its other end says
 *   whether the next message may go to other hosts.  Answer: u32 status (OK or
 *   ERR_PERM), str text.
 * QUEUE_LOCAL, with the client's socket: it is a Unix socket's, and the asker
 *   is the user at its other end from now on, for terminals, for mail to other
 *   hosts, and as the owner of what it deposits.  Answer: u32 status, str text.
 * QUEUE_TERMINAL: str recipient, str sender, view content (the start of the
 *   message; empty: is there a terminal?).  Only users may ask it.  Answer: u32
 *   status, str text.  OK: it was written; ERR_GONE: the user is not active, or
 *   takes no messages.
 * QUEUE_SPACE: u64 octets.  Answer: u32 status, str text.  OK: a message of
 *   that size would leave queue_free_min on the queue's disk; ERR_NOSPACE.
 * QUEUE_ABORT: forgets what was begun.  Answer: u32 status.
 */
#include <stdint.h>

#include "common/status.h"
#include "common/view.h"
#include "spool/ask_deliver.h"

enum {
	QUEUE_SPOOL = 1,
	QUEUE_BEGIN = 2,
	QUEUE_RCPT = 3,
	QUEUE_COMMIT = 4,
	QUEUE_ABORT = 5,
	QUEUE_RCPT_PARAMS = 6,
	QUEUE_CLIENT = 7,
	QUEUE_LOCAL = 8,
	QUEUE_TERMINAL = 9,
	QUEUE_SPACE = 10
};
enum { QUEUE_RCPT_MAX = 1000 };
/* Octets that content may have beyond message_size_max: our header, CRs that
 * were missing, base64. */
enum { QUEUE_ROOM = 65536 };

struct deposit_rcpt {
	const char *recipient, *original;
	const char *params; /* NULL: none */
};
struct deposit {
	/* in */
	const char *id, *sender, *client, *helo, *protocol;
	const char *params; /* of MAIL; NULL: none */
	const struct deposit_rcpt *rcpt;
	unsigned rcpt_n;
	struct view content; /* unless spooled */
	bool spooled;	     /* content is in the file of ask_queue_spool */
	uint64_t length;     /* of the spooled content */
	/* out */
	char text[DELIVER_TEXT_MAX];
};
/* The file, owned by the caller, or -1 with *st set. */
int ask_queue_spool(int sock, enum status *st);
/* OK: durable; 250 may be sent.  ERR_PERM: a recipient needs a right. */
enum status ask_queue_deposit(int sock, struct deposit *d);
/* client: an internet socket; borrowed.  ERR_PERM: it has no right. */
enum status ask_queue_client(int sock, int client);
/* client: a Unix socket; borrowed. */
enum status ask_queue_local(int sock, int client);
/* Is there room for a message of that size?  ERR_NOSPACE: there is not. */
enum status ask_queue_space(int sock, uint64_t size);
/* content is cut to what is shown at most. */
enum status ask_queue_terminal(
    int sock, const char *recipient, const char *sender, struct view content);
#endif
