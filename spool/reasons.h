#ifndef SPOOL_REASONS_H
#define SPOOL_REASONS_H
/*
 * Why a recipient has not got a message yet, for those who ask (control.h).
 * Kept in memory and of bounded number: an old one makes room for another, and
 * after a start there are none.  Runs in: queue.
 */
#include "common/view.h"

/* Recipient i of the message; text is cut if it is long. */
void reasons_note(struct view id, unsigned i, const char *text);
/* "": not known.  Borrowed, until the next note. */
const char *reasons_find(struct view id, unsigned i);
#endif
