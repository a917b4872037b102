#ifndef SPOOL_GRANT_GIVE_H
#define SPOOL_GRANT_GIVE_H
/* Handing a mailbox to an append process.  Runs in: deliver. */
#include "common/status.h"
#include "spool/append_grant.h"

/* Makes the channel on which one message may be put into the mailbox fd in the
 * directory dir (intent: -1 unless g says so); all are borrowed.  *end is the
 * asker's, *copy is another descriptor of it, to see when append has closed its
 * own. */
enum status grant_give(const struct grant *g, int fd, int dir, int intent,
    int *end, int *copy);
#endif
