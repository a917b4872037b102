#ifndef POP3D_SURROGATE_H
#define POP3D_SURROGATE_H
/*
 * The surrogate of a message whose header is not ASCII, for clients that did
 * not ask for UTF-8 mode (RFC 6856 2.1, RFC 6858).  Pure: octets of the mbox
 * in, octets of the mbox out, in pieces of any size.
 *
 *   addresses            a display name becomes encoded-words (RFC 2047); an
 *                        address that is not ASCII becomes part of it, in front
 *                        of <invalid@internationalized-address.invalid>
 *   Subject              becomes encoded-words where it is not ASCII
 *   Content-Type and Content-Disposition lose the parameters, and all other
 *   fields go, that are not ASCII
 *
 * What is not UTF-8, either, is encoded in the charset unknown-8bit (RFC 1428).
 * Fields that are ASCII, and the body, are left alone.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/view.h"

enum {
	SURROGATE_FIELD_MAX = 128 * 1024, /* a longer field goes */
	SURROGATE_OUT_MAX = 1024 * 1024	  /* and one that becomes longer */
};

struct surrogate {
	struct buf field; /* the lines of the current one */
	bool overlong;	  /* it is too long, and was dropped */
	bool in_line;	  /* in the middle of a line */
	bool done;	  /* the blank line has come: the rest is the body */
};

void surrogate_init(struct surrogate *);
/* Takes header octets from in and appends what becomes of them to out; returns
 * how many octets were the header's, the blank line's included: fewer than
 * in.n if done.  out->bad: no room or no memory. */
size_t surrogate_header(struct surrogate *, struct view in, struct buf *out);
/* The message ended in its header. */
void surrogate_end(struct surrogate *, struct buf *out);
void surrogate_free(struct surrogate *);

/* Has v an octet beyond ASCII? */
bool surrogate_needed(struct view v);
#endif
