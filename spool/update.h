#ifndef SPOOL_UPDATE_H
#define SPOOL_UPDATE_H
/*
 * The UPDATE state (RFC 1939 6): removes messages from an mbox in place.  The
 * inode never changes, nothing is renamed, and a crash at any moment leaves the
 * mailbox as before or as after, once update_recover() has run.
 *
 * The caller is the owner of the mailbox and holds nothing; this takes the
 * mailbox lock, and needs about one MiB of memory.  Nothing deleted: nothing
 * written.  The last messages deleted: truncate.  Else a redo journal in the
 * state directory, in windows, as drawn in update.c.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"

struct update_del {
	uint64_t offset, length;
	unsigned char uid[16];
};
struct update_job {
	int mbox;         /* open for reading and writing */
	int mbox_dir;     /* the spool directory, for stat and the dotlock */
	const char *mbox_name;
	int state_dir;    /* .pennypost/USER, see state.h */
	int64_t lock_wait; /* ms */
	bool dotlock;
	uint64_t dev, ino, size; /* when the session scanned it */
	int64_t ctime_ns; /* then, if it was at least two seconds old and the
			   * file lies on a local disk; 0: not known.  If it is
			   * still the same, nobody wrote, and only the first
			   * and the last message are looked at. */
	const struct update_del *del; /* ascending offsets */
	unsigned n;
	uint64_t window;  /* octets of journal data at once; 0: 64 MiB */
};
/* OK: all removed, and durable.  ERR_CHANGED: another program changed the
 * mailbox, nothing was written.  ERR_BUSY: a lock was not to be had.  On any
 * other status either nothing was written, or update_unfinished(): then
 * update_recover() must run before anybody else looks at the mailbox, and a
 * dotlock that this took stays.  What was appended since the scan is kept. */
enum status update_run(const struct update_job *);
/* Is there an update that was not finished? */
bool update_unfinished(int state_dir);
/* Finishes what a crash interrupted, if anything; the caller holds the
 * exclusive mailbox lock.  May itself be interrupted and repeated.  OK also
 * when there was nothing to do.  What somebody appended meanwhile is kept.
 * ERR_DAMAGED: the journal does not fit the file; it was set aside
 * (journal.bad) and nothing was changed. */
enum status update_recover(int mbox, int state_dir);
#endif
