#ifndef SMTPD_TRANSACTION_H
#define SMTPD_TRANSACTION_H
/*
 * A mail transaction: the envelope, and what becomes of the message.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/address.h"
#include "smtpd/ask_lookup.h"
#include "smtpd/reply.h"
#include "spool/ask_deliver.h"

struct session;
struct content;

struct transaction {
	struct address sender;
	char id[QUEUE_ID_MAX]; /* "" until a recipient was accepted */
	int64_t begun;	       /* now_ms() of MAIL */
	unsigned rcpt_n;       /* distinct recipients */
	unsigned accepted;     /* RCPT commands answered with 250 */
	bool refused;	       /* a recipient was refused */
	bool binary;	       /* BODY=BINARYMIME, RFC 3030 */
};

/* Forgets all of it, content included; the session is ready for MAIL. */
void transaction_reset(struct session *);
/* Adds a recipient unless it is there already. */
void transaction_add(
    struct session *, const struct address *, const struct rcpt_answer *);
/* The recipient's address as it was named, if there is exactly one, else
 * NULL. */
const char *transaction_only_rcpt(const struct session *);
/* Cannot the content be used?  Then the client was told, and *next says what
 * is next. */
bool transaction_refused(struct session *, const struct content *, enum next *);
/* LMTP's end of a message: refused or delivered, and answered, for each
 * recipient. */
enum next transaction_each(struct session *, struct content *);
/* Delivers the message, or puts it into the queue, and answers. */
enum next transaction_commit(struct session *, struct content *);
#endif
