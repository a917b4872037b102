#ifndef SPOOL_INDEX_FORMAT_H
#define SPOOL_INDEX_FORMAT_H
/*
 * What reading and writing an index share; see spool/index.h.
 */
#include <stdint.h>
#include <time.h>

#include "spool/journal.h"

/* "pennypi1" where the numbers have this host's order.  The last digit is the
 * version: another one is another format, and the index is made anew. */
#define INDEX_MAGIC UINT64_C(0x70656e6e79706931)

enum {
	INDEX_BLOCK = 4096,
	INDEX_LAST = 1024, /* octets of the last message that are compared */
	INDEX_TAIL = 64,   /* and of the end */
	INDEX_SETTLED_MS = 2000
};

static inline int64_t
index_ns(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
#endif
