#ifndef COMMON_SASLPREP_H
#define COMMON_SASLPREP_H
/*
 * SASLprep (RFC 4013), by which user names and passwords are the same although
 * they were typed in another way: a profile of stringprep (RFC 3454), whose
 * Unicode is 3.2.  Pure.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/view.h"

enum saslprep {
	SASLPREP_QUERY, /* what somebody sends: unassigned characters may be
			 * in it (RFC 3454 7) */
	SASLPREP_STORED /* what is kept, or keys are made of: they may not */
};

/* Puts the form of v that all have in common into out, with a NUL behind it,
 * and gives its length.  0: it is no UTF-8, has a character that may not be in
 * it, mixes directions in a way that it may not (RFC 3454 6), leaves nothing,
 * or does not fit; out is "" then.  Leaves no copy of v anywhere else. */
size_t saslprep(struct view v, enum saslprep, char *out, size_t size);
#endif
