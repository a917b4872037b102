#ifndef SMTPD_BINARY_H
#define SMTPD_BINARY_H
/*
 * MIME becomes MIME that the next one can hold, in one of two ways; all else
 * passes through as it is.
 *
 * BINARY_TO_LINES, for mailboxes: the body of every part whose
 * Content-Transfer-Encoding is "binary" (RFC 3030) becomes base64, and the
 * field says so; in multiparts and enclosed messages, which may not be encoded
 * (RFC 2045 6.4), the field becomes "8bit".
 *
 * BINARY_TO_ASCII, for a server without 8BITMIME (RFC 6152 3): the body of each
 * part that has octets beyond ASCII becomes quoted-printable if it is text,
 * else base64.  Which these are is found by BINARY_LOOK, to which the same was
 * given before.  A message or part that had no Content-Type is text in the
 * charset unknown-8bit then (RFC 1428).  Lines must end in CRLF.  Text between
 * the parts, which is in none, is left for the caller to replace.
 *
 * Pure: octets in, octets out, in pieces of any size and in constant memory.
 * What a binary part holds comes back octet by octet when it is decoded; the
 * CRLF in front of a boundary belongs to the boundary (RFC 2046 5.1.1).
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/mime.h"
#include "common/quoted.h"
#include "common/view.h"

enum {
	BINARY_LINE = 1024, /* octets of a line that are looked at together */
	BINARY_ROW = 57,    /* octets of a line of base64, RFC 2045 6.8 */
	/* Octets that come out of n at most, whatever was held; of one, as
	 * the smallest part gets three fields in ASCII. */
	BINARY_SLACK = 4 * BINARY_LINE,
	BINARY_GROWTH = 2,
	BINARY_GROWTH_ASCII = 40,
	BINARY_LEAVES = 65536 /* more are bad */
};

enum binary_how { BINARY_TO_LINES, BINARY_LOOK, BINARY_TO_ASCII };

/* Which parts, in their order, have octets beyond ASCII.  All 0 at first. */
struct binary_leaves {
	unsigned char eight[BINARY_LEAVES / 8];
};

struct binary {
	enum binary_how how;
	struct binary_leaves *leaves; /* LOOK, TO_ASCII: borrowed */
	enum { BINARY_HEADER,
		BINARY_TEXT,
		BINARY_ENCODE,
		BINARY_QUOTE } state;
	char line[BINARY_LINE]; /* start of the line at hand, held back */
	size_t line_n;
	bool passing; /* the rest of this line is of no interest */
	/* (encoding) came last, and may belong to a boundary */
	bool held_cr, held_crlf;
	/* of the header at hand */
	enum { BINARY_OTHER, BINARY_TYPE, BINARY_CODING, BINARY_DROP } field;
	char type[BINARY_LINE]; /* Content-Type, unfolded */
	size_t type_n;
	char coding[BINARY_LINE]; /* Content-Transfer-Encoding, as it came */
	size_t coding_n;
	bool message;	       /* it is not a part's */
	bool versioned;	       /* it has MIME-Version */
	bool untouched; /* it is signed: its fields stay where they are */
	bool digest;	       /* a part of multipart/digest, RFC 2046 5.1.5 */
	struct mime_levels in; /* what the header at hand stands in */
	char row[BINARY_ROW];  /* not encoded yet */
	size_t row_n;
	struct quoted quoted;
	unsigned leaf, leaf_n; /* the one at hand; LEAVES: none.  All so far */
	size_t signed_depth;   /* in multipart/signed; 0: not */
	bool signed_eight;     /* LOOK: something there is not ASCII */
	bool bad; /* too deep, or a field that is too long: what comes out is
		   * of no use */
};

/* leaves: NULL for BINARY_TO_LINES. */
void binary_init(struct binary *, enum binary_how, struct binary_leaves *);
/* Appends to out what comes of in: at most in.n * BINARY_GROWTH[_ASCII] +
 * BINARY_SLACK octets. */
void binary_convert(struct binary *, struct view in, struct buf *out);
/* The message has ended. */
void binary_end(struct binary *, struct buf *out);
#endif
