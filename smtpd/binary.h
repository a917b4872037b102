#ifndef SMTPD_BINARY_H
#define SMTPD_BINARY_H
/*
 * From binary MIME (RFC 3030) to MIME that a line-based mailbox can hold: the
 * body of every part whose Content-Transfer-Encoding is "binary" becomes
 * base64, and the field says so; in multiparts and enclosed messages, which may
 * not be encoded (RFC 2045 6.4), the field becomes "8bit".  All else passes
 * through as it is.
 *
 * Pure: octets in, octets out, in pieces of any size and in constant memory.
 * What a binary part holds comes back octet by octet when it is decoded; the
 * CRLF in front of a boundary belongs to the boundary (RFC 2046 5.1.1).
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/mime.h"
#include "common/view.h"

enum {
	BINARY_LINE = 1024, /* octets of a line that are looked at together */
	BINARY_ROW = 57,    /* octets of a line of base64, RFC 2045 6.8 */
	/* Octets that come out of n at most, whatever was held. */
	BINARY_SLACK = 4 * BINARY_LINE
};

struct binary {
	enum { BINARY_HEADER, BINARY_TEXT, BINARY_ENCODE } state;
	char line[BINARY_LINE]; /* start of the line at hand, held back */
	size_t line_n;
	bool passing; /* the rest of this line is of no interest */
	/* (BINARY_ENCODE) came last, and may belong to a boundary */
	bool held_cr, held_crlf;
	/* of the header at hand */
	enum { BINARY_OTHER, BINARY_TYPE, BINARY_CODING, BINARY_DROP } field;
	char type[BINARY_LINE]; /* Content-Type, unfolded */
	size_t type_n;
	char coding[BINARY_LINE]; /* Content-Transfer-Encoding, as it came */
	size_t coding_n;
	bool digest;	       /* a part of multipart/digest, RFC 2046 5.1.5 */
	struct mime_levels in; /* what the header at hand stands in */
	char row[BINARY_ROW];  /* not encoded yet */
	size_t row_n;
	bool bad; /* too deep, or a field that is too long: what comes out is
		   * of no use */
};

void binary_init(struct binary *);
/* Appends to out what comes of in: at most 2 * in.n + BINARY_SLACK octets. */
void binary_convert(struct binary *, struct view in, struct buf *out);
/* The message has ended. */
void binary_end(struct binary *, struct buf *out);
#endif
