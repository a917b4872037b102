/* Durable append to an mbox.  Runs in: append. */
#define _GNU_SOURCE
#include "spool/append.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/file.h"
#include "common/log.h"
#include "common/utf8.h"
#include "spool/intent.h"
#include "spool/wire.h"

enum {
	WRITE_AT = 1 << 20, /* octets gathered before they are written */
	READ_PIECE = 65536, /* of a message in a file */
	OUT_MAX = WRITE_AT + 4 * READ_PIECE
};

/* Where the batch goes. */
struct sink {
	const struct append_target *to;
	struct intent intent; /* what was begun */
	uint64_t said;	      /* of its messages, how many it tells of */
	int fd;
	uint64_t at;	/* where the next octet goes */
	bool tried;	/* something may have been written */
	struct buf out; /* not yet written */
};

/* ---- fields ---- */

static bool
printable(const char *s)
{
	struct view v = view_of(s);

	return v.n <= APPEND_FIELD_MAX && utf8_printable(v);
}

bool
append_fields_ok(const struct append_msg *m)
{
	return printable(m->sender) && printable(m->original_to) &&
	       printable(m->delivered_to);
}

/* "From sender Thu Nov 20 22:00:00 2026", UTC.  A blank in the sender (a quoted
 * local part may have one) would end it early for whoever reads the line. */
