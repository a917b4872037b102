#ifndef SPOOL_LOCK_H
#define SPOOL_LOCK_H
/*
 * Locks.  All are fcntl open-file-description locks on the whole file (start 0,
 * length 0): they travel with the descriptor and die with its last copy, and
 * exclude the POSIX fcntl locks of other programs.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"

/* Without waiting.  OK, ERR_BUSY, or another status.  A write lock needs a
 * descriptor open for writing. */
enum status lock_try(int fd, bool exclusive);
/* Waits at most ms, by trying again in growing steps (1 ms ... 20 ms): for
 * processes that serve one mailbox only. */
enum status lock_wait(int fd, bool exclusive, int64_t ms);
void lock_release(int fd);
/* Does path (relative to dirfd) still name the file that fd is?  nlink is
 * looked at too.  False also when it cannot be told. */
bool lock_same_file(int fd, int dirfd, const char *name);

/* The dotlock NAME.lock, O_EXCL, in a directory that the caller may write; text
 * inside is "pid host time\n".  Without waiting: ERR_BUSY if there is one that
 * is not stale.  Stale: our own host's, and its pid is dead. */
enum status dotlock_take(int dirfd, const char *mailbox_name);
void dotlock_release(int dirfd, const char *mailbox_name);
/* Is the dotlock one that this process made and has not released? */
bool dotlock_own(int dirfd, const char *mailbox_name);
#endif
