/* What a power cut leaves of an append.  Runs in: append, pennyctl. */
#define _GNU_SOURCE /* memmem */
#include "spool/torn.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/file.h"

enum { PIECE = 65536, FILL_MAX = 256 };

/* What stands at an offset of the file. */
struct torn {
	uint64_t at, size;
	char line[TORN_LINE + FILL_MAX];
	size_t n;	/* octets in line */
	size_t zero;	/* the first zero in it, or n */
	char ideal[10]; /* what is to be there: a blank line, "From " */
};

static enum status
read_torn(int mbox, struct torn *t)
{
	char end[2] = { '\n', '\n' };
	size_t want = t->at < 2 ? (size_t)t->at : 2;
	enum status st = file_read_at(mbox, end + 2 - want, want, t->at - want);

	t->n = t->size - t->at < sizeof(t->line) ? (size_t)(t->size - t->at)
						 : sizeof(t->line);
	if (st == OK)
		st = file_read_at(mbox, t->line, t->n, t->at);
	if (st != OK) /* that it cannot be read says nothing of its room */
		return ERR_IO;
	const char *zero = memchr(t->line, '\0', t->n);
	t->zero = zero == NULL ? t->n : (size_t)(zero - t->line);
	memcpy(t->ideal, "\n\nFrom ", sizeof("\n\nFrom "));
	size_t has = end[1] != '\n' ? 0 : end[0] != '\n' ? 1 : 2;
	memmove(t->ideal, t->ideal + has, sizeof("\n\nFrom ") - has);
	return OK;
}

/* Is it the beginning of a From_ line, as far as it is there? */
static bool
is_torn(const struct torn *t)
{
	size_t want = strlen(t->ideal);
	size_t n = t->zero < want ? t->zero : want;

	return t->n > 0 && t->zero < TORN_LINE &&
	       (t->zero < t->n || t->at + t->n == t->size) &&
	       memcmp(t->line, t->ideal, n) == 0 &&
	       memchr(t->line + n, '\n', t->zero - n) == NULL;
}

/* How many octets may be written there. */
static size_t
room(const struct torn *t)
{
	size_t n = t->zero;

	while (n < t->n && t->line[n] == '\0')
		n++;
	if (t->at + n == t->size)
		return FILL_MAX;
	if (n < t->n && (t->at + n) % TORN_UNIT != 0)
		return 0; /* somebody's text */
	return n - t->zero;
}

/* What is to be written at that offset of a file of that size, and where;
 * nothing: it is well. */
static enum status
plan(int mbox, uint64_t at, struct buf *fill, uint64_t *place, uint64_t *size)
{
	static const char subject[] =
	    "Subject: (the rest of a message that a power cut tore)\n\n";
	const char *const heads[] = { subject, "\n" };
	static struct torn t;
	struct stat sb;
	bool fits = false;

	if (fstat(mbox, &sb) == -1)
		return status_from_errno(errno);
	t = (struct torn){ .at = at, .size = (uint64_t)sb.st_size };
	*size = t.size;
	if (t.at >= t.size)
		return OK;
	enum status st = read_torn(mbox, &t);
	if (st != OK || !is_torn(&t))
		return st;
	size_t most = room(&t), ideal = strlen(t.ideal);
	for (size_t i = 0; !fits && i < NELEM(heads); i++) {
		buf_clear(fill);
		if (t.zero < ideal)
			buf_addf(fill, "%s-", t.ideal + t.zero);
		/* Zeros that are left do not follow a blank line. */
		buf_addf(fill, " Thu Jan  1 00:00:00 1970\n%s%s", heads[i],
		    t.zero < t.n ? "[zeros]" : "");
		if (fill->bad)
			return ERR_NOMEM;
		fits = fill->n <= most;
	}
	if (!fits)
		buf_clear(fill);
	*place = t.at + t.zero;
	return OK;
}

/* Torn: there is something to fill in; without only_look that is done. */
static enum status
mend(int mbox, uint64_t at, bool only_look, bool *torn)
{
	uint64_t place = 0, size = 0;
	struct buf fill;

	buf_init(&fill, FILL_MAX);
	enum status st = plan(mbox, at, &fill, &place, &size);
	/* What is written may reach beyond the end. */
	*torn = st == OK && fill.n > 0 && file_has_size(mbox, size);
	if (*torn && !only_look) {
		st = file_write_at(mbox, fill.p, fill.n, place);
		if (st == OK)
			st = file_flush(mbox);
		*torn = st == OK;
	}
	buf_free(&fill);
	return st;
}

enum status
torn_mend(int mbox, uint64_t at, bool *mended)
{
	return mend(mbox, at, false, mended);
}

enum status
torn_find(int mbox, uint64_t *at, mbox_told *told, void *arg)
{
	static char piece[PIECE];
	uint64_t from = *at;
	struct stat sb;

	if (fstat(mbox, &sb) == -1)
		return status_from_errno(errno);
	for (uint64_t size = (uint64_t)sb.st_size; from < size;) {
		size_t n = size - from < PIECE ? (size_t)(size - from) : PIECE;
		if (told != NULL)
			told(arg, from);
		enum status st = file_read_at(mbox, piece, n, from);
		if (st != OK)
			return st;
		if (from == 0 && piece[0] == '\0') {
			*at = 0;
			return OK;
		}
		const char *hit = memmem(piece, n, "\n\n", 3);
		if (hit != NULL) {
			*at = from + (size_t)(hit - piece) + 2;
			return OK;
		}
		if (n < PIECE)
			break;
		from += n - 2;
	}
	return ERR_GONE;
}

enum status
torn_each(
    int mbox, bool only_look, mbox_told *told, mbox_told *found, void *arg)
{
	uint64_t at = 0;
	enum status st;

	while ((st = torn_find(mbox, &at, told, arg)) == OK) {
		bool torn;
		st = mend(mbox, at, only_look, &torn);
		if (st != OK)
			return st;
		if (torn)
			found(arg, at);
		at++;
	}
	return st == ERR_GONE ? OK : st;
}