static void
put_from_line(struct buf *out, const char *sender, int64_t now)
{
	char date[64];
	time_t t = (time_t)now;
	struct tm tm;

	buf_adds(out, "From ");
	if (sender[0] == '\0')
		buf_adds(out, "MAILER-DAEMON");
	for (const char *p = sender; *p != '\0'; p++)
		buf_addc(out, *p == ' ' ? '_' : *p);
	if (gmtime_r(&t, &tm) == NULL || tm.tm_year + 1900 < 0 ||
	    tm.tm_year + 1900 > 9999 ||
	    strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", &tm) == 0)
		memcpy(date, "Thu Jan  1 00:00:00 1970",
		    sizeof("Thu Jan  1 00:00:00 1970"));
	buf_addf(out, " %s\n", date);
}

void
append_put_head(struct buf *out, const struct append_msg *m, int64_t now)
{
	put_from_line(out, m->sender, now);
	buf_addf(out, "Return-Path: <%s>\n", m->sender);
	buf_addf(out, "X-Original-To: %s\n", m->original_to);
	buf_addf(out, "Delivered-To: %s\n", m->delivered_to);
}

/* The file is somebody else's and may change while it is read; what it says of
 * room is not this disk's. */
static enum status
read_content(const struct append_msg *m, char *out, size_t n, uint64_t at)
{
	enum status st = file_read_at(m->file, out, n, at);

	return st == OK ? OK : st == ERR_CHANGED ? ERR_INVALID : ERR_IO;
}

enum status
append_skip(struct append_msg *m)
{
	char line[APPEND_FIELD_MAX + 20], start[sizeof(line)];
	int len = snprintf(
	    line, sizeof(line), "Delivered-To: %s\r\n", m->delivered_to);
	size_t n = len < 0 ? sizeof(line) : (size_t)len;
	enum status st = OK;

	if (n >= sizeof(line) ||
	    n > (m->file != -1 ? m->length : (uint64_t)m->content.n))
		return OK;
	if (m->file == -1)
		memcpy(start, m->content.p, n);
	else
		st = read_content(m, start, n, m->offset);
	if (st != OK || memcmp(start, line, n) != 0)
		return st;
	if (m->file == -1) {
		m->content.p += n;
		m->content.n -= n;
	} else {
		m->offset += n;
		m->length -= n;
	}
	return OK;
}

/* ---- writing ---- */

/* Before it is done. */
static enum status
say_intent(struct sink *s)
{
	struct intent *in = &s->intent;

	if (s->tried && s->said == in->n)
		return OK;
	if (!s->tried) {
		in->head_n = s->out.n < INTENT_HEAD ? s->out.n : INTENT_HEAD;
		memcpy(in->head, s->out.p, (size_t)in->head_n);
	}
	s->said = in->n;
	return intent_write(s->to->intent, in);
}

static enum status
drain(struct sink *s)
{
	if (s->out.n == 0)
		return OK;
	if (s->to->size_max > 0 && s->at + s->out.n > s->to->size_max)
		return ERR_QUOTA;
	if (s->to->intent != -1) {
		enum status said = say_intent(s);
		if (said != OK)
			return said;
	}
	s->tried = true;
	enum status st = file_write_at(s->fd, s->out.p, s->out.n, s->at);
	if (st != OK) /* some of it may be there: see only_ours() */
		return st;
	s->at += s->out.n;
	buf_clear(&s->out);
	return OK;
}

static enum status
put_content(struct sink *s, struct mbox_writer *w, struct view piece)
{
	/* In pieces, so that one that grows by quoting still fits. */
	while (piece.n > 0) {
		size_t n = piece.n < READ_PIECE ? piece.n : READ_PIECE;
		if (!wire_to_mbox(w, (struct view){ piece.p, n }, &s->out))
			return ERR_NOMEM;
		piece.p += n;
		piece.n -= n;
		enum status st = s->out.n < WRITE_AT ? OK : drain(s);
		if (st != OK)
			return st;
	}
	return OK;
}

static enum status
put_file(struct sink *s, struct mbox_writer *w, const struct append_msg *m)
{
	static char piece[READ_PIECE];
	uint64_t at = m->offset, left = m->length;

	if (at > INT64_MAX || left > INT64_MAX - at)
		return ERR_INVALID;
	while (left > 0) {
		size_t want =
		    left < sizeof(piece) ? (size_t)left : sizeof(piece);
		enum status st = read_content(m, piece, want, at);
		if (st == OK)
			st = put_content(s, w, (struct view){ piece, want });
		if (st != OK)
			return st;
		at += want;
		left -= want;
	}
	return OK;
}

static enum status
put_message(
    struct sink *s, const struct append_msg *m, bool mboxrd, int64_t now)
{
	struct append_msg rest = *m;
	struct mbox_writer w;
	enum status st = append_fields_ok(m) ? append_skip(&rest) : ERR_INVALID;

	if (st != OK)
		return st;
	/* One that is not told of is not cut off. */
	if (s->intent.n < INTENT_MESSAGES)
		s->intent.start[s->intent.n++] = s->at + s->out.n;
	append_put_head(&s->out, m, now);
	mbox_writer_init(&w, mboxrd);
	if (m->file != -1)
		st = put_file(s, &w, &rest);
	else
		st = put_content(s, &w, rest.content);
	if (st == OK && !wire_to_mbox_end(&w, &s->out))
		st = ERR_NOMEM;
	return s->out.bad ? ERR_NOMEM : st;
}

/* What is missing behind the last message of the file, so that a From_ line at
 * its end is one: a line feed, a blank line, or both. */
static enum status
put_closing(struct sink *s, uint64_t size)
{
	char end[2] = { '\n', '\n' };
	size_t want = size < 2 ? (size_t)size : 2;
	enum status st = file_read_at(s->fd, end + 2 - want, want, size - want);

	if (st != OK) /* that it cannot be read says nothing of its room */
		return ERR_IO;
	if (end[1] != '\n')
		buf_adds(&s->out, "\n\n");
	else if (end[0] != '\n')
		buf_adds(&s->out, "\n");
	return OK;
}

/* Is what lies behind the last whole write the beginning of the one that
 * failed, and nothing else? */
static enum status
only_ours(const struct sink *s, uint64_t size, bool *ours)
{
	static char piece[READ_PIECE];
	enum status st = OK;

	*ours = size <= s->at + s->out.n;
	for (uint64_t at = s->at; st == OK && *ours && at < size;) {
		size_t n = size - at < sizeof(piece) ? (size_t)(size - at)
						     : sizeof(piece);
		st = file_read_at(s->fd, piece, n, at);
		*ours =
		    st == OK && memcmp(piece, s->out.p + (at - s->at), n) == 0;
		at += n;
	}
	*ours = *ours && file_has_size(s->fd, size); /* that took a while */
	return st;
}

/* The file as it was.  If even that fails the next append closes the torn tail
 * and some of a message that was not acknowledged stays.  So it does where
 * somebody who minds no lock has written behind us: that is not cut off. */
static bool
cut_back(const struct sink *s, uint64_t before)
{
	struct stat now;
	bool ours = false;
	enum status st = fstat(s->fd, &now) == -1
			     ? status_from_errno(errno)
			     : only_ours(s, (uint64_t)now.st_size, &ours);

	if (st == OK && !ours) {
		log_error("error: somebody wrote behind a torn message, which "
			  "stays: a program that minds no locks");
		return true;
	}
	if (st == OK && (uint64_t)now.st_size > before)
		st = file_cut(s->fd, before);
	if (st == OK)
		st = file_flush(s->fd);
	if (st != OK)
		log_error("error: cannot cut off a torn message: %s",
		    status_text(st));
	return st == OK;
}

/* One buffer for all batches of the process; it grows to what is needed. */
static struct buf kept;

static enum status
put_batch(struct sink *s, const struct append_msg *m, unsigned n, bool mboxrd,
    int64_t now)
{
	enum status st = put_closing(s, s->at);

	for (unsigned i = 0; st == OK && i < n; i++) {
		st = put_message(s, &m[i], mboxrd, now);
		if (st == OK && s->out.n >= WRITE_AT)
			st = drain(s);
	}
	if (st == OK)
		st = drain(s);
	return st == OK ? file_flush(s->fd) : st;
}

/* The end of a batch, before anybody is told. */
static void
settle(struct sink *s, enum status st, uint64_t size)
{
	bool cut = st == OK || !s->tried || cut_back(s, size);

	/* What could not be cut off now is cut off by the next of us. */
	if (s->to->intent != -1 && s->said > 0 && cut)
		intent_clear(s->to->intent);
}

static enum status
recover(const struct append_target *to)
{
	uint64_t gone = 0;
	bool mended;
	enum status st = intent_recover(to->intent, to->mbox, &gone, &mended);

	if (gone > 0)
		log_info("cut off %llu octets of a delivery that was "
			 "interrupted",
		    (unsigned long long)gone);
	if (mended)
		log_warn("warning: a power cut tore a message; what is left of "
			 "it is a message of its own");
	return st;
}

enum status
append_to(const struct append_target *to, const struct append_msg *m,
    unsigned n, int64_t now)
{
	struct stat before;
	enum status st = recover(to);

	if (st != OK)
		return st;
	if (fstat(to->mbox, &before) == -1)
		return status_from_errno(errno);
	if (kept.max == 0)
		buf_init(&kept, OUT_MAX);
	buf_clear(&kept);
	struct sink s = { .to = to,
		.fd = to->mbox,
		.at = (uint64_t)before.st_size,
		.out = kept,
		.intent = { .dev = before.st_dev,
		    .ino = before.st_ino,
		    .offset = (uint64_t)before.st_size } };
	st = put_batch(&s, m, n, to->mboxrd, now);
	settle(&s, st, (uint64_t)before.st_size);
	kept = s.out;
	return st;
}

enum status
append_batch(
    int fd, const struct append_msg *m, unsigned n, bool mboxrd, int64_t now)
{
	return append_to(
	    &(struct append_target){
		.mbox = fd, .intent = -1, .mboxrd = mboxrd },
	    m, n, now);
}
