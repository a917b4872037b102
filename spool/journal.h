#ifndef SPOOL_JOURNAL_H
#define SPOOL_JOURNAL_H
/*
 * The redo journal of an update in progress: the file `journal` in the state
 * directory of the mailbox' owner.  spool/update.c draws the protocol; here is
 * the file.  Empty or absent: there is no update.
 *
 *      0  header: which mailbox, how many ranges are removed
 *    512  mark A   the mark with the higher number counts; they are
 *   1024  mark B   written in turn, so that one is always whole
 *   4096  the removed ranges, ascending
 *      .  the data of one window, at the next multiple of 4096
 *
 * Header and ranges are durable before the first mark is written: without a
 * mark nothing has begun.  All numbers are 64 bits in host order.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

struct range {
	uint64_t offset, length;
};

/* How far the update is.  dest: everything before it in the mailbox is as it
 * shall be. */
struct mark {
	uint64_t number;
	uint64_t kind;     /* MARK_* */
	uint64_t dest;
	uint64_t length;   /* octets of data to be put at dest; 0: none */
	uint64_t sum;      /* of the data */
	uint64_t size;     /* of the mailbox before it is cut */
	uint64_t tail_sum; /* of its last octets, see journal_tail() */
};
enum {
	MARK_MOVE = 1,
	MARK_CUT = 2 /* all is moved: the mailbox is to be cut at dest */
};

struct journal {
	int fd;
	struct range *del;  /* owned */
	size_t n;
	uint64_t removed;   /* octets in all of them */
	uint64_t dev, ino;  /* of the mailbox */
	uint64_t window;    /* octets of data at most */
	uint64_t data;      /* where they are */
	struct mark mark;   /* the last one; number 0: none yet */
};

/* A checksum against torn writes, not against anybody. */
struct sum {
	uint64_t lane[4];
	uint64_t length;
	unsigned char rest[32];
};
void sum_start(struct sum *);
void sum_add(struct sum *, const void *p, size_t n);
uint64_t sum_end(struct sum *);
/* Of n octets of a file. */
enum status sum_file(int fd, uint64_t at, uint64_t n, uint64_t *sum);

/* The part of a mailbox that nothing touches until it is cut: the last octets
 * before `size`, at most 64 KiB and at most as many as are removed. */
void journal_tail(const struct journal *, uint64_t size, struct range *tail);

/* Writes header and ranges to the (empty) journal, flushes them, and reserves
 * room for the data; where the disk is too full for it j->window is made
 * smaller, down to 64 KiB.  reserve: octets, 0: there will be no data.  On
 * failure nothing is left.  del, n, removed, dev, ino, window are set by the
 * caller; the caller frees with journal_free in any case. */
enum status journal_create(struct journal *j, int state_dir, uint64_t reserve);
/* Writes m, with the next number, in the place of the older mark, and flushes
 * it and what data was written. */
enum status journal_mark(struct journal *j, const struct mark *m);
/* Opens what a crash left.  OK and j->fd == -1: nothing.  OK and
 * j->mark.number == 0: an update that had not begun.  ERR_DAMAGED: it is no
 * journal. */
enum status journal_open(struct journal *j, int state_dir);
/* The update is over. */
enum status journal_clear(struct journal *j);
/* As journal.bad it is out of the way. */
enum status journal_set_aside(int state_dir);
/* Is there one? */
bool journal_pending(int state_dir);
void journal_free(struct journal *j);
#endif
