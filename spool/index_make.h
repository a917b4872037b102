#ifndef SPOOL_INDEX_MAKE_H
#define SPOOL_INDEX_MAKE_H
/*
 * Making the index of a mailbox, and carrying it along when messages are
 * removed (spool/index.h).  The caller is the owner of the mailbox.
 */
#include <stdbool.h>
#include <stdint.h>

#include "spool/index.h"
#include "spool/update.h"

struct index_job {
	int mbox; /* open for reading */
	int state_dir;
	bool mboxrd;
	bool uids;	   /* unique-ids as well */
	int64_t lock_wait; /* ms */
	/* May be NULL: of the octets, or the unique-ids, so many are done. */
	void (*progress)(
	    void *arg, const char *what, uint64_t done, uint64_t all);
	void *arg;
};
/* Brings the index up to date: nothing if it is, from the tail if the mailbox
 * only grew, else anew.  Takes the mailbox lock, shared, while it scans, and
 * for a few hundred unique-ids at a time.  Memory: index_number_copies().
 * ERR_BUSY: somebody holds the mailbox or writes the index.
 * ERR_GONE: the mailbox is empty and needs none. */
enum status index_make(const struct index_job *);

/* Around the removal of messages, under the exclusive mailbox lock.  Between
 * the two the index is void. */
struct index_removal {
	struct index ix;
	int state_dir;
};
void index_remove_begin(struct index_removal *, int state_dir, int mbox);
/* removed false: nothing was, or nobody knows what; the index goes. */
void index_remove_end(struct index_removal *, int mbox,
    const struct update_del *del, unsigned n, bool removed);
/* Whatever there is, it describes another mailbox. */
void index_drop(int state_dir);
#endif
