#ifndef SPOOL_DSN_H
#define SPOOL_DSN_H
/*
 * Delivery status notifications (RFC 3461, 3464, 6522, 6533): when the sender
 * is to be told, and what the report looks like.  Pure: octets in, octets out.
 * All that is quoted is hostile: addresses, replies of other servers, the
 * message itself.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/view.h"
#include "spool/envelope.h"

enum dsn_action { /* RFC 3464 2.3.3 */
	DSN_FAILED,
	DSN_DELAYED,
	DSN_DELIVERED,
	DSN_RELAYED, /* to a server, or in a way, that reports nothing */
	DSN_EXPANDED
};
enum {
	DSN_CODE_MAX = 12,   /* "5.1.1" and its terminator; RFC 3463 2 */
	DSN_TEXT_MAX = 500,  /* octets of an explanation that are kept */
	DSN_NOTED_MAX = 100, /* recipients that the text for people names */
	DSN_HEADER_MAX = 65536 /* octets of a returned header */
};

/* What became of one recipient. */
struct dsn_rcpt {
	enum dsn_action action;
	struct view address, original, params; /* of the envelope */
	const char *code;   /* enhanced status code */
	struct view text;   /* why, in one line; may be empty */
	struct view remote; /* who said so: "name[addr]:port"; empty: we */
	bool expired;	    /* failed, as it was tried long enough */
};

struct dsn {
	const char *id;	      /* queue id of the report */
	const char *hostname; /* ours */
	struct view to;	      /* who is told */
	int64_t now, until;   /* seconds; until: when it will be given up */
	uint64_t random;      /* makes the boundary hard to foresee */
	const struct envelope *of;
	const struct dsn_rcpt *rcpt;
	unsigned rcpt_n;
	struct view content; /* what of the message is at hand: all of it, or
			      * at least its first DSN_HEADER_MAX octets */
	bool return_all;     /* content is all, and may be returned so */
};

/* RFC 3461 4.1, 5.2: whether a recipient with these parameters wants it. */
bool dsn_wanted(struct view rcpt_params, enum dsn_action);
/* 4.3, 6.2: whether the whole message shall be returned: of what is reported,
 * something failed, and RET, if it is given, is not HDRS, nor is there
 * REQUIRETLS (RFC 8689 5). */
bool dsn_wants_all(struct view mail_params, bool failed);
/* The value of KEYWORD=value among parameters; *found (may be NULL). */
struct view dsn_param(struct view params, const char *keyword, bool *found);
/* The header at the start of content: up to its empty line, or to the first
 * line that is none of a header, or the last whole line within
 * DSN_HEADER_MAX. */
struct view dsn_header(struct view content);
/* Adds the report: header and body of a message, lines end in CRLF.  *utf8: it
 * must be sent with SMTPUTF8.  False: it does not fit, or no memory. */
bool dsn_print(struct buf *out, const struct dsn *, bool *utf8);
#endif
