#ifndef COMMON_MIME_H
#define COMMON_MIME_H
/*
 * The structure of a MIME message (RFC 2045, 2046): what a Content-Type says of
 * it, and the boundaries of the multiparts that one is in.  Pure, and in
 * constant memory.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/view.h"

enum {
	MIME_DEPTH = 16,   /* multiparts inside each other */
	MIME_BOUNDARY = 70 /* octets, RFC 2046 5.1.1 */
};

struct mime_levels {
	struct {
		char boundary[MIME_BOUNDARY];
		size_t n;
		bool digest; /* its parts are messages, RFC 2046 5.1.5 */
	} level[MIME_DEPTH];
	size_t depth;
};

enum mime_kind { MIME_LEAF, MIME_MULTIPART, MIME_MESSAGE };

/* Takes a token, or several joined by '/', off *v, and comments and blanks
 * before it. */
struct view mime_token(struct view *v);
/* What a Content-Type of that value (empty: there is none) begins; *value
 * becomes its parameters.  in_digest: it is a part's of multipart/digest;
 * *digest: it is one. */
enum mime_kind mime_kind(struct view *value, bool in_digest, bool *digest);
/* A multipart with these parameters begins; one without a boundary has no
 * parts.  False: it is too deep, or its boundary too long. */
bool mime_enter(struct mime_levels *, struct view parameters, bool digest);
/* Is line, without its end, a boundary of a multipart that we are in?  Then all
 * inside of that has ended, and *last: it, too. */
bool mime_boundary(struct mime_levels *, struct view line, bool *last);
#endif
