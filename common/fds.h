#ifndef COMMON_FDS_H
#define COMMON_FDS_H
/*
 * What a child of fork does not keep.
 */
#include <stddef.h>

/* Zeroed memory that children do not have: what the parent writes there after
 * the fork is not copied for them.  Never freed.  NULL: there is none. */
void *alloc_unforked(size_t n);
/* After a fork: closes every descriptor above 2 but those n. */
void fds_keep_only(const int *keep, unsigned n);
#endif
