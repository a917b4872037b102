#ifndef SPOOL_TORN_H
#define SPOOL_TORN_H
/*
 * What a power cut leaves of an append of ours: the mailbox ends early, or some
 * sectors of its end are zeros.  Where that took the From_ line, what is left
 * would belong to the message before it, or, at the start of the mailbox, be no
 * mbox at all.  So the zeros there, and only they, become a From_ line (the
 * text behind it is then a message of its own); one that ends with the file is
 * completed.  No other octet is ever changed, and a From_ line that is whole is
 * left alone, so it does not matter whether the place is the right one.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"
#include "spool/mbox.h"

enum {
	TORN_LINE = 1024, /* a longer line is no From_ line */
	TORN_UNIT = 64	  /* zeros end at a multiple of it, or with the file */
};

/* Under the exclusive mailbox lock: mends what is at that offset, where a
 * message is thought to begin, and flushes.  *mended: there was something. */
enum status torn_mend(int mbox, uint64_t at, bool *mended);
/* The first place from *at on, the end of the file excepted, where zeros stand
 * behind a blank line or begin the file.  ERR_GONE: there is none.  told (may
 * be NULL) is told how far it is. */
enum status torn_find(int mbox, uint64_t *at, mbox_told *told, void *arg);
/* Mends all of these, or does not with only_look, and tells found of each. */
enum status torn_each(int mbox, bool only_look, mbox_told *told,
    mbox_told *found, void *arg);
#endif
