/*
 * The scan: finds the messages of an mbox.  Runs in: worker, maildrop.
 *
 * One pass in pieces that stay in the processor's cache.  Nothing is looked at
 * octet by octet but the lines that begin with "F" or ">": find_line() finds
 * those, count_lf() counts the LFs of what lies between two separators, which
 * is what the size on the wire needs.  Both take 64 octets at a time in the
 * vector types of gcc and clang; a separate pass each is faster than one for
 * both.
 */
#include "spool/mbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 256 * 1024 };

typedef unsigned char octets __attribute__((vector_size(16)));
typedef unsigned long long words __attribute__((vector_size(16)));

struct scan {
	int fd;
	bool mboxrd;
	uint64_t size;	 /* to be scanned */
	char *buf;	 /* PIECE octets */
	uint64_t base;	 /* of buf[0] in the file */
	size_t n;	 /* octets in buf */
	size_t at;	 /* looked at, up to here */
	size_t counted;	 /* LFs counted, up to here */
	bool quote;	 /* at is inside the '>'s at the start of a line */
	uint64_t lf;	 /* LFs of the current message behind its From_ line */
	uint64_t quoted; /* its quoted From_ lines */
	octets eight;	 /* all its octets there, ORed */
	struct mbox_msg msg; /* the current one */
	mbox_found *found;
	mbox_told *told;
	void *arg;
};

