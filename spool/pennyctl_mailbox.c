/* pennyctl mailbox repair, reindex, stat.  Runs in: pennyctl, as the
 * owner of the mailbox. */
#define _GNU_SOURCE
#include "spool/pennyctl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/msg.h"
#include "spool/index_make.h"
#include "spool/intent.h"
#include "spool/journal.h"
#include "spool/lock.h"
#include "spool/uidl.h"
#include "spool/torn.h"

/* clang-format off */
const struct ctl_verb ctl_mailbox_verbs[] = {
	{ "verify",      "",       0, false, false, ctl_verify,  "looks for faults" },
	{ "repair",      "",       0, true,  false, ctl_repair,  "mends what a crash left" },
	{ "reindex",     "",       0, false, false, ctl_reindex, "makes the index anew" },
	{ "stat",        "",       0, false, false, ctl_stat,    "counts messages and octets" },
	{ "who",         "",       0, false, true,  ctl_who,     "who holds a lock" },
	{ "uidl-import", "SOURCE", 1, false, false, ctl_import,  "keeps another server's ids" },
	{ .name = NULL },
};
/* clang-format on */

enum status
ctl_index(struct ctl_box *b)
{
	enum status st = index_make(&(struct index_job){ .mbox = b->mbox,
	    .state_dir = b->state,
	    .mboxrd = b->settings->quoting_mboxrd,
	    .uids = true,
	    .lock_wait = b->settings->mailbox_lock_wait,
	    .progress = ctl_progress });

	ctl_progress_end();
	return st == ERR_GONE ? OK : st; /* an empty mailbox needs none */
}

/* ---- a pass ---- */

enum status
ctl_count(void *pass, const struct mbox_msg *m)
{
	struct ctl_pass *p = pass;

	p->n++;
	p->wire += m->wire;
	p->last = m->flags;
	return OK;
}

void
ctl_tell(void *pass, uint64_t at)
{
	const struct ctl_pass *p = pass;

	ctl_progress(NULL, "octets", at, p->size);
}

/* ---- repair ---- */

/* The blank line behind the last message. */
static enum status
close_tail(struct ctl_box *b)
{
	struct ctl_pass p = { .box = b };
	struct stat sb;
	char end = '\n';

	if (fstat(b->mbox, &sb) == -1)
		return status_from_errno(errno);
	uint64_t size = p.size = (uint64_t)sb.st_size;
	enum status st = mbox_scan_told(b->mbox, 0, size,
	    b->settings->quoting_mboxrd, ctl_count, ctl_tell, &p);
	if (st != OK || (p.last & MBOX_NO_BLANK) == 0)
		return st;
	st = file_read_at(b->mbox, &end, 1, size - 1);
	if (st == OK)
		st = file_write_at(b->mbox, "\n\n", end == '\n' ? 1 : 2, size);
	if (st == OK)
		st = file_flush(b->mbox);
	ctl_progress_end();
	if (st == OK)
		printf("%s: closed the last message\n", b->user.name);
	return st;
}

static void
say_mended(void *pass, uint64_t at)
{
	const struct ctl_pass *p = pass;

	(void)at;
	ctl_progress_end();
	printf("%s: what a power cut left of a message is a message of its "
	       "own now\n",
	    p->box->user.name);
}

/* Where zeros took a From_ line. */
static enum status
mend_torn(struct ctl_box *b)
{
	struct ctl_pass p = { .box = b };
	struct stat sb;

	if (fstat(b->mbox, &sb) == -1)
		return status_from_errno(errno);
	p.size = (uint64_t)sb.st_size;
	return torn_each(b->mbox, false, ctl_tell, say_mended, &p);
}

static enum status
repair_locked(struct ctl_box *b)
{
	bool pending = journal_pending(b->state);
	enum status st = update_recover(b->mbox, b->state);
	uint64_t gone = 0;
	bool mended = false;

	if (st == ERR_DAMAGED) {
		ctl_say(b, "the journal does not fit the mailbox; it is set "
			   "aside as journal.bad");
		st = OK;
	} else if (st == OK && pending) {
		printf("%s: finished an update\n", b->user.name);
	}
	int fd = ctl_open_beside(b, "append");
	intent_init();
	if (st == OK)
		st = intent_recover(fd, b->mbox, &gone, &mended);
	close_fd(&fd);
	if (mended)
		say_mended(&(struct ctl_pass){ .box = b }, 0);
	if (gone > 0)
		printf("%s: cut off %" PRIu64
		       " octets of a delivery that was interrupted\n",
		    b->user.name, gone);
	if (st == OK)
		st = mend_torn(b);
	return st == OK ? close_tail(b) : st;
}

