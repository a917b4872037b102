/* The redo journal of an update.  Runs in: maildrop's children. */
#define _GNU_SOURCE /* fallocate */
#include "spool/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/msg.h"

enum {
	SECTOR = 512,
	RANGES = 4096,
	WINDOW_MIN = 65536,
	WINDOW_MAX = 1 << 30,
	TAIL = 65536,
	PIECE = 65536
};

/* "pennypj1" where the numbers have this host's order. */
#define MAGIC UINT64_C(0x70656e6e79706a31)

struct header {
	uint64_t magic, dev, ino, n, removed, window, ranges_sum;
	uint64_t check; /* of what is before it */
};

struct slot {
	uint64_t magic;
	struct mark mark;
	uint64_t check;
};

/* ---- checksums ---- */

static uint64_t
mix(uint64_t lane, uint64_t word)
{
	lane = (lane ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return lane << 31 | lane >> 33;
}

static void
sum_block(struct sum *s, const unsigned char *p)
{
	for (int i = 0; i < 4; i++) {
		uint64_t word;
		memcpy(&word, p + 8 * i, sizeof(word));
		s->lane[i] = mix(s->lane[i], word);
	}
}

void
sum_start(struct sum *s)
{
	*s = (struct sum){ .lane = { 1, 2, 3, 4 } };
}

void
sum_add(struct sum *s, const void *octets, size_t n)
{
	const unsigned char *p = octets;
	size_t have = s->length % sizeof(s->rest);

	s->length += n;
	if (have > 0) {
		size_t k = sizeof(s->rest) - have;
		if (k > n)
			k = n;
		memcpy(s->rest + have, p, k);
		p += k;
		n -= k;
		if (have + k < sizeof(s->rest))
			return;
		sum_block(s, s->rest);
	}
	for (; n >= sizeof(s->rest); n -= sizeof(s->rest)) {
		sum_block(s, p);
		p += sizeof(s->rest);
	}
	if (n > 0)
		memcpy(s->rest, p, n);
}

uint64_t
sum_end(struct sum *s)
{
	uint64_t all = s->length;
	size_t have = s->length % sizeof(s->rest);

	memset(s->rest + have, 0, sizeof(s->rest) - have);
	sum_block(s, s->rest);
	for (int i = 0; i < 4; i++)
		all = mix(all, s->lane[i]);
	return all ^ all >> 29;
}

static uint64_t
sum_of(const void *p, size_t n)
{
	struct sum s;

	sum_start(&s);
	sum_add(&s, p, n);
	return sum_end(&s);
}

enum status
sum_file(int fd, uint64_t at, uint64_t n, uint64_t *sum)
{
	char piece[PIECE];
	enum status st = OK;
	struct sum s;

	sum_start(&s);
	while (st == OK && n > 0) {
		size_t k = n < sizeof(piece) ? (size_t)n : sizeof(piece);
		st = file_read_at(fd, piece, k, at);
		if (st == OK)
			sum_add(&s, piece, k);
		at += k;
		n -= k;
	}
	*sum = st == OK ? sum_end(&s) : 0;
	return st;
}

void
journal_tail(const struct journal *j, uint64_t size, struct range *tail)
{
	tail->length = j->removed < TAIL ? j->removed : TAIL;
	tail->offset = size - tail->length;
}

/* ---- writing ---- */

static uint64_t
data_offset(size_t n)
{
	uint64_t end = RANGES + (uint64_t)n * sizeof(struct range);

	return (end + 4095) / 4096 * 4096;
}

/* Room for all of the journal before anything is moved: no full disk may stop
 * us half way. Where the file system cannot reserve, the first window will
 * tell. What there was is kept when there is too little (ext4), so that nothing
 * would be left for the ranges: it is given back. */
static enum status
reserve_data(struct journal *j, uint64_t reserve)
{
	for (;;) {
		uint64_t n = reserve < j->window ? reserve : j->window;
		if (n == 0 || fallocate(j->fd, 0, 0, (off_t)(j->data + n)) == 0)
			return OK;
		if (errno == EINTR)
			continue;
		if (errno == EOPNOTSUPP || errno == ENOSYS)
			return OK;
		if ((errno != ENOSPC && errno != EDQUOT) || n <= WINDOW_MIN)
			return status_from_errno(errno);
		j->window = n / 4 > WINDOW_MIN ? n / 4 : WINDOW_MIN;
		enum status st = file_cut(j->fd, 0);
		if (st != OK)
			return st;
	}
}

static enum status
flush_directory(int dir)
{
	int rc;

	do
		rc = fsync(dir);
	while (rc == -1 && errno == EINTR);
	return rc == -1 ? status_from_errno(errno) : OK;
}

enum status
journal_create(struct journal *j, int state_dir, uint64_t reserve)
{
	struct header h = { .magic = MAGIC };
	char sector[SECTOR] = { 0 };
	size_t ranges = j->n * sizeof(*j->del);

	memset(&j->mark, 0, sizeof(j->mark));
	j->data = data_offset(j->n);
	j->fd = openat(state_dir, "journal",
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (j->fd == -1)
		return status_from_errno(errno);
	enum status st = file_cut(j->fd, 0);
	if (st == OK)
		st = reserve_data(j, reserve);
	if (st == OK)
		st = file_write_at(j->fd, j->del, ranges, RANGES);
	h.ranges_sum = sum_of(j->del, ranges);
	h.dev = j->dev;
	h.ino = j->ino;
	h.n = j->n;
	h.removed = j->removed;
	h.window = j->window;
	h.check = sum_of(&h, offsetof(struct header, check));
	memcpy(sector, &h, sizeof(h));
	if (st == OK)
		st = file_write_at(j->fd, sector, sizeof(sector), 0);
	if (st == OK)
		st = file_flush(j->fd);
	if (st == OK) /* the name, too */
		st = flush_directory(state_dir);
	if (st != OK)
		journal_clear(j);
	return st;
}

enum status
journal_mark(struct journal *j, const struct mark *m)
{
	struct slot s = { .magic = MAGIC, .mark = *m };
	char sector[SECTOR] = { 0 };

	s.mark.number = j->mark.number + 1;
	s.check = sum_of(&s, offsetof(struct slot, check));
	memcpy(sector, &s, sizeof(s));
	enum status st = file_write_at(
	    j->fd, sector, sizeof(sector), SECTOR * (1 + s.mark.number % 2));
	if (st == OK)
		st = file_flush(j->fd);
	if (st == OK)
		j->mark = s.mark;
	return st;
}

enum status
journal_clear(struct journal *j)
{
	enum status st = file_cut(j->fd, 0);

	return st == OK ? file_flush(j->fd) : st;
}

/* ---- reading ---- */

static bool
ranges_valid(const struct journal *j)
{
	uint64_t end = 0, removed = 0;

	for (size_t i = 0; i < j->n; i++) {
		const struct range *r = &j->del[i];
		if ((i > 0 && r->offset <= end) || r->length == 0 ||
		    r->offset > INT64_MAX || r->length > INT64_MAX - r->offset)
			return false;
		end = r->offset + r->length;
		removed += r->length;
	}
	return j->n > 0 && removed == j->removed;
}

static bool
mark_valid(const struct journal *j, const struct mark *m)
{
	const struct range *last = &j->del[j->n - 1];

	return m->size <= INT64_MAX && m->size > j->removed &&
	       last->offset + last->length <= m->size &&
	       m->dest >= j->del[0].offset && m->dest <= m->size - j->removed &&
	       m->length <= j->window &&
	       m->length <= m->size - j->removed - m->dest &&
	       (m->kind == MARK_MOVE ||
		   (m->kind == MARK_CUT && m->length == 0 &&
		       m->dest == m->size - j->removed));
}

/* The mark with the higher number of the two that are whole. */
static enum status
read_marks(struct journal *j, uint64_t length)
{
	for (int i = 1; i <= 2; i++) {
		struct slot s;
		if (length < SECTOR * (uint64_t)i + sizeof(s))
			break;
		enum status st =
		    file_read_at(j->fd, &s, sizeof(s), SECTOR * (uint64_t)i);
		if (st != OK)
			return st;
		if (s.magic == MAGIC &&
		    s.check == sum_of(&s, offsetof(struct slot, check)) &&
		    s.mark.number > j->mark.number)
			j->mark = s.mark;
	}
	return OK;
}

static enum status
read_header(struct journal *j, uint64_t length)
{
	struct header h;
	enum status st = file_read_at(j->fd, &h, sizeof(h), 0);

	if (st != OK)
		return st;
	if (h.magic != MAGIC || length < RANGES ||
	    h.check != sum_of(&h, offsetof(struct header, check)) ||
	    h.n > (length - RANGES) / sizeof(struct range) || h.window == 0 ||
	    h.window > WINDOW_MAX)
		return ERR_DAMAGED;
	j->dev = h.dev;
	j->ino = h.ino;
	j->n = (size_t)h.n;
	j->removed = h.removed;
	j->window = h.window;
	j->data = data_offset(j->n);
	j->del = calloc(j->n + 1, sizeof(*j->del));
	if (j->del == NULL)
		return ERR_NOMEM;
	st = file_read_at(j->fd, j->del, j->n * sizeof(*j->del), RANGES);
	if (st != OK)
		return st;
	if (sum_of(j->del, j->n * sizeof(*j->del)) != h.ranges_sum ||
	    !ranges_valid(j) || !mark_valid(j, &j->mark))
		return ERR_DAMAGED;
	return OK;
}

enum status
journal_open(struct journal *j, int state_dir)
{
	struct stat sb;

	*j = (struct journal){ .fd = openat(state_dir, "journal",
				   O_RDWR | O_NOFOLLOW | O_NONBLOCK |
				       O_CLOEXEC) };
	if (j->fd == -1 && (errno == ELOOP || errno == EISDIR))
		return ERR_DAMAGED;
	if (j->fd == -1)
		return errno == ENOENT ? OK : status_from_errno(errno);
	if (fstat(j->fd, &sb) == -1)
		return status_from_errno(errno);
	if (!S_ISREG(sb.st_mode))
		return ERR_DAMAGED;
	if (sb.st_size == 0) {
		close_fd(&j->fd);
		return OK;
	}
	enum status st = read_marks(j, (uint64_t)sb.st_size);
	if (st == OK && j->mark.number > 0)
		st = read_header(j, (uint64_t)sb.st_size);
	return st;
}

bool
journal_pending(int state_dir)
{
	struct stat sb;

	return fstatat(state_dir, "journal", &sb, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (!S_ISREG(sb.st_mode) || sb.st_size > 0);
}

enum status
journal_set_aside(int state_dir)
{
	if (renameat(state_dir, "journal", state_dir, "journal.bad") == -1)
		return status_from_errno(errno);
	return flush_directory(state_dir);
}

void
journal_free(struct journal *j)
{
	close_fd(&j->fd);
	free(j->del);
	j->del = NULL;
}
