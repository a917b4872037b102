#ifndef SPOOL_ENVELOPE_H
#define SPOOL_ENVELOPE_H
/*
 * The record of one queued message: envelope lines, an empty line, the content.
 *
 *	pennypost-queue 2
 *	id: 4F2A9C0017E3
 *	arrived: 1795170030.250000
 *	sender: alice@example.org
 *	client: mail.example.net[192.0.2.1]
 *	helo: mail.example.net
 *	protocol: ESMTPS
 *	user: alice
 *	params: RET=HDRS ENVID=QQ314159
 *	trail: dave erin
 *	T bob@example.org<TAB>bob<TAB>NOTIFY=NEVER
 *	D carol@example.org<TAB>carol@example.org
 *	T /bin/cat<TAB>dave<TAB><TAB>kind=command source=forward as=dave
 *	recipients: 3
 *	content: 1234
 *
 *	Received: from ...
 *
 * Envelope lines end in LF.  Every line is there exactly once and in this
 * order; a value may be empty (sender: <>; user: nobody authenticated) but its
 * line may not be missing.  All values are printable UTF-8 (common/utf8.h);
 * what is not an address is ASCII in practice.
 *
 *   pennypost-queue  the version of this format; 1, which is still read, has
 *                    neither a trail nor kinds
 *   id               the name of the file
 *   arrived          when the message was begun: seconds since 1970, UTC, with
 *                    six decimals
 *   sender           reverse-path without brackets
 *   client, helo, protocol, user
 *                    where it came from, for people and logs
 *   params           parameters of MAIL that go with the message, as RFC 3461 4
 *                    and others write them; the line is there only if there
 *                    are any
 *   trail            the users through whose forward(5) the message came, with
 *                    blanks between them, at most ENVELOPE_TRAIL_MAX; the line
 *                    is there only if there are any
 *   T, W, D, S, R, B one line for each recipient: the state, a blank, the
 *                    address to deliver to, a TAB, the address as it was
 *                    named first, and, only if there are any, a TAB and the
 *                    parameters of RCPT, and, only if it is no plain address,
 *                    a TAB and what it is (see below).  T: to do; W: to do, and
 *                    the sender was told of the delay; D: done; S: delivered,
 *                    R: relayed, and the sender, who wants to know, is yet to
 *                    be told; B: given up, and the sender told if that was
 *                    wanted.  The state is one octet, so that it is changed
 *                    in place by one write of one octet.
 *   recipients       how many recipient lines there are
 *   content          octets of content behind the empty line; the file ends
 *                    exactly there, so one that was cut off is known
 *
 * What an alias or a forward(5) file led to stands in records that the queue
 * makes by itself, never in one that was deposited:
 *   kind=user        the mailbox of a local user, whatever that one forwards
 *   kind=command source=forward as=USER
 *   kind=file source=forward as=USER
 *                    the address column holds the command or the file as it
 *                    stands in the forward(5) file of USER, or, with
 *                    source=aliases, in the aliases
 *
 * Content is as on the wire after dot-unstuffing; its lines end in CRLF.
 *
 * Pure: octets in, octets out.  What is parsed is hostile.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/status.h"
#include "common/view.h"

enum {
	ENVELOPE_VALUE_MAX = 512,	/* octets of one value */
	ENVELOPE_PARAMS_MAX = 1024,	/* of parameters */
	ENVELOPE_TARGET_MAX = 1024,	/* of a command or file */
	ENVELOPE_MAX = 4 * 1024 * 1024, /* octets of all envelope lines */
	ENVELOPE_RCPT_MAX = 8000,	/* recipients of one record */
	ENVELOPE_TRAIL_MAX = 20,	/* users of a trail */
	ENVELOPE_TRAIL_SIZE = ENVELOPE_TRAIL_MAX * 64, /* octets of it */
	ENVELOPE_ID_MIN = 8,
	ENVELOPE_ID_MAX = 23
};

enum {
	RCPT_TO_DO = 'T',
	RCPT_DONE = 'D',
	RCPT_BOUNCED = 'B',
	RCPT_WARNED = 'W',	   /* to do; the sender knows of the delay */
	RCPT_DONE_TELL = 'S',	   /* delivered; the sender is yet to be told */
	RCPT_RELAYED_TELL = 'R' /* relayed; likewise */
};
/* Is there something left to deliver? */
bool rcpt_to_do(char state);
/* Is nothing at all left to do? */
bool rcpt_closed(char state);

enum envelope_kind { KIND_ADDRESS, KIND_USER, KIND_COMMAND, KIND_FILE };
enum envelope_source { SOURCE_FORWARD, SOURCE_ALIASES };

struct envelope_rcpt {
	struct view address, original, params;
	enum envelope_kind kind;
	enum envelope_source source; /* of a command or file */
	struct view as;		 /* the user for it */
	size_t at; /* offset of the state octet in the file */
	char state;
};

struct envelope {
	struct view id, sender, client, helo, protocol, user, params, trail;
	int64_t arrived_us;	    /* since 1970 */
	struct envelope_rcpt *rcpt; /* owned */
	unsigned rcpt_n;
	size_t content_at; /* offset of the content */
	uint64_t content_n;
};

/* Is v [0-9A-F]{8,23}, fit to be a file name and a word of the log? */
bool envelope_id_valid(struct view v);
/* Is v at most ENVELOPE_VALUE_MAX octets of printable UTF-8? */
bool envelope_value_valid(struct view v);
/* Is v at most ENVELOPE_PARAMS_MAX octets of printable UTF-8?  What they mean
 * is not looked at. */
bool envelope_params_valid(struct view v);

/* Are v names of users with blanks between them, not too many? */
bool envelope_trail_valid(struct view v);
bool envelope_in_trail(struct view trail, struct view user);

/* Printing, in this order.  A value that is not valid sets out->bad, and
 * nothing of its line is added: no record can hold a forged line. */
void envelope_print_head(struct buf *out, const struct envelope *);
void envelope_print_rcpt(
    struct buf *out, struct view address, struct view original);
void envelope_print_rcpt_params(struct buf *out, struct view address,
    struct view original, struct view params);
/* All of a recipient but its state, which is RCPT_TO_DO. */
void envelope_print_target(struct buf *out, const struct envelope_rcpt *);
void envelope_print_end(struct buf *out, unsigned rcpts, uint64_t content);

/* Where the envelope in text ends: the offset of the content, 0 when the empty
 * line is not (yet) there. */
size_t envelope_end(struct view text);
/* Parses text, the first envelope_end() octets of a record.  Views of *out
 * borrow from text.  OK: free with envelope_free.  ERR_DAMAGED: *why (static)
 * says what is wrong; ERR_NOMEM.  *out is empty then. */
enum status envelope_parse(
    struct view text, struct envelope *out, const char **why);
void envelope_free(struct envelope *);
#endif
