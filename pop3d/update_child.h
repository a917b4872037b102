#ifndef POP3D_UPDATE_CHILD_H
#define POP3D_UPDATE_CHILD_H
/*
 * Changing a mailbox, in a child process that has become its owner for good.
 *
 * A job takes the dotlock if that is configured (the child could not, where the
 * spool belongs to root and a group), forks the child, waits for what it
 * reports within bounded time, and calls done().  When the child dies without a
 * word, or fails when it has begun to move messages, a second one finishes
 * that, still under the dotlock, and done() says ERR_IO unless that shows
 * otherwise. If that one fails, too, the dotlock stays, so that other programs
 * keep out of a half-moved mailbox, and the next job of that mailbox takes it
 * over. Nothing here waits: all of it hangs in the service loop.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/passdb.h"
#include "common/settings.h"
#include "common/status.h"
#include "spool/state.h"
#include "spool/update.h"

enum update_index {
	INDEX_NONE,
	INDEX_EXTENTS,
	INDEX_UNIQUE_IDS,
	INDEX_ANEW /* with unique-ids; what there is was damaged */
};

/* What is to be removed; n == 0: only finish what a crash interrupted, or, with
 * index, bring the index up to date, which changes nothing in the mailbox and
 * takes no dotlock. */
struct update_order {
	struct user user;
	struct mailbox_path path;
	uint64_t dev, ino, size;
	int64_t ctime_ns;	/* as in spool/update.h */
	struct update_del *del; /* malloc'd; taken */
	unsigned n;
	enum update_index index;
};

typedef void update_done(void *arg, enum status st);

/* How the children run, set once: keep_fd (the log's channel, -1: none) is the
 * only descriptor they inherit.  settings: borrowed. */
void update_child_init(const struct settings *, int keep_fd);
/* Begins, or queues behind others.  Takes what o owns.  done is called once,
 * never before this returns.  False: no memory; done will not be called. */
bool update_child_start(
    const struct update_order *o, update_done *done, void *arg);
/* After the loop has ended: waits for what is being changed, so that no lock is
 * left behind. */
void update_child_drain(void);
#endif
