/*
 * The UPDATE state: removes messages from an mbox in place.  Runs in:
 * maildrop's children, which have become the mailbox' owner.
 *
 * What is kept behind the first removed message moves down, over what is
 * removed.  At any moment
 *
 *   0        dest            src                    size
 *   |  done   |  gap: dead    |  still to be moved   |
 *
 * and src - dest is what was removed so far.  The journal (spool/journal.h)
 * says which ranges are removed, which fixes src for every dest, and holds a
 * mark:
 *
 *         journal_create: header and ranges                        F(journal)
 *            |
 *            v    the gap is small: a window through the journal
 *   +--> [ mark ] ---- data, mark(dest, length, sum) ------------- F(journal)
 *   |       |           data to dest ----------------------------- F(mbox) -+
 *   |       |                                                               |
 *   |       |    the gap is large, or as large as the rest: as much as fits |
 *   |       +---------- src to dest, up to where src was --------- F(mbox)  |
 *   |       |           mark(dest) ------------------------------- F(journal)
 *   +-------+---------------------------------------------------------------+
 *           | all is moved
 *           v
 *        mark(CUT) ------------------------------------------------ F(journal)
 *        ftruncate ------------------------------------------------ F(mbox)
 *        the journal is cut to nothing ---------------------------- F(journal)
 *
 * F(x): x is flushed before anything that stands below is written.  Windows and
 * steps follow each other without any further flush.  After a crash:
 *
 *   no mark                 nothing had begun; the journal goes.
 *   mark with data, whole   the data go to dest (again, perhaps), and on.
 *     torn, mbox has the    it was the next window's data that tore: that
 *       sum at dest         window is in the mailbox; on behind it.
 *     torn, the source      the mark was faster than its data: on from dest.
 *       has the sum
 *     torn, nobody has it   somebody else wrote: damaged.
 *   mark without data       on from dest: the source is whole.
 *   CUT, tail unchanged     not cut yet.
 *   CUT, tail changed       it was cut, and perhaps somebody appended.
 *
 * The tail is the end of the dead part that is cut off last; nothing of ours
 * touches it before, so it tells whether the file is the one we left.  A
 * mailbox that grew since is longer than the mark says, and what is behind
 * moves along.
 */
#include "spool/update.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/file.h"
#include "common/msg.h"
#include "spool/index_make.h"
#include "spool/lock.h"
#include "spool/mbox.h"
#include "spool/move.h"

#define WINDOW (UINT64_C(64) << 20)
enum { TAIL_BLANKS = 64 };

/* ---- is it still the mailbox that the session saw? ---- */

static bool
unchanged(const struct update_job *job, const struct stat *sb)
{
	int64_t ctime_ns =
	    sb->st_ctim.tv_sec * INT64_C(1000000000) + sb->st_ctim.tv_nsec;

	return job->ctime_ns != 0 && job->ctime_ns == ctime_ns &&
	       (uint64_t)sb->st_size == job->size;
}

static enum status
check_identity(const struct update_job *job, struct stat *sb)
{
	if (fstat(job->mbox, sb) == -1)
		return status_from_errno(errno);
	if (sb->st_dev != job->dev || sb->st_ino != job->ino ||
	    (uint64_t)sb->st_size < job->size)
		return ERR_CHANGED;
	return OK;
}

/* Every message is the one that was named.  sparse: the file has not changed,
 * so that two of them are proof enough. */
static enum status
check_messages(const struct update_job *job, bool sparse)
{
	unsigned step = sparse && job->n > 1 ? job->n - 1 : 1;

	for (unsigned i = 0; i < job->n; i += step) {
		const struct update_del *d = &job->del[i];
		struct mbox_msg m = { .offset = d->offset,
			.length = d->length };
		unsigned char uid[16];
		enum status st = mbox_unique_id(job->mbox, &m, uid);
		if (st != OK)
			return st;
		if (memcmp(uid, d->uid, sizeof(uid)) != 0)
			return ERR_CHANGED;
	}
	return OK;
}

