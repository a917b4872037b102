#ifndef SMTPD_SEVEN_BIT_H
#define SMTPD_SEVEN_BIT_H
/*
 * Content with 8-bit octets on its way to a server that does not offer 8BITMIME
 * (RFC 6152 3).  Headers become encoded-words (surrogate.h, keep), bodies
 * quoted-printable or base64 (binary.h, BINARY_TO_ASCII); what is signed is
 * never changed, so a message with 8-bit octets there cannot be converted.
 *
 * The content is given three times, in pieces of at most SEVEN_BIT_STEP octets:
 * SEVEN_SIGNED and SEVEN_PARTS look, SEVEN_CONVERT, as often as wanted, gives
 * out; after the first of these it is known whether it is of use.  Whatever the
 * content is, that is ASCII, in lines that end in CRLF: text in no part has '?'
 * for what is not.
 * Pure.  Runs in: sender.
 */
#include <stdbool.h>

#include "common/surrogate.h"
#include "smtpd/binary.h"

enum {
	SEVEN_BIT_STEP = 4096,		/* octets of a piece, at most */
	SEVEN_BIT_OUT = 4 * 1024 * 1024 /* that come of one, at most */
};

enum seven_phase { SEVEN_SIGNED, SEVEN_PARTS, SEVEN_CONVERT };

struct seven_bit {
	enum seven_phase phase;
	struct surrogate header;
	struct binary body;
	struct binary_leaves leaves;
	struct buf middle, lines; /* between two stages */
	bool cr;		  /* came last, held back */
	const char *stuck;	  /* why it cannot be converted; NULL: it can */
};

/* First of all; frees nothing. */
void seven_bit_init(struct seven_bit *);
void seven_bit_begin(struct seven_bit *, enum seven_phase);
/* Appends to out what comes of in, nothing while it looks.  out->bad: no room
 * or no memory. */
void seven_bit_add(struct seven_bit *, struct view in, struct buf *out);
/* The content has ended. */
void seven_bit_end(struct seven_bit *, struct buf *out);
void seven_bit_free(struct seven_bit *);
#endif