/* Is it a list of unique-ids as uidl.h has it? */
static enum status
check_uidl(const struct ctl_box *b)
{
	struct view twin = { NULL, 0 };
	struct uidl u;
	int fd = ctl_open_beside(b, "uidl");

	if (fd == -1)
		return OK;
	enum status st = uidl_load(fd, &u);
	if (st == OK)
		st = uidl_twin(&u, &twin);
	if (st == OK && twin.n > 0)
		st = ERR_DAMAGED;
	uidl_free(&u);
	close(fd);
	return st;
}

static enum status
set_aside(struct ctl_box *b, const char *name)
{
	char bad[20];

	snprintf(bad, sizeof(bad), "%s.bad", name);
	/* An older one goes; a directory takes the place of no file. */
	if (unlinkat(b->state, bad, 0) == -1)
		(void)unlinkat(b->state, bad, AT_REMOVEDIR);
	if (renameat(b->state, name, b->state, bad) == -1)
		return status_from_errno(errno);
	printf("%s: set %s aside as %s\n", b->user.name, name, bad);
	return OK;
}

/* What is beside the mailbox.  The journal is update_recover()'s: what it may
 * have to say is never given up here. */
static enum status
repair_state(struct ctl_box *b)
{
	enum status st = OK;

	for (size_t i = 0; st == OK && ctl_beside[i] != NULL; i++)
		if (ctl_unfit(b, ctl_beside[i]) &&
		    strcmp(ctl_beside[i], "journal") != 0)
			st = set_aside(b, ctl_beside[i]);
	if (st == OK) {
		st = check_uidl(b);
		if (st == ERR_DAMAGED || st == ERR_LIMIT)
			st = set_aside(b, "uidl");
	}
	return st;
}

int
ctl_repair(struct ctl_box *b, char **argv)
{
	enum status st = lock_wait_state(
	    b->mbox, true, b->settings->mailbox_lock_wait, b->state);

	(void)argv;
	if (st == OK && !lock_same_file(b->mbox, b->dir, b->path.name))
		st = ERR_CHANGED;
	if (st == OK) {
		st = repair_locked(b);
		lock_release(b->mbox);
	}
	if (st == OK)
		st = repair_state(b);
	if (st == OK) {
		index_drop(b->state);
		st = ctl_index(b);
	}
	if (st != OK) {
		ctl_say(b, "not repaired: %s",
		    st == ERR_DAMAGED ? "this is no mbox" : status_text(st));
		return CTL_FAILED;
	}
	return ctl_verify(b, argv);
}

/* ---- reindex, stat ---- */

int
ctl_reindex(struct ctl_box *b, char **argv)
{
	(void)argv;
	index_drop(b->state);
	enum status st = ctl_index(b);
	if (st == OK)
		return CTL_FINE;
	ctl_say(b, "not indexed: %s", status_text(st));
	return CTL_FAILED;
}

int
ctl_stat(struct ctl_box *b, char **argv)
{
	struct ctl_pass p = { .box = b };
	struct index ix = { .fd = -1 };
	struct stat sb;
	uint64_t from = 0, uids = 0;
	int fd = ctl_open_beside(b, "index");
	enum status st = lock_wait_state(
	    b->mbox, false, b->settings->mailbox_lock_wait, b->state);

	(void)argv;
	if (st == OK && fstat(b->mbox, &sb) == -1)
		st = status_from_errno(errno);
	if (st != OK)
		goto out;
	bool mboxrd = b->settings->quoting_mboxrd;
	if (fd != -1 && index_open(fd, &ix) == OK &&
	    index_fits(&ix, b->mbox, &sb, mboxrd) != INDEX_STALE &&
	    index_tail(&ix, b->mbox, &sb, &p.n, &from) == OK && p.n == ix.h.n) {
		p.wire = ix.h.wire;
		uids = ix.h.uids;
	} else {
		p.n = from = 0;
	}
	uint64_t indexed = p.n;
	p.size = (uint64_t)sb.st_size;
	st = mbox_scan_told(
	    b->mbox, from, p.size, mboxrd, ctl_count, ctl_tell, &p);
	ctl_progress_end();
	lock_release(b->mbox);
	if (st == OK)
		printf("%s: %" PRIu64 " messages, %" PRIu64
		       " octets by POP3, %" PRIu64 " in the file; %" PRIu64
		       " in the index, %" PRIu64 " with unique-ids\n",
		    b->user.name, p.n, p.wire, (uint64_t)sb.st_size, indexed,
		    uids);
out:
	index_close(&ix);
	if (st != OK)
		ctl_say(b, "%s",
		    st == ERR_DAMAGED ? "this is no mbox" : status_text(st));
	return st == OK ? CTL_FINE : CTL_FAILED;
}
