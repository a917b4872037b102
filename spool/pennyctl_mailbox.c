/* pennyctl mailbox verify, repair, reindex, stat.  Runs in: pennyctl, as the
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

static int
open_state(const struct ctl_box *b, const char *name)
{
	return openat(b->state, name,
	    O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static bool
exists(const struct ctl_box *b, const char *name)
{
	struct stat sb;

	return fstatat(b->state, name, &sb, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- verify ---- */

struct verify {
	struct ctl_box *box;
	struct index ix;
	bool indexed; /* it is to be compared */
	uint64_t n, octets, wire, size;
	uint32_t last_flags;
	unsigned found;
};

__attribute__((format(printf, 2, 3))) static void
found(struct verify *v, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ctl_progress_end();
	printf("%s: %s\n", v->box->user.name, text);
	v->found++;
}

static void
compare(struct verify *v, const struct mbox_msg *m)
{
	unsigned char uid[16];
	struct index_entry e;
	struct mbox_msg is;

	if (v->n >= v->ix.h.n)
		return;
	enum status st = index_get(&v->ix, v->n, &e);
	if (st != OK) {
		found(v, "index: message %" PRIu64 ": %s", v->n + 1,
		    status_text(st));
		v->indexed = false;
		return;
	}
	index_msg(&e, &is);
	/* The last one may have got its blank line since. */
	if (memcmp(&is, m, sizeof(is)) != 0 && v->n + 1 < v->ix.h.n) {
		found(v,
		    "index: message %" PRIu64 " is at octet %" PRIu64
		    ", not as the index has it",
		    v->n + 1, m->offset);
		v->indexed = false;
		return;
	}
	if (v->n < v->ix.h.uids &&
	    (mbox_unique_id(v->box->mbox, m, uid) != OK ||
		memcmp(uid, e.uid, sizeof(uid)) != 0))
		found(v,
		    "index: message %" PRIu64 " at octet %" PRIu64
		    " was written over: another unique-id",
		    v->n + 1, m->offset);
}

static enum status
verify_message(void *arg, const struct mbox_msg *m)
{
	struct verify *v = arg;

	if (v->indexed)
		compare(v, m);
	v->n++;
	v->wire += m->wire;
	v->last_flags = m->flags;
	if (v->n % 1024 == 0)
		ctl_progress(NULL, "octets", m->offset, v->size);
	return OK;
}

/* The mailbox itself, and the index beside it, under one lock. */
static enum status
verify_mailbox(struct verify *v)
{
	struct ctl_box *b = v->box;
	struct stat sb;
	int fd = open_state(b, "index");

	if (fstat(b->mbox, &sb) == -1)
		return status_from_errno(errno);
	v->size = (uint64_t)sb.st_size;
	if (fd != -1 && index_open(fd, &v->ix) != OK) {
		found(v, "index: damaged");
	} else if (fd != -1) {
		bool mboxrd = b->settings->quoting_mboxrd;
		v->indexed =
		    index_fits(&v->ix, b->mbox, &sb, mboxrd) != INDEX_STALE;
	}
	enum status st = mbox_scan_from(b->mbox, 0, v->size,
	    b->settings->quoting_mboxrd, verify_message, v);
	if (st == ERR_DAMAGED) {
		found(v, "mailbox: octet 0: no From_ line: this is no mbox; "
			 "repair mends what a power cut tore");
		return OK;
	}
	if (st == OK && (v->last_flags & MBOX_NO_BLANK) != 0)
		found(v,
		    "mailbox: octet %" PRIu64
		    ": the last message has no blank line behind it",
		    v->size);
	return st;
}

static void
verify_state(struct verify *v)
{
	struct ctl_box *b = v->box;
	struct uidl u;
	int fd = open_state(b, "uidl");

	if (journal_pending(b->state))
		found(v, "journal: an update was cut short; pop3d or repair "
			 "finishes it");
	if (exists(b, "journal.bad"))
		found(v, "journal.bad: an update that could not be finished");
	if (fd != -1) {
		enum status st = uidl_load(fd, &u);
		if (st != OK)
			found(v, "uidl: %s", status_text(st));
		uidl_free(&u);
		close(fd);
	} else if (exists(b, "uidl")) {
		found(v, "uidl: cannot be opened");
	}
}

int
ctl_verify(struct ctl_box *b, char **argv)
{
	struct verify v = { .box = b, .ix = { .fd = -1 } };
	enum status st = lock_wait_state(
	    b->mbox, false, b->settings->mailbox_lock_wait, b->state);

	(void)argv;
	if (st == OK) {
		verify_state(&v);
		st = verify_mailbox(&v);
		lock_release(b->mbox);
	}
	index_close(&v.ix);
	ctl_progress_end();
	if (st != OK) {
		ctl_say(b, "%s", status_text(st));
		return CTL_FAILED;
	}
	if (v.found == 0)
		printf(
		    "%s: %" PRIu64 " messages, no fault\n", b->user.name, v.n);
	return v.found == 0 ? CTL_FINE : CTL_FOUND;
}

