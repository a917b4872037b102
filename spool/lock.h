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
/* The same, with the turnstile closed while it waits. */
enum status lock_wait_turn(int fd, bool exclusive, int64_t ms, int turnstile);
/* With that of the mailbox whose state directory this is; for its owner. */
enum status lock_wait_state(int fd, bool exclusive, int64_t ms, int state_dir);
void lock_release(int fd);

/* The turnstile of a mailbox: the file `append` of the state directory
 * (spool/intent.h).  Deliveries without a pause would keep everybody out who
 * tries the mailbox lock now and then.  So who waits for it (a POP3 session, an
 * update, pennyctl) holds a read lock on the whole of this file meanwhile, and
 * appends that find one do not begin.  Nobody takes a write lock.
 *
 * It is the owner's file: who holds the lock for ever only keeps mail waiting
 * in the queue that would come into that mailbox.  -1 stands for none, with all
 * three. */
enum { TURNSTILE_MS = 2000 }; /* an append that waits longer finds it busy */
#define TURNSTILE_FILE "append"
/* Of one's own state directory; -1: there is none, so nothing was delivered. */
int turnstile_open(int state_dir);
void turnstile_close(int fd); /* to appends; opened by turnstile_leave() */
void turnstile_leave(int fd);
bool turnstile_closed(int fd);
/* Does path (relative to dirfd) still name the file that fd is?  nlink is
 * looked at too.  False also when it cannot be told. */
bool lock_same_file(int fd, int dirfd, const char *name);

/* The locks of a mailbox that lies under this name: the one on the file first,
 * then the dotlock without waiting, and neither while the other cannot be had,
 * as others take them the other way round.  Then it is still the file of that
 * name, or it is ERR_CHANGED. */
struct lock_both {
	int fd;
	bool shared;
	int dirfd;
	const char *name; /* NULL: the lock on the file, whatever its name is */
	/* Makes the dotlock, or removes it; NULL: none is wanted. */
	enum status (*dotlock)(const struct lock_both *, bool take);
	const char *user; /* whose it is, for dotlock() */
	int64_t lock_wait;
	int turnstile;
};
/* Without waiting. */
enum status lock_try_both(const struct lock_both *);
/* Tries for at most lock_wait ms, with the turnstile closed meanwhile. */
enum status lock_take_both(const struct lock_both *);
void lock_release_both(const struct lock_both *);
/* A dotlock() for a process that may make one itself.  Where its user may not
 * (ERR_PERM), no other program of the user's can, and it does without. */
enum status dotlock_here(const struct lock_both *, bool take);

/* The dotlock NAME.lock, O_EXCL, in a directory that the caller may write; text
 * inside is "pid host time\n".  Without waiting: ERR_BUSY if there is one that
 * is not stale.  Stale: our own host's, and its pid is dead. */
enum status dotlock_take(int dirfd, const char *mailbox_name);
void dotlock_release(int dirfd, const char *mailbox_name);
/* Is the dotlock one that this process made and has not released? */
bool dotlock_own(int dirfd, const char *mailbox_name);
#endif
