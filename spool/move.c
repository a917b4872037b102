/*
 * Moves what is kept over what is removed.  Runs in: maildrop's children.
 * The protocol is drawn in spool/update.c.
 */
#define _GNU_SOURCE /* sync_file_range */
#include "spool/move.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"

enum { PIECE = 1 << 20 };

struct move {
	struct journal *j;
	int mbox;
	uint64_t size; /* of the mailbox */
	uint64_t dest; /* all before is moved */
	uint64_t src;  /* of what is moved next */
	size_t next;   /* the next removed range behind src */
	char *buf;     /* piece octets */
	size_t piece;
	bool *begun;
};

static void
seek_dest(struct move *m, uint64_t dest)
{
	const struct journal *j = m->j;

	m->dest = m->src = dest;
	for (m->next = 0; m->next < j->n; m->next++) {
		if (j->del[m->next].offset > m->src)
			break;
		m->src += j->del[m->next].length;
	}
}

uint64_t
move_source(const struct journal *j, uint64_t dest)
{
	struct journal copy = *j;
	struct move m = { .j = &copy };

	seek_dest(&m, dest);
	return m.src;
}

static enum status
move_open(struct move *m, struct journal *j, int mbox, uint64_t size)
{
	*m = (struct move){ .j = j, .mbox = mbox, .size = size };
	m->piece = j->window < PIECE ? (size_t)j->window : PIECE;
	m->buf = malloc(m->piece);
	return m->buf == NULL ? ERR_NOMEM : OK;
}

/* Reads at most max octets (and at most a piece) of what is kept.  *n is 0 only
 * at the end. */
static enum status
gather(struct move *m, uint64_t max, size_t *n)
{
	const struct journal *j = m->j;
	size_t room = max < m->piece ? (size_t)max : m->piece;

	*n = 0;
	while (*n < room && m->src < m->size) {
		bool more = m->next < j->n;
		uint64_t end = more ? j->del[m->next].offset : m->size;
		size_t k = room - *n;
		if (m->src == end) {
			m->src += j->del[m->next++].length;
			continue;
		}
		if (k > end - m->src)
			k = (size_t)(end - m->src);
		enum status st = file_read_at(m->mbox, m->buf + *n, k, m->src);
		if (st != OK)
			return st;
		m->src += k;
		*n += k;
	}
	return OK;
}

/* Lets the disk begin with what a flush will wait for. */
static void
begin_writing(int fd, uint64_t at, uint64_t n)
{
	sync_file_range(fd, (off_t)at, (off_t)n, SYNC_FILE_RANGE_WRITE);
}

static enum status
put(struct move *m, size_t n, uint64_t at)
{
	if (m->begun != NULL)
		*m->begun = true;
	enum status st = file_write_at(m->mbox, m->buf, n, at);
	if (st == OK)
		begin_writing(m->mbox, at, n);
	return st;
}

/* Copies the journal's data to the mailbox. */
static enum status
put_data(struct move *m, uint64_t dest, uint64_t length)
{
	enum status st = OK;
	uint64_t at = 0;

	while (st == OK && at < length) {
		size_t n = m->piece;
		if (n > length - at)
			n = (size_t)(length - at);
		st = file_read_at(m->j->fd, m->buf, n, m->j->data + at);
		if (st == OK)
			st = put(m, n, dest + at);
		at += n;
	}
	return st == OK ? file_flush(m->mbox) : st;
}

/* A mark at dest, without data. */
static enum status
mark(struct move *m, uint64_t kind)
{
	struct mark k = { .kind = kind, .dest = m->dest, .size = m->size };
	struct range tail;

	journal_tail(m->j, m->size, &tail);
	enum status st =
	    sum_file(m->mbox, tail.offset, tail.length, &k.tail_sum);
	return st == OK ? journal_mark(m->j, &k) : st;
}

/* One window through the journal. */
static enum status
step_journal(struct move *m)
{
	struct mark k = { .kind = MARK_MOVE, .dest = m->dest, .size = m->size };
	uint64_t window = m->j->window;
	enum status st = OK;
	struct range tail;
	struct sum sum;
	size_t n = 1;

	sum_start(&sum);
	while (st == OK && k.length < window) {
		/* Far enough for steps without a journal? */
		if (k.length >= window / 4 &&
		    m->src - m->dest - k.length >= window / 4)
			break;
		st = gather(m, window - k.length, &n);
		if (st != OK || n == 0)
			break;
		sum_add(&sum, m->buf, n);
		st = file_write_at(m->j->fd, m->buf, n, m->j->data + k.length);
		if (st == OK)
			begin_writing(m->j->fd, m->j->data + k.length, n);
		k.length += n;
	}
	k.sum = sum_end(&sum);
	journal_tail(m->j, m->size, &tail);
	if (st == OK)
		st = sum_file(m->mbox, tail.offset, tail.length, &k.tail_sum);
	if (st == OK)
		st = journal_mark(m->j, &k);
	if (st == OK)
		st = put_data(m, k.dest, k.length);
	m->dest += k.length;
	return st;
}

