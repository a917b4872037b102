#ifndef COMMON_QUOTED_H
#define COMMON_QUOTED_H
/*
 * Quoted-printable (RFC 2045 6.7), the encoder.  Pure: octets in, in pieces of
 * any size; lines of at most 76 octets out.
 */
#include <stdbool.h>

#include "common/buf.h"
#include "common/view.h"

struct quoted {
	/* The input is quoted-printable, but for octets beyond ASCII that have
	 * no place there: only these are encoded. */
	bool mend;
	unsigned column;
	char blank; /* came last; 0: none.  At a line's end it is encoded */
};

/* Octets of a line, anywhere in it; CR and LF are octets as any other. */
void quoted_add(struct quoted *, struct view, struct buf *out);
/* The line, or what there is of it, ends; no line end is added. */
void quoted_end(struct quoted *, struct buf *out);
#endif
