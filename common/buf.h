#ifndef COMMON_BUF_H
#define COMMON_BUF_H
/*
 * A growing octet buffer with a maximum that is fixed when it is made, so that
 * nothing a peer sends can grow it further.  An addition that does not fit, or
 * finds no memory, adds nothing and sets bad, which stays set until buf_clear:
 * a caller may add many pieces and look once.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/view.h"

struct buf {
	char *p;    /* owned; NULL while empty */
	size_t n;   /* octets used */
	size_t cap; /* octets allocated */
	size_t max; /* n never exceeds it */
	bool bad;
};

void buf_init(struct buf *b, size_t max);
bool buf_add(struct buf *b, const void *p, size_t n);
bool buf_addv(struct buf *b, struct view v);
bool buf_adds(struct buf *b, const char *cstr);
bool buf_addc(struct buf *b, char c);
bool buf_addf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Makes room for n more octets and returns where they go: the caller writes
 * there and adds to b->n what it wrote.  NULL (and bad): they do not fit. */
char *buf_room(struct buf *b, size_t n);
struct view buf_view(const struct buf *b); /* dies at the next change */
/* The content as a string; the terminator is not counted.  "" on failure. */
const char *buf_cstr(struct buf *b);
void buf_clear(struct buf *b); /* empty, not bad; keeps the memory */
void buf_free(struct buf *b);  /* frees; the buffer stays usable */
void buf_wipe(struct buf *b);  /* overwrites, then frees */
#endif
