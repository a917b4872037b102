#ifndef SPOOL_INTENT_H
#define SPOOL_INTENT_H
/*
 * What an append is about to write: the file `append` in the state directory of
 * the mailbox' owner.  Written before the first octet of a batch, void before
 * anybody is told that the batch is durable.  So whoever finds it, under the
 * mailbox lock, knows that its writer died and that nothing behind `offset` was
 * acknowledged: that is cut off again.
 *
 * It is never flushed, and speaks only for the boot of the host in which it was
 * written: within it every process sees what the last one wrote.  After a power
 * cut, or from another host, nothing is cut off, and the torn tail is closed
 * with a newline and kept like anybody else's.  But where it lost its From_
 * line it is given one, to be a message of its own: at the start of the
 * mailbox, and where a record that reached the disk says that an append began
 * (spool/torn.h). Without such a record it is text behind the message before
 * it, until `pennyctl mailbox repair` looks for it.  (A record that is true
 * after a power cut would have to reach the disk before the mailbox does, and
 * its end before the answer: three flushes for one.  And one whose end was not
 * flushed, found on the disk, would name octets that have been acknowledged
 * since, and that mutt may have rewritten: cutting these off loses mail,
 * keeping a torn tail does not.)
 *
 * It is believed only if the mailbox has the named octets at the named place
 * and no From_ line behind it but those it names: another program may have come
 * in between.  The file is the owner's; who lies in it loses the end of his own
 * mailbox.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"
#include "common/view.h"

enum { INTENT_MESSAGES = 64, INTENT_HEAD = 256 };

struct intent {
	uint64_t magic;
	unsigned char boot[16];
	uint64_t dev, ino;
	uint64_t offset;		 /* the mailbox ended here */
	uint64_t n;			 /* messages begun */
	uint64_t start[INTENT_MESSAGES]; /* their From_ lines */
	uint64_t head_n;
	char head[INTENT_HEAD]; /* the first octets written at offset */
	uint64_t check;
};

/* Once, before privileges are given up: which boot this is.  Without it there
 * are no intents. */
void intent_init(void);
bool intent_possible(void);
/* Says what is about to be written: all of it that is known. */
enum status intent_write(int fd, struct intent *);
/* It is over. */
void intent_clear(int fd);
/* Under the exclusive mailbox lock: cuts off what a writer that died left, or
 * mends what a power cut left of it.  *gone: octets that were cut off.  fd -1:
 * there is no record.  OK also when there is nothing to do. */
enum status intent_recover(int fd, int mbox, uint64_t *gone, bool *mended);
/* Under the mailbox lock: did a writer of this boot die behind octet *at?
 * Nothing is changed. */
bool intent_left(int fd, int mbox, uint64_t *at);
#endif
