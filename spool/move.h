#ifndef SPOOL_MOVE_H
#define SPOOL_MOVE_H
/*
 * The part of an update that moves octets: from a mark in the journal to the
 * mailbox without the removed ranges.  For update_run() and update_recover(),
 * which differ only in where they start.
 */
#include "spool/journal.h"

/* Where the octets come from that shall be at dest. */
uint64_t move_source(const struct journal *j, uint64_t dest);
/* Moves everything behind dest, cuts the mailbox, and clears the journal.
 * size: of the mailbox.  *begun (may be NULL) is set before the mailbox is
 * first written to.  OK: it is durable. */
enum status move_all(struct journal *j, int mbox, uint64_t dest, uint64_t size,
    bool *begun);
/* The journal's data for its mark: put where they belong, if they are whole and
 * the mailbox wants them.  *dest: how far the mailbox is then.  ERR_DAMAGED:
 * neither they nor the mailbox are what they should be; nothing was written. */
enum status move_replay(struct journal *j, int mbox, uint64_t *dest);
#endif
