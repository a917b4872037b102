/* Imported unique-ids.  Runs in: worker (pop3d), pennyctl. */
#include "spool/uidl.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/file.h"

enum { HEX = 32, LINE_MIN = HEX + 3 };

/* A line, taken apart. */
struct row {
	struct view hex, id;
	uint32_t copy;
};

static const char digits[] = "0123456789abcdef";

/* Four octets as eight digits, all at once: a digit an octet, the first in the
 * lowest. */
static void
put_hex(char *out, const unsigned char *p)
{
	const uint64_t each = UINT64_C(0x0101010101010101);
	uint32_t four;
	uint64_t x;

	memcpy(&four, p, sizeof(four));
	x = le32toh(four);
	x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
	x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
	x = (x >> 4 & UINT64_C(0x000f000f000f000f)) |
	    (x << 8 & UINT64_C(0x0f000f000f000f00));
	uint64_t letters = (x + 6 * each) >> 4 & each;
	x = htole64(x + '0' * each + ('a' - '0' - 10) * letters);
	memcpy(out, &x, sizeof(x));
}

struct view
uidl_text(const unsigned char uid[16], uint32_t copy, char *out)
{
	char number[12];
	size_t at = HEX, n = 0;

	for (size_t k = 0; k < HEX / 2; k += 4)
		put_hex(out + 2 * k, uid + k);
	if (copy > 1) {
		out[at++] = '.';
		for (; copy > 0; copy /= 10)
			number[n++] = (char)('0' + copy % 10);
		while (n > 0)
			out[at++] = number[--n];
	}
	out[at] = '\0';
	return (struct view){ out, at };
}

/* The line without its LF. */
static bool
parse(struct view line, struct row *r)
{
	unsigned long long copy = 1;
	bool blank, dot;
	struct view key = view_split(&line, ' ', &blank);

	r->id = line;
	r->hex = view_split(&key, '.', &dot);
	if (!blank || r->hex.n != HEX ||
	    (dot && (!view_number(key, UINT32_MAX, &copy) || copy < 2 ||
			key.p[0] == '0')))
		return false;
	r->copy = (uint32_t)copy;
	for (size_t i = 0; i < HEX; i++)
		if (memchr(digits, r->hex.p[i], HEX / 2) == NULL)
			return false;
	if (r->id.n == 0 || r->id.n > UIDL_ID_MAX)
		return false;
	for (size_t i = 0; i < r->id.n; i++)
		if (r->id.p[i] < 0x21 || r->id.p[i] > 0x7e)
			return false;
	return true;
}

static int
compare(const struct row *r, struct view hex, uint32_t copy)
{
	int c = memcmp(r->hex.p, hex.p, HEX);

	if (c == 0)
		c = r->copy < copy ? -1 : r->copy > copy;
	return c;
}

static bool
all_valid(const struct uidl *u)
{
	struct view rest = { u->text, u->n };
	struct row last = { .copy = 0 }, r;
	bool lf = true;

	while (rest.n > 0) {
		if (!parse(view_split(&rest, '\n', &lf), &r) || !lf ||
		    (last.copy > 0 && compare(&last, r.hex, r.copy) >= 0))
			return false;
		last = r;
	}
	return true;
}

enum status
uidl_load(int fd, struct uidl *out)
{
	struct stat sb;
	enum status st;

	*out = (struct uidl){ .text = NULL };
	if (fstat(fd, &sb) == -1)
		return status_from_errno(errno);
	if (sb.st_size > UIDL_FILE_MAX)
		return ERR_LIMIT;
	if (sb.st_size == 0)
		return OK;
	out->n = (size_t)sb.st_size;
	out->text = malloc(out->n);
	st = out->text == NULL ? ERR_NOMEM
			       : file_read_at(fd, out->text, out->n, 0);
	if (st == OK && !all_valid(out))
		st = ERR_DAMAGED;
	if (st != OK)
		uidl_free(out);
	return st;
}

void
uidl_free(struct uidl *u)
{
	free(u->text);
	*u = (struct uidl){ .text = NULL };
}

struct view
uidl_find(const struct uidl *u, const unsigned char uid[16], uint32_t copy)
{
	size_t low = 0, high = u->n; /* both at the start of a line */
	char text[UIDL_TEXT];
	struct view hex = uidl_text(uid, 1, text);

	while (low < high) {
		size_t at = low + (high - low) / 2;
		while (at > low && u->text[at - 1] != '\n')
			at--;
		struct view rest = { u->text + at, u->n - at };
		struct view line = view_split(&rest, '\n', NULL);
		struct row r;
		if (!parse(line, &r))
			break; /* all were looked at: not so */
		int c = compare(&r, hex, copy);
		if (c == 0)
			return r.id;
		if (c < 0)
			low = at + line.n + 1;
		else
			high = at;
	}
	return (struct view){ NULL, 0 };
}

static int
by_id(const void *a, const void *b)
{
	const struct view *x = a, *y = b;
	int c = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

	return c != 0 ? c : x->n < y->n ? -1 : x->n > y->n;
}

enum status
uidl_twin(const struct uidl *u, struct view *twin)
{
	struct view rest = { u->text, u->n }, *id;
	size_t n = 0;

	*twin = (struct view){ NULL, 0 };
	id = calloc(u->n / LINE_MIN + 1, sizeof(*id));
	if (id == NULL)
		return ERR_NOMEM;
	while (rest.n > 0) {
		struct view line = view_split(&rest, '\n', NULL);
		view_split(&line, ' ', NULL);
		id[n++] = line;
	}
	qsort(id, n, sizeof(*id), by_id);
	for (size_t i = 1; i < n && twin->n == 0; i++)
		if (by_id(&id[i - 1], &id[i]) == 0)
			*twin = id[i];
	free(id);
	return OK;
}