/* The ranges that go, adjacent messages as one. */
static enum status
make_ranges(const struct update_job *job, struct journal *j)
{
	j->del = calloc(job->n, sizeof(*j->del));
	if (j->del == NULL)
		return ERR_NOMEM;
	for (unsigned i = 0; i < job->n; i++) {
		const struct update_del *d = &job->del[i];
		struct range *last = j->n > 0 ? &j->del[j->n - 1] : NULL;
		uint64_t end = last != NULL ? last->offset + last->length : 0;
		if (d->length == 0 || d->offset < end ||
		    d->offset > job->size || d->length > job->size - d->offset)
			return ERR_INVALID;
		if (last != NULL && d->offset == end)
			last->length += d->length;
		else
			j->del[j->n++] = (struct range){ d->offset, d->length };
		j->removed += d->length;
	}
	return OK;
}

/* Behind every range that goes there must be a separator, or the end. */
static enum status
check_ends(const struct update_job *job, const struct journal *j)
{
	enum status st = OK;

	for (size_t i = 0; st == OK && i < j->n; i++) {
		uint64_t end = j->del[i].offset + j->del[i].length;
		if (end < job->size)
			st = mbox_check_separator(job->mbox, end);
	}
	return st;
}

/* The last message goes, and something was appended since.  It must be
 * messages; the blank lines that whoever wrote them put in front belong to the
 * one that goes. */
static enum status
check_appended(const struct update_job *job, struct journal *j, uint64_t size)
{
	struct range *last = &j->del[j->n - 1];
	char head[TAIL_BLANKS];
	size_t n = sizeof(head), blanks = 0;

	if (size == job->size || last->offset + last->length < job->size)
		return OK;
	if (n > size - job->size)
		n = (size_t)(size - job->size);
	enum status st = file_read_at(job->mbox, head, n, job->size);
	while (st == OK && blanks < n && head[blanks] == '\n')
		blanks++;
	if (st == OK && job->size + blanks < size)
		st = mbox_check_separator(job->mbox, job->size + blanks);
	last->length += blanks;
	j->removed += blanks;
	return st;
}

/* ---- removing ---- */

static enum status
compact(const struct update_job *job, struct journal *j, uint64_t size)
{
	uint64_t dest = j->del[0].offset;
	uint64_t rest = size - j->removed - dest;
	uint64_t gap = j->del[0].length;
	bool begun = false;

	/* A journal that holds only marks when all goes over the gap. */
	bool data = gap < j->window / 4 && gap < rest;
	enum status st = journal_create(j, job->state_dir, data ? rest : 0);
	if (st != OK)
		return st;
	st = move_all(j, job->mbox, dest, size, &begun);
	if (st != OK && !begun)
		journal_clear(j);
	return st;
}

static enum status
remove_messages(const struct update_job *job)
{
	struct journal j = { .fd = -1,
		.dev = job->dev,
		.ino = job->ino,
		.window = job->window != 0 ? job->window : WINDOW };
	struct stat sb;
	enum status st = check_identity(job, &sb);

	if (st != OK)
		return st;
	uint64_t size = (uint64_t)sb.st_size;
	st = make_ranges(job, &j);
	if (st == OK)
		st = check_messages(job, unchanged(job, &sb));
	if (st == OK)
		st = check_ends(job, &j);
	if (st == OK)
		st = check_appended(job, &j, size);
	if (st != OK)
		goto out;
	if (j.n == 1 && j.del[0].offset + j.del[0].length == size) {
		/* Looking at the messages took a while. */
		st = check_identity(job, &sb);
		if (st == OK && !file_has_size(job->mbox, size))
			st = ERR_CHANGED;
		if (st == OK)
			st = file_cut(job->mbox, j.del[0].offset);
		if (st == OK)
			st = file_flush(job->mbox);
	} else {
		st = compact(job, &j, size);
	}
out:
	journal_free(&j);
	return st;
}

/* ---- locks ---- */

