/*
 * The unique-id (RFC 1939 7) of a message.  Runs in: worker, maildrop.
 *
 * SHA-256, cut to 16 octets, over
 *   the From_ line,
 *   the header without the fields that other programs add or change, each line
 *     ended by LF, and an empty line,
 *   the first KiB of the body,
 *   the length of the body in 8 octets, the highest first;
 * blank lines at the end of the body do not count.  Nothing here may change, or
 * everybody downloads everything again.
 */
#include "spool/mbox.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"

enum {
	HEAD = 4096, /* octets that are read at once from the front */
	LINE = 256,  /* from the front, for nearly any From_ line */
	TAIL = 64,   /* and from the end */
	BODY = 1024, /* octets of the body that count */
	NAME = 32    /* a field's name and colon are seen in one piece */
};

/* A forward reader of one message. */
struct reader {
	int fd;
	uint64_t next; /* offset in the file of what is read next */
	uint64_t end;  /* of the message */
	size_t at, n;  /* buf[at..n) is read and unused */
	char buf[HEAD];
};

/* Fills buf as far as it goes; nothing happens at the end of the message. */
static enum status
reader_fill(struct reader *r)
{
	size_t want;

	memmove(r->buf, r->buf + r->at, r->n - r->at);
	r->n -= r->at;
	r->at = 0;
	want = HEAD - r->n;
	if (want > r->end - r->next)
		want = (size_t)(r->end - r->next);
	enum status st = file_read_at(r->fd, r->buf + r->n, want, r->next);
	if (st != OK)
		return st;
	r->next += want;
	r->n += want;
	return OK;
}

/* Do these n octets end with an empty line? */
static bool
empty_before(const char *p, uint64_t n)
{
	if (n == 3 && p[1] == '\r')
		return p[0] == '\n' && p[2] == '\n';
	return n >= 2 && p[n - 1] == '\n' && p[n - 2] == '\n';
}

/* Starts at a separator, which is checked: r is behind the From_ line then,
 * which is in *line, LF included.  end: of the message; UINT64_MAX: not known,
 * and no more than n octets are looked at. */
static enum status
reader_open(struct reader *r, int fd, uint64_t offset, uint64_t end, size_t n,
    struct view *line)
{
	uint64_t before = offset < 3 ? offset : 3;
	enum status st = OK;

	r->fd = fd;
	r->next = offset - before;
	r->end = end;
	r->at = r->n = 0;
	if (end == UINT64_MAX) {
		ssize_t k;
		do
			k = pread(fd, r->buf, n, (off_t)r->next);
		while (k == -1 && errno == EINTR);
		if (k == -1)
			return status_from_errno(errno);
		r->n = (size_t)k;
		r->end = r->next += r->n;
	} else {
		st = reader_fill(r);
	}
	if (st != OK)
		return st;
	if (r->n < before || (offset > 0 && !empty_before(r->buf, before)))
		return ERR_CHANGED;
	r->at = (size_t)before;
	*line = (struct view){ r->buf + r->at, r->n - r->at };
	const char *lf = memchr(line->p, '\n', line->n);
	if (lf == NULL)
		return ERR_CHANGED;
	line->n = (size_t)(lf - line->p);
	if (!mbox_is_from(*line))
		return ERR_CHANGED;
	line->n++;
	r->at += line->n;
	return OK;
}

enum status
mbox_check_separator(int fd, uint64_t offset)
{
	struct reader r;
	struct view line;

	enum status st = reader_open(&r, fd, offset, UINT64_MAX, LINE, &line);
	if (st == ERR_CHANGED) /* unless the line is longer */
		st = reader_open(&r, fd, offset, UINT64_MAX, HEAD, &line);
	return st;
}

/* Does this line begin a field that other programs add or change? */
static bool
foreign_field(struct view line)
{
	static const char *const names[] = { "Status:", "X-Status:",
		"X-Keywords:", "X-UID:", "X-IMAP:", "X-IMAPbase:", "X-UIDL:",
		"Content-Length:", "Lines:", "X-Mozilla-" };

	if (line.n == 0 || memchr("sSxXcClL", *line.p, 8) == NULL)
		return false;
	for (size_t i = 0; i < NELEM(names); i++) {
		if (view_casestarts(line, names[i]))
			return true;
	}
	return false;
}

