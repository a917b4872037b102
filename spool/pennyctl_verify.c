/* pennyctl mailbox verify: every invariant of a mailbox and of what lies beside
 * it.  Runs in: pennyctl, as the owner of the mailbox. */
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

#include "common/msg.h"
#include "spool/index.h"
#include "spool/intent.h"
#include "spool/journal.h"
#include "spool/lock.h"
#include "spool/torn.h"
#include "spool/uidl.h"

const char *const ctl_beside[] = { "lock", "append", "login", "journal",
	"index", "uidl", NULL };

int
ctl_open_beside(const struct ctl_box *b, const char *name)
{
	return openat(b->state, name,
	    O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

bool
ctl_unfit(const struct ctl_box *b, const char *name)
{
	struct stat sb;

	return fstatat(b->state, name, &sb, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (!S_ISREG(sb.st_mode) || sb.st_uid != b->user.uid ||
		   sb.st_nlink > 1 || (sb.st_mode & 0600) != 0600);
}

static bool
exists(const struct ctl_box *b, const char *name)
{
	struct stat sb;

	return fstatat(b->state, name, &sb, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- the mailbox and its index ---- */

struct verify {
	struct ctl_pass pass; /* first: ctl_tell() gets it as such */
	struct index ix;
	bool indexed; /* it is to be compared */
	/* of the messages that the index has, when it has them all */
	uint64_t indexed_wire, indexed_copies;
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
	printf("%s: %s\n", v->pass.box->user.name, text);
	v->found++;
}

static void
compare(struct verify *v, const struct mbox_msg *m)
{
	unsigned char uid[16];
	struct index_entry e;
	struct mbox_msg is;

	if (v->pass.n >= v->ix.h.n)
		return;
	enum status st = index_get(&v->ix, v->pass.n, &e);
	if (st != OK) {
		found(v, "index: message %" PRIu64 ": %s", v->pass.n + 1,
		    status_text(st));
		v->indexed = false;
		return;
	}
	index_msg(&e, &is);
	v->indexed_wire += e.wire;
	v->indexed_copies += v->pass.n < v->ix.h.uids && e.copy > 1;
	/* The last one may have got its blank line since. */
	if (memcmp(&is, m, sizeof(is)) != 0 && v->pass.n + 1 < v->ix.h.n) {
		found(v,
		    "index: message %" PRIu64 " is at octet %" PRIu64
		    ", not as the index has it",
		    v->pass.n + 1, m->offset);
		v->indexed = false;
		return;
	}
	if (v->pass.n < v->ix.h.uids &&
	    (mbox_unique_id(v->pass.box->mbox, m, uid) != OK ||
		memcmp(uid, e.uid, sizeof(uid)) != 0))
		found(v,
		    "index: message %" PRIu64 " at octet %" PRIu64
		    " was written over: another unique-id",
		    v->pass.n + 1, m->offset);
}

static enum status
verify_message(void *arg, const struct mbox_msg *m)
{
	struct verify *v = arg;

	if (v->indexed)
		compare(v, m);
	return ctl_count(&v->pass, m);
}

/* What the index says of all its messages together. */
static void
compare_sums(struct verify *v)
{
	const struct index_head *h = &v->ix.h;

	if (!v->indexed)
		return;
	if (v->pass.n < h->n)
		found(v,
		    "index: has %" PRIu64 " messages, the mailbox %" PRIu64,
		    h->n, v->pass.n);
	else if (v->indexed_wire != h->wire)
		found(v,
		    "index: its messages have %" PRIu64 " octets by POP3, "
		    "not %" PRIu64 " as it says",
		    v->indexed_wire, h->wire);
	else if (v->indexed_copies != h->copies)
		found(v,
		    "index: %" PRIu64 " of its messages equal others, not "
		    "%" PRIu64 " as it says",
		    v->indexed_copies, h->copies);
}

static void
tell_zeros(void *arg, uint64_t at)
{
	const struct verify *v = arg;

	ctl_progress(NULL, "zeros", at, v->pass.size);
}

static void
found_torn(void *arg, uint64_t at)
{
	found(arg,
	    "mailbox: octet %" PRIu64 ": a power cut took a From_ line; repair "
	    "gives it one",
	    at);
}

/* The mailbox itself, and the index beside it, under one lock. */
static enum status
verify_mailbox(struct verify *v)
{
	struct ctl_box *b = v->pass.box;
	struct stat sb;
	int fd = ctl_open_beside(b, "index");

	if (fstat(b->mbox, &sb) == -1)
		return status_from_errno(errno);
	v->pass.size = (uint64_t)sb.st_size;
	if (fd != -1 && index_open(fd, &v->ix) != OK) {
		found(v, "index: damaged");
	} else if (fd != -1) {
		bool mboxrd = b->settings->quoting_mboxrd;
		v->indexed =
		    index_fits(&v->ix, b->mbox, &sb, mboxrd) != INDEX_STALE;
	}
	enum status st = mbox_scan_told(b->mbox, 0, v->pass.size,
	    b->settings->quoting_mboxrd, verify_message, ctl_tell, v);
	if (st == ERR_DAMAGED) {
		found(v, "mailbox: octet 0: no From_ line: this is no mbox; "
			 "repair mends what a power cut tore");
		return OK;
	}
	if (st == OK && (v->pass.last & MBOX_NO_BLANK) != 0)
		found(v,
		    "mailbox: octet %" PRIu64
		    ": the last message has no blank line behind it",
		    v->pass.size);
	if (st == OK)
		compare_sums(v);
	return st != OK ? st
			: torn_each(b->mbox, true, tell_zeros, found_torn, v);
}

/* ---- what lies beside it ---- */

static void
verify_uidl(struct verify *v)
{
	struct uidl u;
	int fd = ctl_open_beside(v->pass.box, "uidl");

	if (fd == -1)
		return;
	enum status st = uidl_load(fd, &u);
	close(fd);
	if (st != OK) {
		found(v, "uidl: %s", status_text(st));
		return;
	}
	struct view twin;
	st = uidl_twin(&u, &twin);
	if (st != OK)
		found(v, "uidl: %s", status_text(st));
	else if (twin.n > 0)
		found(v, "uidl: %.*s is there twice", (int)twin.n, twin.p);
	uidl_free(&u);
}

static void
verify_state(struct verify *v)
{
	struct ctl_box *b = v->pass.box;
	uint64_t at;
	int fd = ctl_open_beside(b, "append");

	for (size_t i = 0; ctl_beside[i] != NULL; i++)
		if (ctl_unfit(b, ctl_beside[i]))
			found(v,
			    "%s: is no plain file that only the user has, with "
			    "mode 0600",
			    ctl_beside[i]);
	if (journal_pending(b->state))
		found(v, "journal: an update was cut short; pop3d or repair "
			 "finishes it");
	if (exists(b, "journal.bad"))
		found(v, "journal.bad: an update that could not be finished");
	intent_init();
	if (fd != -1 && intent_left(fd, b->mbox, &at))
		found(v,
		    "append: a delivery died behind octet %" PRIu64
		    "; the next one or repair cuts off what it left",
		    at);
	close_fd(&fd);
	verify_uidl(v);
}

int
ctl_verify(struct ctl_box *b, char **argv)
{
	struct verify v = { .pass.box = b, .ix = { .fd = -1 } };
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
		printf("%s: %" PRIu64 " messages, no fault\n", b->user.name,
		    v.pass.n);
	return v.found == 0 ? CTL_FINE : CTL_FOUND;
}