enum status
update_run(const struct update_job *job)
{
	if (job->n == 0)
		return OK;
	int turnstile = turnstile_open(job->state_dir);
	const struct lock_both locks = { .fd = job->mbox,
		.dirfd = job->mbox_dir,
		.name = job->mbox_name,
		.dotlock = job->dotlock ? dotlock_here : NULL,
		.lock_wait = job->lock_wait,
		.turnstile = turnstile };
	enum status st = lock_take_both(&locks);
	close_fd(&turnstile);
	if (st != OK)
		return st;
	if (journal_pending(job->state_dir)) {
		/* The session began before this was finished. */
		st = update_recover(job->mbox, job->state_dir);
		if (st == OK)
			st = ERR_CHANGED;
	} else {
		struct index_removal r;
		index_remove_begin(&r, job->state_dir, job->mbox);
		st = remove_messages(job);
		index_remove_end(&r, job->mbox, job->del, job->n, st == OK);
	}
	/* Others stay out of a mailbox that is half moved. */
	if (st != OK && journal_pending(job->state_dir))
		lock_release(job->mbox);
	else
		lock_release_both(&locks);
	return st;
}

/* ---- after a crash ---- */

bool
update_unfinished(int state_dir)
{
	return journal_pending(state_dir);
}

/* The mailbox is the one that the journal was begun for.  A device's number may
 * change when the host starts; the journal lies on the same one. */
static enum status
check_owner(const struct journal *j, const struct stat *mbox)
{
	struct stat sb;

	if (fstat(j->fd, &sb) == -1)
		return status_from_errno(errno);
	if (mbox->st_ino != j->ino ||
	    (mbox->st_dev != j->dev && mbox->st_dev != sb.st_dev))
		return ERR_DAMAGED;
	return OK;
}

/* Is the end of the mailbox as it was left? */
static enum status
check_tail(const struct journal *j, int mbox, uint64_t size, bool *same)
{
	struct range tail;
	uint64_t sum = 0;

	*same = false;
	if (size < j->mark.size)
		return OK;
	journal_tail(j, j->mark.size, &tail);
	enum status st = sum_file(mbox, tail.offset, tail.length, &sum);
	*same = st == OK && sum == j->mark.tail_sum;
	return st;
}

/* What is still to be moved begins and ends where messages do. */
static enum status
check_rest(const struct journal *j, int mbox)
{
	uint64_t src = move_source(j, j->mark.dest + j->mark.length);
	enum status st = OK;

	for (size_t i = 0; st == OK && i < j->n; i++) {
		uint64_t end = j->del[i].offset + j->del[i].length;
		/* The blank line before it must be untouched, too. */
		if (j->del[i].offset < src + 3)
			continue;
		st = mbox_check_separator(mbox, j->del[i].offset);
		if (st == OK && end < j->mark.size)
			st = mbox_check_separator(mbox, end);
	}
	return st == ERR_CHANGED ? ERR_DAMAGED : st;
}

static enum status
finish_update(struct journal *j, int mbox)
{
	struct stat sb;
	uint64_t dest;
	bool same;

	if (fstat(mbox, &sb) == -1)
		return status_from_errno(errno);
	uint64_t size = (uint64_t)sb.st_size;
	enum status st = check_owner(j, &sb);
	if (st == OK)
		st = check_tail(j, mbox, size, &same);
	if (st != OK)
		return st;
	if (!same && (j->mark.kind != MARK_CUT || size < j->mark.dest))
		return ERR_DAMAGED;
	if (!same) {
		st = file_flush(mbox);
		return st == OK ? journal_clear(j) : st;
	}
	st = check_rest(j, mbox);
	if (st == OK)
		st = move_replay(j, mbox, &dest);
	if (st == OK)
		st = move_all(j, mbox, dest, size, NULL);
	return st;
}

enum status
update_recover(int mbox, int state_dir)
{
	struct journal j;
	enum status st = journal_open(&j, state_dir);

	if (st != OK || j.fd != -1)
		index_drop(state_dir);
	if (st == OK && j.fd != -1)
		st = j.mark.number == 0 ? journal_clear(&j)
					: finish_update(&j, mbox);
	if (st == ERR_DAMAGED && journal_set_aside(state_dir) != OK)
		st = ERR_IO;
	journal_free(&j);
	return st;
}