/* Hashes the header that counts.  r is at the body then. */
static enum status
hash_header(EVP_MD_CTX *ctx, struct reader *r)
{
	bool start = true, skip = false;
	enum status st = OK;
	int good = 1;

	while (st == OK && good == 1) {
		if (r->n - r->at < NAME && r->next < r->end)
			st = reader_fill(r);
		if (st != OK || r->at == r->n)
			break;
		const char *p = r->buf + r->at;
		const char *lf = memchr(p, '\n', r->n - r->at);
		size_t n = lf != NULL ? (size_t)(lf - p) + 1 : r->n - r->at;
		if (start && *p == '\n') {
			r->at++;
			break;
		}
		if (start && lf == NULL && r->at > 0 && r->next < r->end) {
			st = reader_fill(r);
			continue;
		}
		if (start && *p != ' ' && *p != '\t')
			skip = foreign_field((struct view){ p, n });
		if (!skip)
			good = EVP_DigestUpdate(ctx, p, n);
		start = lf != NULL;
		r->at += n;
	}
	if (!start && !skip && good == 1)
		good = EVP_DigestUpdate(ctx, "\n", 1);
	if (good == 1)
		good = EVP_DigestUpdate(ctx, "\n", 1);
	return st == OK && good != 1 ? ERR_NOMEM : st;
}

/* The length of the body that begins at start, without its last line end and
 * the blank lines behind it. */
static enum status
body_length(struct reader *r, uint64_t start, uint64_t *length)
{
	char buf[HEAD];
	uint64_t end = r->end;
	enum status st = OK;

	for (size_t n = TAIL; st == OK && end > start; n = HEAD) {
		const char *p = buf;
		if (n > end - start)
			n = (size_t)(end - start);
		if (end == r->end && end == r->next && r->n - r->at >= n)
			p = r->buf + r->n - n;
		else
			st = file_read_at(r->fd, buf, n, end - n);
		while (st == OK && n > 0 && p[n - 1] == '\n') {
			n--;
			end--;
		}
		if (n > 0)
			break;
	}
	*length = end - start;
	return st;
}

static enum status
hash_body(EVP_MD_CTX *ctx, struct reader *r)
{
	uint64_t start = r->next - (r->n - r->at), length = 0;
	unsigned char octets[8];
	enum status st = body_length(r, start, &length);
	size_t n = length < BODY ? (size_t)length : BODY;

	if (st == OK && r->n - r->at < n)
		st = reader_fill(r);
	if (st != OK)
		return st;
	for (int i = 0; i < 8; i++)
		octets[i] = (unsigned char)(length >> (56 - 8 * i));
	if (EVP_DigestUpdate(ctx, r->buf + r->at, n) != 1 ||
	    EVP_DigestUpdate(ctx, octets, sizeof(octets)) != 1)
		return ERR_NOMEM;
	return OK;
}

/* A fresh SHA-256.  Kept between calls: fetching the algorithm takes longer
 * than hashing a message. */
static EVP_MD_CTX *
digest_start(void)
{
	static EVP_MD_CTX *ctx;
	static EVP_MD *md;

	if (md == NULL)
		md = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (ctx == NULL)
		ctx = EVP_MD_CTX_new();
	if (md == NULL || ctx == NULL || EVP_DigestInit_ex2(ctx, md, NULL) != 1)
		return NULL;
	return ctx;
}

void
mbox_unique_id_warm(void)
{
	digest_start();
}

enum status
mbox_unique_id(int fd, const struct mbox_msg *m, unsigned char uid[16])
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *ctx = digest_start();
	struct reader r;
	struct view line;

	memset(uid, 0, 16);
	if (ctx == NULL)
		return ERR_NOMEM;
	enum status st =
	    reader_open(&r, fd, m->offset, m->offset + m->length, 0, &line);
	if (st != OK)
		return st;
	if (EVP_DigestUpdate(ctx, line.p, line.n) != 1)
		return ERR_NOMEM;
	st = hash_header(ctx, &r);
	if (st == OK)
		st = hash_body(ctx, &r);
	if (st == OK && EVP_DigestFinal_ex(ctx, hash, NULL) != 1)
		st = ERR_NOMEM;
	if (st == OK)
		memcpy(uid, hash, 16);
	return st;
}
