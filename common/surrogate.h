#ifndef COMMON_SURROGATE_H
#define COMMON_SURROGATE_H
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
 * On the way to another host (keep) a field that would go becomes
 * encoded-words, and a parameter its extended form (RFC 2231 4) instead;
 * message/global, which may be encoded as a whole (RFC 6532 3.7), is no message
 * then, but a leaf; and a line that is no field stays as it is.
 *
 * Fields that are ASCII, and bodies, are left alone.  The headers of parts, and
 * of enclosed messages, are headers, too (RFC 6858 2.2), in up to MIME_DEPTH
 * multiparts inside each other.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/mime.h"
#include "common/view.h"

enum {
	SURROGATE_FIELD_MAX = 128 * 1024, /* a longer field goes */
	SURROGATE_OUT_MAX = 1024 * 1024,  /* and one that becomes longer */
	SURROGATE_HOLD = 1024		  /* a longer line is no boundary */
};

struct surrogate {
	enum { SURROGATE_HEADER, SURROGATE_BODY } state;
	struct buf field; /* the lines of the current one, or a line held */
	bool keep;	  /* set by the caller behind surrogate_init */
	bool cut;	  /* a field was too long, and went */
	bool overlong;	  /* it is too long, and was dropped */
	bool in_line;	  /* in the middle of a line */
	bool holding;	  /* of one that may be a boundary */
	bool part;	  /* the header is not the message's own */
	bool typed;	  /* Content-Type has come */
	bool needed;	  /* a header is not ASCII */
	bool done;	  /* what follows is left alone */
	enum mime_kind kind;
	struct mime_levels in, next; /* next: with the one about to begin */
};

void surrogate_init(struct surrogate *);
/* Takes octets from in and appends what becomes of them to out; returns how
 * many were taken: fewer than in.n if done, which is behind the header of a
 * message without parts, and behind the last part.  out->bad: no room or no
 * memory. */
size_t surrogate_add(struct surrogate *, struct view in, struct buf *out);
/* The message ended. */
void surrogate_end(struct surrogate *, struct buf *out);
void surrogate_free(struct surrogate *);

/* What becomes of one field that is not ASCII; nothing: it goes. */
void surrogate_field(struct view field, bool keep, struct buf *out);
#endif