static octets
load(const char *p)
{
	octets v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static bool
any(octets v)
{
	words w = (words)v;

	return (w[0] | w[1]) != 0;
}

/* Counts the LFs of n octets, and ORs the octets into *eight. */
static uint64_t
count_lf(const char *p, size_t n, octets *eight)
{
	octets all = *eight;
	uint64_t lf = 0;

	while (n >= 64) {
		size_t blocks = n / 64 < 63 ? n / 64 : 63; /* 4 * 63 < 256 */
		octets sum = { 0 };
		n -= blocks * 64;
		for (; blocks > 0; blocks--, p += 64) {
			octets a = load(p), b = load(p + 16);
			octets c = load(p + 32), d = load(p + 48);
			sum -= (octets)(a == '\n');
			sum -= (octets)(b == '\n');
			sum -= (octets)(c == '\n');
			sum -= (octets)(d == '\n');
			all |= (a | b) | (c | d);
		}
		for (int i = 0; i < 16; i++)
			lf += sum[i];
	}
	for (; n > 0; n--, p++) {
		lf += *p == '\n';
		all[0] |= (unsigned char)*p;
	}
	*eight = all;
	return lf;
}

/* Counts what has not been counted before buf[end]. */
static void
count_to(struct scan *s, size_t end)
{
	s->lf += count_lf(s->buf + s->counted, end - s->counted, &s->eight);
	s->counted = end;
}

/* Which of 16 octets are LFs before a line that is of interest? */
static octets
before_line(const char *p)
{
	octets next = load(p + 1);

	return (octets)(load(p) == '\n') &
	       ((octets)(next == 'F') | (octets)(next == '>'));
}

/* The first LF in p[0..n-1) that a line beginning with F or > follows, else
 * n - 1. */
static size_t
find_line(const char *p, size_t n)
{
	size_t i = 0;

	for (; i + 65 <= n; i += 64) {
		octets a = before_line(p + i) | before_line(p + i + 16) |
			   before_line(p + i + 32) | before_line(p + i + 48);
		if (any(a))
			break;
	}
	for (; i + 1 < n; i++) {
		if (p[i] == '\n' && (p[i + 1] == 'F' || p[i + 1] == '>'))
			return i;
	}
	return n - 1;
}

/* Reads the next piece behind what is kept: everything from `keep` on. */
static enum status
refill(struct scan *s, size_t keep)
{
	if (s->counted < keep)
		count_to(s, keep);
	memmove(s->buf, s->buf + keep, s->n - keep);
	s->base += keep;
	s->n -= keep;
	s->at -= keep;
	s->counted -= keep;
	if (s->told != NULL)
		s->told(s->arg, s->base + s->n);
	while (s->n < PIECE && s->base + s->n < s->size) {
		size_t want = PIECE - s->n;
		if (want > s->size - s->base - s->n)
			want = (size_t)(s->size - s->base - s->n);
		ssize_t n =
		    pread(s->fd, s->buf + s->n, want, (off_t)(s->base + s->n));
		if (n == 0)
			return ERR_CHANGED;
		if (n > 0)
			s->n += (size_t)n;
		else if (errno != EINTR)
			return status_from_errno(errno);
	}
	return OK;
}

/* Is all that there is of the file behind buf[0] in buf? */
static bool
at_end(const struct scan *s)
{
	return s->base + s->n == s->size;
}

/* The message that began last ends before buf[end].  There is a blank line
 * before every separator; only the last message may lack it. */
static enum status
close_message(struct scan *s, size_t end)
{
	struct mbox_msg *m = &s->msg;
	uint64_t at, n;
	bool blank = end >= 2 && memcmp(s->buf + end - 2, "\n\n", 2) == 0;

	count_to(s, end);
	m->length = s->base + end - m->offset;
	if (!blank)
		m->flags |= MBOX_NO_BLANK;
	if (s->quoted > 0)
		m->flags |= MBOX_FROM_QUOTED;
	if (any(s->eight & (octets)(s->eight > 127)))
		m->flags |= MBOX_8BIT;
	mbox_content(m, &at, &n);
	m->wire = n + s->lf - s->quoted;
	if ((m->flags & MBOX_NO_BLANK) == 0)
		m->wire--; /* the LF of the blank line was counted */
	else if (n > 0 && s->buf[end - 1] != '\n')
		m->wire += 2; /* CRLF is added */
	return s->found(s->arg, m);
}

static void
open_message(struct scan *s, size_t at, size_t from_len)
{
	s->msg = (struct mbox_msg){ .offset = s->base + at,
		.from_len = (uint32_t)from_len };
	s->counted = at + from_len;
	s->lf = s->quoted = 0;
	s->eight = (octets){ 0 };
	s->at = s->counted - 1; /* the LF before the next line */
}

/* Looks at the line at buf[at].  Its length, with LF, if it is a From_ line; 0
 * if not; or *more is set: it is not yet there as a whole. */
static size_t
from_line(const struct scan *s, size_t at, bool *more)
{
	size_t n = s->n - at;
	const char *lf;

	*more = false;
	if (n > MBOX_FROM_MAX + 1)
		n = MBOX_FROM_MAX + 1;
	lf = memchr(s->buf + at, '\n', n);
	if (lf == NULL) {
		*more = n <= MBOX_FROM_MAX && !at_end(s);
		return 0;
	}
	n = (size_t)(lf - (s->buf + at));
	return mbox_is_from((struct view){ s->buf + at, n }) ? n + 1 : 0;
}

/* buf[at] is inside the '>'s at the start of a line.  False: what follows them
 * is not yet there. */
static bool
quoted_line(struct scan *s)
{
	while (s->at < s->n && s->buf[s->at] == '>')
		s->at++;
	if (s->n - s->at < 5 && !at_end(s))
		return false;
	if (s->mboxrd && s->n - s->at >= 5 &&
	    memcmp(s->buf + s->at, "From ", 5) == 0)
		s->quoted++;
	s->quote = false;
	return true;
}

/* Is the line empty that ends with the LF at buf[s->at]?  It may have a CR. */
static bool
empty_line(const struct scan *s)
{
	size_t at = s->at;

	if (at > 1 && s->buf[at - 1] == '\r')
		at--;
	return at > 0 && s->buf[at - 1] == '\n';
}

/* Looks through buf as far as it goes. */
static enum status
scan_piece(struct scan *s)
{
	enum status st = OK;
	bool more = false;

	while (st == OK && s->n - s->at >= 2) {
		if (s->quote && !quoted_line(s))
			break;
		if (s->n - s->at < 2)
			break;
		s->at += find_line(s->buf + s->at, s->n - s->at);
		size_t line = s->at + 1;
		if (line == s->n)
			break;
		if (s->buf[line] == '>') {
			s->quote = true;
			s->at = line;
			continue;
		}
		size_t n = 0;
		if (empty_line(s))
			n = from_line(s, line, &more);
		if (more)
			break;
		s->at = line;
		if (n > 0) {
			st = close_message(s, line);
			open_message(s, line, n);
		}
	}
	return st;
}

static enum status
scan_all(struct scan *s)
{
	bool more;
	enum status st = refill(s, 0);

	if (st != OK)
		return st;
	size_t n = from_line(s, 0, &more);
	if (n == 0)
		return ERR_DAMAGED;
	open_message(s, 0, n);
	while (st == OK) {
		st = scan_piece(s);
		if (st != OK || at_end(s))
			break;
		/* The octets before tell whether a line is empty. */
		st = refill(s, s->at > 2 ? s->at - 2 : 0);
	}
	return st == OK ? close_message(s, s->n) : st;
}

enum status
mbox_scan_told(int fd, uint64_t from, uint64_t size, bool mboxrd,
    mbox_found *found, mbox_told *told, void *arg)
{
	struct scan s = { .fd = fd,
		.mboxrd = mboxrd,
		.base = from,
		.size = size,
		.found = found,
		.told = told,
		.arg = arg };

	if (from >= size)
		return from == size ? OK : ERR_INVALID;
	s.buf = malloc(PIECE);
	if (s.buf == NULL)
		return ERR_NOMEM;
	enum status st = scan_all(&s);
	free(s.buf);
	return st;
}

enum status
mbox_scan_from(int fd, uint64_t from, uint64_t size, bool mboxrd,
    mbox_found *found, void *arg)
{
	return mbox_scan_told(fd, from, size, mboxrd, found, NULL, arg);
}

enum status
mbox_list_add(void *list, const struct mbox_msg *m)
{
	struct mbox_list *l = list;

	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 16 : l->cap * 2;
		if (cap > SIZE_MAX / sizeof(*l->msg))
			return ERR_NOMEM;
		struct mbox_msg *msg = realloc(l->msg, cap * sizeof(*msg));
		if (msg == NULL)
			return ERR_NOMEM;
		l->msg = msg;
		l->cap = cap;
	}
	l->msg[l->n++] = *m;
	return OK;
}

enum status
mbox_scan(int fd, uint64_t size, bool mboxrd, struct mbox_list *out)
{
	struct stat sb;

	*out = (struct mbox_list){ .size = size };
	if (fstat(fd, &sb) == -1)
		return status_from_errno(errno);
	if ((uint64_t)sb.st_size < size)
		return ERR_CHANGED;
	out->dev = sb.st_dev;
	out->ino = sb.st_ino;
	out->mtime_ns =
	    sb.st_mtim.tv_sec * INT64_C(1000000000) + sb.st_mtim.tv_nsec;
	out->ctime_ns =
	    sb.st_ctim.tv_sec * INT64_C(1000000000) + sb.st_ctim.tv_nsec;
	return mbox_scan_from(fd, 0, size, mboxrd, mbox_list_add, out);
}

void
mbox_list_free(struct mbox_list *l)
{
	free(l->msg);
	*l = (struct mbox_list){ .msg = NULL };
}

void
mbox_content(const struct mbox_msg *m, uint64_t *offset, uint64_t *length)
{
	*offset = m->offset + m->from_len;
	*length = m->length - m->from_len;
	if ((m->flags & MBOX_NO_BLANK) == 0)
		--*length;
}
