#ifndef SPOOL_SENDMAIL_MESSAGE_H
#define SPOOL_SENDMAIL_MESSAGE_H
/*
 * The message on standard input: what is known of it, and what its header and
 * envelope become.  What goes wrong is said on standard error; functions return
 * 0 or an exit code.  Runs in: sendmail.
 */
#include <sys/types.h>

#include "common/address.h"
#include "spool/sendmail.h"
#include "spool/sendmail_header.h"
#include "spool/sendmail_input.h"

struct message {
	const struct sendmail *m;
	struct smtp *s;
	struct input in;
	struct mail_header header;
	struct buf rcpt; /* addresses, each ended by LF */
	struct buf peek; /* the begin of the body */
	bool input_ended;
	bool eight; /* it may hold octets of eight bits */
	bool utf8;  /* an address is not ASCII */
	unsigned rcpt_n, accepted;
	unsigned sent; /* recipients of what smtpd has taken */
	int copy;      /* of the body, for more transactions; -1: none */
	uint64_t copied;
	char from[ADDR_MAX + 1]; /* "" is the null reverse-path */
	int rc;			 /* of what went wrong on the way */
};

void message_init(struct message *, const struct sendmail *, struct smtp *);
void message_free(struct message *);
/* Reads the header, and of the body so much that a small message is known
 * whole. */
int message_begin(struct message *);
/* What follows, octets that go out as they are; 0 at the end, -1: rc says why.
 * *v dies at the next call. */
ssize_t message_more(struct message *, struct view *v);
int message_recipients(struct message *);
int message_sender(struct message *);
int message_header(struct message *, struct buf *out);
/* The first thing that went wrong is what the caller is told. */
void message_remember(struct message *, int rc);
#endif