/* ---- repair ---- */

static enum status
nothing(void *arg, const struct mbox_msg *m)
{
	*(struct mbox_msg *)arg = *m;
	return OK;
}

/* The blank line behind the last message. */
static enum status
close_tail(struct ctl_box *b)
{
	struct mbox_msg last = { .flags = 0 };
	struct stat sb;
	char end = '\n';

	if (fstat(b->mbox, &sb) == -1)
		return status_from_errno(errno);
	uint64_t size = (uint64_t)sb.st_size;
	enum status st = mbox_scan_from(
	    b->mbox, 0, size, b->settings->quoting_mboxrd, nothing, &last);
	if (st != OK || (last.flags & MBOX_NO_BLANK) == 0)
		return st;
	st = file_read_at(b->mbox, &end, 1, size - 1);
	if (st == OK)
		st = file_write_at(b->mbox, "\n\n", end == '\n' ? 1 : 2, size);
	if (st == OK)
		st = file_flush(b->mbox);
	if (st == OK)
		printf("%s: closed the last message\n", b->user.name);
	return st;
}

static void
say_mended(struct ctl_box *b)
{
	printf("%s: what a power cut left of a message is a message of its "
	       "own now\n",
	    b->user.name);
}

/* Where zeros took a From_ line. */
static enum status
mend_torn(struct ctl_box *b)
{
	uint64_t at = 0;
	enum status st;

	while ((st = torn_find(b->mbox, &at)) == OK) {
		bool mended;
		st = torn_mend(b->mbox, at, &mended);
		if (st != OK)
			return st;
		if (mended)
			say_mended(b);
		at++;
	}
	return st == ERR_GONE ? OK : st;
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
	int fd = open_state(b, "append");
	intent_init();
	if (st == OK)
		st = intent_recover(fd, b->mbox, &gone, &mended);
	close_fd(&fd);
	if (mended)
		say_mended(b);
	if (gone > 0)
		printf("%s: cut off %" PRIu64
		       " octets of a delivery that was interrupted\n",
		    b->user.name, gone);
	if (st == OK)
		st = mend_torn(b);
	return st == OK ? close_tail(b) : st;
}

static enum status
repair_uidl(struct ctl_box *b)
{
	struct uidl u;
	int fd = open_state(b, "uidl");

	if (fd == -1)
		return OK;
	enum status st = uidl_load(fd, &u);
	uidl_free(&u);
	close(fd);
	if (st != ERR_DAMAGED && st != ERR_LIMIT)
		return st;
	if (renameat(b->state, "uidl", b->state, "uidl.bad") == -1)
		return status_from_errno(errno);
	printf("%s: set uidl aside as uidl.bad\n", b->user.name);
	return OK;
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
		st = repair_uidl(b);
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

static enum status
count(void *arg, const struct mbox_msg *m)
{
	struct verify *v = arg;

	v->n++;
	v->wire += m->wire;
	return OK;
}

int
ctl_stat(struct ctl_box *b, char **argv)
{
	struct verify v = { .box = b, .ix = { .fd = -1 } };
	struct stat sb;
	uint64_t from = 0;
	int fd = open_state(b, "index");
	enum status st = lock_wait_state(
	    b->mbox, false, b->settings->mailbox_lock_wait, b->state);

	(void)argv;
	if (st == OK && fstat(b->mbox, &sb) == -1)
		st = status_from_errno(errno);
	if (st != OK)
		goto out;
	bool mboxrd = b->settings->quoting_mboxrd;
	if (fd != -1 && index_open(fd, &v.ix) == OK &&
	    index_fits(&v.ix, b->mbox, &sb, mboxrd) != INDEX_STALE &&
	    index_tail(&v.ix, b->mbox, &sb, &v.n, &from) == OK &&
	    v.n == v.ix.h.n) {
		v.wire = v.ix.h.wire;
		v.indexed = true;
	} else {
		v.n = from = 0;
	}
	uint64_t indexed = v.n;
	st = mbox_scan_from(
	    b->mbox, from, (uint64_t)sb.st_size, mboxrd, count, &v);
	lock_release(b->mbox);
	if (st == OK)
		printf("%s: %" PRIu64 " messages, %" PRIu64
		       " octets by POP3, %" PRIu64 " in the file; %" PRIu64
		       " in the index, %" PRIu64 " with unique-ids\n",
		    b->user.name, v.n, v.wire, (uint64_t)sb.st_size, indexed,
		    v.indexed ? v.ix.h.uids : 0);
out:
	index_close(&v.ix);
	if (st != OK)
		ctl_say(b, "%s",
		    st == ERR_DAMAGED ? "this is no mbox" : status_text(st));
	return st == OK ? CTL_FINE : CTL_FAILED;
}
