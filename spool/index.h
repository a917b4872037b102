#ifndef SPOOL_INDEX_H
#define SPOOL_INDEX_H
/*
 * The index of a mailbox: the file `index` in its owner's state directory.
 * Where each message lies, its size on the wire, its unique-id as far as that
 * was computed.  It may be deleted at any time.
 *
 * Who writes it: only a child of the maildrop role that has become the owner,
 * from what it read in the mailbox itself; nothing in it comes from a worker.
 * A session whose index is missing or far behind waits for such a child; a
 * short tail is scanned by the worker in its own memory; the child that removes
 * messages carries the index along.  Nothing is flushed: after a power cut it
 * is checked like any other.
 *
 * Who reads it: the worker, from a descriptor it was handed, with pread, a
 * block at a time, so that a session needs 4 KiB for ten million messages, and
 * a few more while it lists them.
 *
 * What it is believed: nothing.  The owner can write what he likes there, and
 * so can a crash.  Header and blocks have checksums; a block is bound to its
 * header by a random number that is drawn anew with each file; the entries of
 * a block must follow each other without a gap and end inside the mailbox.
 * Against the mailbox are checked device, inode, size, mtime and ctime; where
 * one of them differs, or the ctime was younger than two seconds when the index
 * was made (so that a later change may have got the same one), the start of the
 * last message and the end of what was indexed.  A lie that gets through all
 * that shows the owner his own octets in the wrong pieces; it removes nothing,
 * because the update looks at the messages themselves (spool/update.h).
 *
 *       0  header
 *    4096  block 0, block 1, ...: 4096 octets, INDEX_ENTRIES messages each
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/status.h"
#include "spool/mbox.h"

enum {
	INDEX_ENTRIES = 84,
	INDEX_UID = 0x100 /* in flags, beside MBOX_*: uid is known */
};

struct index_entry {
	uint64_t offset, length, wire; /* as in struct mbox_msg */
	uint16_t from_len;
	uint16_t flags;
	uint32_t copy; /* this is the copy-th message of this uid; from 1 */
	unsigned char uid[16];
};
struct index_block {
	uint64_t id;	 /* the header's */
	uint32_t number; /* of the block */
	uint32_t n;	 /* entries in it */
	uint64_t check;
	struct index_entry e[INDEX_ENTRIES];
	unsigned char unused[40];
};
struct index_head {
	uint64_t magic, id;
	uint64_t n;	 /* messages */
	uint64_t uids;	 /* of the first `uids` uid and copy are known */
	uint64_t copies; /* of those, how many have copy > 1 */
	uint64_t size;	 /* octets of the mailbox that they fill */
	uint64_t wire;	 /* sum of their sizes on the wire */
	uint64_t mboxrd; /* quoting that the sizes are for */
	uint64_t dev, ino, file_size;
	int64_t mtime_ns, ctime_ns;
	uint64_t settled;    /* ctime was old enough */
	uint64_t last_check; /* of the last block */
	uint64_t last_sum;   /* of the start of the last message */
	uint64_t tail_sum;   /* of the end of what was indexed */
	uint64_t check;
};

/* An open index. */
struct index {
	int fd; /* owned; -1: none */
	struct index_head h;
	struct index_block block; /* the last that was read */
};

/* How it fits a mailbox. */
enum index_fit {
	INDEX_STALE, /* it does not */
	INDEX_GREW,  /* what it covers is there; look behind it */
	INDEX_SAME   /* nothing has changed */
};

/* Takes fd and reads the header.  ERR_DAMAGED: it is no index, and fd is
 * closed. */
enum status index_open(int fd, struct index *ix);
void index_close(struct index *ix);
/* The caller holds the mailbox lock; sb is of mbox. */
enum index_fit index_fits(
    const struct index *ix, int mbox, const struct stat *sb, bool mboxrd);
/* The ctime of sb in nanoseconds if, being the same again, it proves that
 * nobody wrote since; 0: the file was written to so lately that the next write
 * may get the same. */
int64_t index_settled_ctime(const struct stat *sb);
/* After index_fits, which did not say INDEX_STALE: the first *base messages of
 * the index count, and from offset *from on the mailbox must be scanned. */
enum status index_tail(struct index *ix, int mbox, const struct stat *sb,
    uint64_t *base, uint64_t *from);
/* Entry i < h.n.  ERR_DAMAGED: its block does not check. */
enum status index_get(struct index *ix, uint64_t i, struct index_entry *e);
/* For long lists: reads the blocks from that of entry i on at once into b, at
 * most max of them.  How many of them check, from the first; entries that count
 * are those before h.n. */
size_t index_blocks(
    const struct index *ix, uint64_t i, struct index_block *b, size_t max);
void index_msg(const struct index_entry *e, struct mbox_msg *m);

/* ---- parts of its making, spool/index_write.c ---- */

/* Entries are added in their order; a header makes them count. */
struct index_writer {
	int fd;		     /* borrowed */
	struct index_head h; /* wire is the caller's business */
	struct index_block block;
	uint64_t last; /* offset of the last entry */
};
uint64_t index_block_check(const struct index_block *);
uint64_t index_head_check(const struct index_head *);
enum status index_block_read(
    int fd, const struct index_head *, uint64_t number, struct index_block *);
enum status index_block_write(int fd, struct index_block *);
/* The sums over the mailbox that h's last message asks for. */
enum status index_sums(int mbox, const struct index_head *h,
    uint64_t last_offset, uint64_t *last_sum, uint64_t *tail_sum);

/* A new index in fd, which is empty. */
enum status index_write_new(struct index_writer *, int fd, bool mboxrd);
/* Goes on in ix behind its first n entries. */
enum status index_write_at(struct index_writer *, struct index *ix, uint64_t n);
enum status index_write_add(struct index_writer *, const struct index_entry *);
/* The last block and the header.  The caller holds the mailbox lock. */
enum status index_write_end(struct index_writer *, int mbox);
/* The unique-ids of all are there: numbers those that are equal, and sets
 * h.copies, looking at about `part` messages at a time: with INDEX_PART that
 * takes 40 MiB at most, however many there are.  The header is the caller's
 * business. */
enum { INDEX_PART = 1 << 20 };
enum status index_number_copies(struct index *ix, uint64_t part);
/* The header of ix again, for the mailbox as it is now. */
enum status index_seal(struct index *ix, int mbox);
#endif