/* As much as goes over what has been moved or is removed already: its source is
 * whole until the next step. */
static enum status
step_gap(struct move *m)
{
	uint64_t limit = m->src;
	enum status st = OK;
	size_t n = 1;

	if (m->j->mark.number == 0)
		st = mark(m, MARK_MOVE);
	while (st == OK && n > 0 && m->dest < limit) {
		uint64_t max = m->piece - m->dest % m->piece;
		if (max > limit - m->dest)
			max = limit - m->dest;
		st = gather(m, max, &n);
		if (st == OK && n > 0)
			st = put(m, n, m->dest);
		m->dest += n;
	}
	if (st == OK)
		st = file_flush(m->mbox);
	return st == OK ? mark(m, MARK_MOVE) : st;
}

static enum status
move_steps(struct move *m)
{
	enum status st = OK;

	while (st == OK && m->dest < m->size - m->j->removed) {
		uint64_t gap = m->src - m->dest;
		if (gap >= m->j->window / 4 ||
		    gap >= m->size - m->j->removed - m->dest)
			st = step_gap(m);
		else
			st = step_journal(m);
	}
	return st;
}

/* Does somebody append without a lock?  That moves, too. */
static enum status
look_again(struct move *m, bool *grew)
{
	struct stat sb;

	*grew = false;
	if (fstat(m->mbox, &sb) == -1)
		return status_from_errno(errno);
	if ((uint64_t)sb.st_size < m->size)
		return ERR_DAMAGED;
	*grew = (uint64_t)sb.st_size > m->size;
	m->size = (uint64_t)sb.st_size;
	return OK;
}

/* Everything is moved and durable, and so is the mark that says so. */
static enum status
finish(struct move *m)
{
	enum status st = file_cut(m->mbox, m->dest);

	if (st == OK)
		st = file_flush(m->mbox);
	/* It is done.  A journal that cannot be cleared says so itself. */
	if (st == OK)
		journal_clear(m->j);
	return st;
}

enum status
move_all(struct journal *j, int mbox, uint64_t dest, uint64_t size, bool *begun)
{
	struct move m;
	bool grew = false;
	enum status st = move_open(&m, j, mbox, size);

	m.begun = begun;
	seek_dest(&m, dest);
	if (st == OK && j->mark.number > 0) /* with the size of now */
		st = mark(&m, MARK_MOVE);
	do {
		if (grew)
			st = mark(&m, MARK_MOVE);
		if (st == OK)
			st = move_steps(&m);
		if (st == OK)
			st = look_again(&m, &grew);
		if (st == OK && !grew) {
			st = mark(&m, MARK_CUT);
			/* That took a flush. */
			if (st == OK)
				st = look_again(&m, &grew);
		}
	} while (st == OK && grew);
	if (st == OK)
		st = finish(&m);
	free(m.buf);
	return st;
}

/* ---- after a crash ---- */

static bool
sum_is(enum status *st, enum status got, uint64_t sum, uint64_t want)
{
	/* A file that is too short holds something else. */
	if (got != OK && got != ERR_CHANGED && *st == OK)
		*st = got;
	return got == OK && sum == want;
}

/* The checksum of what would be moved to dest. */
static enum status
sum_source(struct move *m, uint64_t dest, uint64_t length, uint64_t *sum)
{
	enum status st = OK;
	uint64_t done = 0;
	struct sum s;
	size_t n = 1;

	seek_dest(m, dest);
	sum_start(&s);
	for (; st == OK && done < length && n > 0; done += n) {
		st = gather(m, length - done, &n);
		if (st == OK)
			sum_add(&s, m->buf, n);
	}
	*sum = sum_end(&s);
	return st;
}

enum status
move_replay(struct journal *j, int mbox, uint64_t *dest)
{
	const struct mark *k = &j->mark;
	enum status st = OK, got;
	struct move m;
	uint64_t sum;

	*dest = k->dest;
	if (k->length == 0)
		return OK;
	st = move_open(&m, j, mbox, k->size);
	if (st != OK)
		return st;
	/* Written, but perhaps not in the mailbox. */
	got = sum_file(j->fd, j->data, k->length, &sum);
	if (sum_is(&st, got, sum, k->sum)) {
		*dest = k->dest + k->length;
		st = put_data(&m, k->dest, k->length);
		goto out;
	}
	/* In the mailbox: the journal was being written with the next. */
	got = sum_file(mbox, k->dest, k->length, &sum);
	if (sum_is(&st, got, sum, k->sum)) {
		*dest = k->dest + k->length;
		goto out;
	}
	/* Only the mark was written: nothing was moved. */
	got = sum_source(&m, k->dest, k->length, &sum);
	if (!sum_is(&st, got, sum, k->sum) && st == OK)
		st = ERR_DAMAGED;
out:
	free(m.buf);
	return st;
}
