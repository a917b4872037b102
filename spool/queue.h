#ifndef SPOOL_QUEUE_H
#define SPOOL_QUEUE_H
/*
 * The queue directory.
 *
 *	lock       held (write) by the one process that hands out
 *	deposit    held (read) by every process that deposits
 *	incoming/  records being written; worth nothing
 *	active/    published records, one file each, named by queue id
 *	hold/      published records that somebody keeps from being handed out
 *	damaged/   records that do not check; looked after by a human
 *
 * A record is published by a rename from incoming/ to active/, after its file
 * is flushed; the message is accepted when active/ is flushed, too.  No name is
 * ever overwritten.  All in active/ is of use, whatever crashed when.
 *
 * active/ is one flat directory: so many records that are published together
 * need one flush of a directory, and the file systems that matter find names in
 * a directory of a million by a tree.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/status.h"
#include "spool/envelope.h"

struct queue {
	int incoming, active, hold, damaged; /* directories, owned */
	int lock, deposit;	       /* owned */
	bool runner;		       /* this process holds lock */
	int64_t touched_ns;	       /* see queue_touched */
	unsigned spool_serial;
};

/* Opens the queue in the directory dir (borrowed), making what is missing, and
 * tries to become the runner.  Refused (ERR_UNSAFE): a directory that is not
 * the caller's, or may be written by others.  why: one line. */
enum status queue_open(struct queue *, int dir, char *why, size_t why_size);
void queue_close(struct queue *);
/* Tries to become the runner.  OK: it is; ERR_BUSY: another process is. */
enum status queue_run(struct queue *);
/* Removes what crashes left in incoming/, unless another process deposits now.
 * Returns the number of files removed. */
unsigned queue_sweep(struct queue *);
/* For those that only deposit: tells the runner to look (queue_touched). */
void queue_touch(struct queue *);
/* Whether somebody touched since the last call. */
bool queue_touched(struct queue *);

/* An empty file without a name, open for reading and writing; -1: *st. */
int queue_spool(struct queue *, enum status *st);
/* Would size octets more leave `keep` octets on the disk to this user?
 * ERR_NOSPACE: they would not. */
enum status queue_space(struct queue *, uint64_t size, uint64_t keep);
/* Creates the record id in incoming/.  ERR_INVALID: that id is there already,
 * or published. */
int queue_create(struct queue *, const char *id, enum status *st);
void queue_forget(struct queue *, const char *id); /* from incoming/ */

/* A record to publish.  When it fails, nothing of it is left. */
struct publication {
	char id[ENVELOPE_ID_MAX + 1];
	int content;	 /* owned: append length octets of it first, from
			  * offset on; -1: none */
	uint64_t offset;
	uint64_t length; /* ERR_INVALID: the file is shorter */
	enum status status; /* out */
};
/* Publishes n (at most QUEUE_PUBLISH_MAX) records together, which needs fewer
 * flushes than one by one.  OK in status: that message survives a power cut. */
enum { QUEUE_PUBLISH_MAX = 32 };
void queue_publish(struct queue *, struct publication *, unsigned n);

/* A published record, open. */
struct record {
	int fd;		 /* for reading and writing, owned; -1: none */
	int read_fd;	 /* for reading only, to be given away, owned; -1 */
	struct buf text; /* owned; the envelope borrows from it */
	struct envelope env;
};
/* ERR_DAMAGED: *why says what is wrong, or ERR_GONE, ERR_IO, ERR_NOMEM ...;
 * *out is closed then. */
enum status queue_load(
    struct queue *, const char *id, struct record *out, const char **why);
/* The first n octets of the content.  ERR_DAMAGED: it has fewer now. */
enum status queue_record_read(const struct record *, char *p, size_t n);
/* Descriptor for reading only, that may be given away; -1: *st. */
int queue_record_reader(struct queue *, struct record *, enum status *st);
/* Writes the state of recipient i into the record.  It is not flushed: after a
 * power cut (not after a crash) a delivery may be repeated. */
enum status queue_mark(struct record *, unsigned i, char state);
void queue_unload(struct record *);

/* Removes a published record: each of its recipients is done. */
enum status queue_remove(struct queue *, const char *id);
/* Moves a published record to damaged/; name_out (at least 64) is its name
 * there. */
enum status queue_set_aside(
    struct queue *, const char *id, char *name_out, size_t size);
/* A published record to hold/, and back; it is flushed.  ERR_GONE: it is not
 * there; ERR_INVALID: there is one of that id. */
enum status queue_hold(struct queue *, const char *id);
enum status queue_release(struct queue *, const char *id);
/* Those in hold/: as queue_load and queue_remove. */
enum status queue_load_held(
    struct queue *, const char *id, struct record *out, const char **why);
enum status queue_remove_held(struct queue *, const char *id);
/* Calls found() for each id in active/, in no order.  Other names there are
 * counted in *foreign. */
enum status queue_scan(struct queue *, void (*found)(void *arg, const char *id),
    void *arg, unsigned *foreign);
#endif
