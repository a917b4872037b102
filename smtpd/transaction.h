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

enum {
	DSN_ENVID_MAX = 100, /* octets of xtext, RFC 3461 4.4 */
	DSN_ORCPT_MAX = 500, /* 4.2 */
	SOLICIT_MAX = 1000   /* RFC 3865 2.2 */
};

/* Parameters of RCPT, RFC 3461 4.1, 4.2; "" where not given. */
struct rcpt_params {
	bool success;	 /* NOTIFY has SUCCESS */
	char notify[24]; /* "NEVER", "SUCCESS,FAILURE,DELAY" */
	char orcpt[DSN_ORCPT_MAX + 1];
};
/* The verb that began it (RFC 821 3.4): to the mailbox, to the terminal, to the
 * one that works, to both. */
enum begun_by { BY_MAIL, BY_SEND, BY_SOML, BY_SAML };

struct transaction {
	enum begun_by by;
	struct address sender;
	char id[QUEUE_ID_MAX]; /* "" until a recipient was accepted */
	int64_t begun;	       /* now_ms() of MAIL */
	unsigned rcpt_n;       /* distinct recipients */
	unsigned accepted;     /* RCPT commands answered with 250 */
	uint64_t size;	       /* that MAIL announced; 0: it did not */
	bool refused;	       /* a recipient was refused */
	bool binary;	       /* BODY=BINARYMIME, RFC 3030 */
	bool utf8;	       /* SMTPUTF8, RFC 6531 */
	bool require_tls;      /* REQUIRETLS, RFC 8689 */
	/* What goes with the envelope, as the client wrote it but checked;
	 * "" where it was not given. */
	char ret[8]; /* RET, RFC 3461 4.3: "FULL", "HDRS" */
	char envid[DSN_ENVID_MAX + 1];
	char solicit[SOLICIT_MAX + 1]; /* RFC 3865 */
	char submitter[ADDR_MAX + 1];  /* RFC 4405, decoded */
};

/* Forgets all of it, content included; the session is ready for MAIL. */
void transaction_reset(struct session *);
/* Adds a recipient unless it is there already. */
void transaction_add(struct session *, const struct address *,
    const struct rcpt_answer *, const struct rcpt_params *);
/* The recipient's address as it was named, if there is exactly one, else
 * NULL. */
const char *transaction_only_rcpt(const struct session *);
/* Cannot the content be used?  Then the client was told, and *next says what
 * is next.  whole: all of it has come. */
bool transaction_refused(
    struct session *, const struct content *, bool whole, enum next *next);
/* Tells the client why the message is not taken. */
enum next transaction_refuse_status(struct session *, enum status);
/* LMTP's end of a message: refused or delivered, and answered, for each
 * recipient. */
enum next transaction_each(struct session *, struct content *);
/* Delivers the message, or puts it into the queue, and answers. */
enum next transaction_commit(struct session *, struct content *);
#endif
