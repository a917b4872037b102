/* Content between wire and mbox: every alphabet word up to some length, in
 * every cut, against a plain reference that sees all of it at once. */
#include "spool/wire.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "t/unit/wire_pieces.h"

struct text {
	char p[ROOM];
	size_t n;
};

static void
add(struct text *t, const char *p, size_t n)
{
	if (t->n + n > ROOM)
		abort();
	memcpy(t->p + t->n, p, n);
	t->n += n;
}

static bool
same(struct view a, const struct text *b)
{
	return a.n == b->n && (a.n == 0 || memcmp(a.p, b->p, a.n) == 0);
}

/* ---- references: the whole text at once, no states ---- */

/* Returns the octets used, or 0 when there is no end-of-data. */
static size_t
ref_dot(struct view in, struct text *out)
{
	out->n = 0;
	for (size_t i = 0; i < in.n; i++) {
		bool bol =
		    i == 0 || (i >= 2 && memcmp(in.p + i - 2, "\r\n", 2) == 0);
		if (bol && in.p[i] == '.') {
			if (in.n - i >= 3 && memcmp(in.p + i, ".\r\n", 3) == 0)
				return i + 3;
			continue;
		}
		add(out, in.p + i, 1);
	}
	return 0;
}

/* ^>*From ; *gt is how many '>'. */
static bool
from_line(const char *p, size_t n, size_t *gt)
{
	size_t i = 0;
	while (i < n && p[i] == '>')
		i++;
	*gt = i;
	return n - i >= 5 && memcmp(p + i, "From ", 5) == 0;
}

static void
ref_to_mbox(struct view in, bool mboxrd, struct text *out)
{
	out->n = 0;
	for (size_t i = 0; i < in.n;) {
		const char *p = in.p + i, *lf = memchr(p, '\n', in.n - i);
		size_t n = lf == NULL ? in.n - i : (size_t)(lf - p), gt;
		size_t text =
		    lf != NULL && n > 0 && p[n - 1] == '\r' ? n - 1 : n;
		if (from_line(p, n, &gt) && (mboxrd || gt == 0))
			add(out, ">", 1);
		add(out, p, text);
		add(out, "\n", 1);
		i += n + 1;
	}
	add(out, "\n", 1);
}

static void
ref_to_wire(struct view in, bool mboxrd, int64_t lines, struct text *out)
{
	bool body = false;

	out->n = 0;
	for (size_t i = 0; i < in.n;) {
		const char *p = in.p + i, *lf = memchr(p, '\n', in.n - i);
		size_t n = lf == NULL ? in.n - i : (size_t)(lf - p), gt;
		i += n + 1;
		if (body && lines >= 0 && lines-- == 0)
			return;
		if (n == 0)
			body = true;
		if (mboxrd && from_line(p, n, &gt) && gt > 0)
			p++, n--;
		if (n > 0 && *p == '.')
			add(out, ".", 1);
		add(out, p, n);
		add(out, "\r\n", 2);
	}
}

/* ---- the same through wire.c, cut at a and b ---- */

static bool
run_to_mbox(struct view in, bool mboxrd, size_t a, size_t b, struct buf *out)
{
	struct mbox_writer w;

	buf_clear(out);
	mbox_writer_init(&w, mboxrd);
	return wire_to_mbox(&w, piece(in, 0, a), out) &&
	       wire_to_mbox(&w, piece(in, a, b), out) &&
	       wire_to_mbox(&w, piece(in, b, in.n), out) &&
	       wire_to_mbox_end(&w, out);
}

static bool
run_to_wire(struct view in, bool mboxrd, int64_t lines, size_t a, size_t b,
    struct buf *out)
{
	struct mbox_reader r;

	buf_clear(out);
	mbox_reader_init(&r, mboxrd, lines);
	return mbox_to_wire(&r, piece(in, 0, a), out) &&
	       mbox_to_wire(&r, piece(in, a, b), out) &&
	       mbox_to_wire(&r, piece(in, b, in.n), out) &&
	       mbox_to_wire_end(&r, out);
}

/* ---- all words ---- */

typedef bool check(struct view in, size_t a, size_t b, struct buf *out);

static bool
check_dot(struct view in, size_t a, size_t b, struct buf *out)
{
	struct text want;
	size_t n = ref_dot(in, &want);

	/* Without an end the reader may hold ".", ".CR" back. */
	if (run_dot(in, a, b, out) != n)
		return false;
	if (n != 0)
		return same(buf_view(out), &want);
	return out->n <= want.n &&
	       (out->n == 0 || memcmp(out->p, want.p, out->n) == 0) &&
	       want.n - out->n <= 1;
}

static bool
check_mbox(struct view in, size_t a, size_t b, struct buf *out)
{
	struct text want;
	bool good = true;

	for (int rd = 0; rd < 2; rd++) {
		ref_to_mbox(in, rd, &want);
		good = good && run_to_mbox(in, rd, a, b, out) &&
		       same(buf_view(out), &want);
	}
	return good;
}

static bool
check_wire(struct view in, size_t a, size_t b, struct buf *out)
{
	struct text want;
	bool good = true;

	for (int rd = 0; rd < 2; rd++) {
		for (int64_t lines = -1; lines < 3; lines++) {
			ref_to_wire(in, rd, lines, &want);
			good = good && run_to_wire(in, rd, lines, a, b, out) &&
			       same(buf_view(out), &want);
		}
	}
	return good;
}

/* What came in over DATA goes out over RETR, dot-stuffed, if all its lines end
 * in CRLF; else after the changes that wire.h names. */
static bool
check_round(struct view in, size_t a, size_t b, struct buf *out)
{
	struct text want = { .n = 0 }, box;

	run_to_mbox(in, true, a, b, out);
	box.n = 0;
	add(&box, out->p, out->n - 1); /* without the blank line */
	for (size_t i = 0; i < in.n; i++) {
		bool bol = i == 0 || in.p[i - 1] == '\n';
		bool bare = in.p[i] == '\n' && (i == 0 || in.p[i - 1] != '\r');
		if (bol && in.p[i] == '.')
			add(&want, ".", 1);
		if (bare)
			add(&want, "\r", 1);
		add(&want, in.p + i, 1);
	}
	if (in.n > 0 && in.p[in.n - 1] != '\n')
		add(&want, "\r\n", 2);
	struct view v = { box.p, box.n };
	return run_to_wire(v, true, -1, v.n / 3, v.n / 2, out) &&
	       same(buf_view(out), &want);
}

/* Runs check on every word of at most max syllables, in every cut into three.
 */
static void
all_words(const char *name, check *fn, unsigned max)
{
	static const struct view syllable[] = { { "\r", 1 }, { "\n", 1 },
		{ "\r\n", 2 }, { "\0", 1 }, { ".", 1 }, { "From ", 5 },
		{ ">", 1 }, { "x", 1 }, { "Fro", 3 } };
	struct buf out;
	unsigned long words = 0, failed = 0;

	buf_init(&out, ROOM);
	for (unsigned len = 0; len <= max; len++) {
		unsigned long all = 1;
		for (unsigned i = 0; i < len; i++)
			all *= NELEM(syllable);
		for (unsigned long w = 0; w < all; w++, words++) {
			struct text t = { .n = 0 };
			unsigned long k = w;
			for (unsigned i = 0; i < len; i++) {
				struct view s = syllable[k % NELEM(syllable)];
				add(&t, s.p, s.n);
				k /= NELEM(syllable);
			}
			struct view v = { t.p, t.n };
			for (size_t a = 0; a <= t.n; a++)
				for (size_t b = a; b <= t.n; b += 1 + t.n / 6)
					failed += !fn(v, a, b, &out);
		}
	}
	ok(failed == 0, "%s: %lu words in all cuts", name, words);
	buf_free(&out);
}

static void
maxima(void)
{
	static const char text[] = "From a\r\n.b\r\n>From c\r\n\r\nabc\r\n";
	struct view in = { text, sizeof(text) - 1 };
	struct buf big, small;
	struct dot_reader d;
	struct text want;
	bool end;

	buf_init(&big, ROOM);
	run_to_mbox(in, true, 0, 0, &big);
	buf_init(&small, big.n);
	ok(run_to_mbox(in, true, 0, 0, &small) && small.n == big.n,
	    "the mbox text may fill the buffer to its last octet");
	buf_free(&small);
	buf_init(&small, big.n - 1);
	ok(!run_to_mbox(in, true, 0, 0, &small) && small.bad,
	    "one octet less is full");
	buf_free(&small);
	ref_to_wire(in, true, -1, &want);
	buf_init(&small, want.n);
	ok(run_to_wire(in, true, -1, 0, 0, &small) &&
		same(buf_view(&small), &want),
	    "RETR text likewise");
	buf_free(&small);
	buf_init(&small, want.n - 1);
	ok(!run_to_wire(in, true, -1, 0, 0, &small), "one octet less is full");
	buf_free(&small);
	buf_init(&small, 4);
	dot_reader_init(&d);
	in = view_of("too much\r\n.\r\nQUIT");
	ok(dot_read(&d, in, &small, &end) == 13 && end && small.bad,
	    "the end of a message that is too large is found");
	buf_free(&small);
	buf_free(&big);
}

/* Megabytes of one kind must neither take long nor recurse. */
static void
large(void)
{
	static const struct {
		const char *unit, *name;
	} kinds[] = { { "0123456789012345678901234567890123456789"
			"0123456789012345678901234567890\r\n",
			  "ordinary lines" },
		{ "\r\n", "empty lines" }, { "\n", "bare LF" },
		{ "\r", "bare CR" }, { ">", "one line of >" },
		{ "From \r\n", "From_ lines" }, { ".\r", "dots and CR" } };
	enum { SIZE = 8 << 20 };
	char *p = malloc(SIZE);
	struct buf a, b;

	buf_init(&a, 4 * SIZE);
	buf_init(&b, 4 * SIZE);
	for (size_t i = 0; p != NULL && i < NELEM(kinds); i++) {
		size_t n = strlen(kinds[i].unit);
		struct view in = { p, SIZE / n * n };
		for (size_t k = 0; k < in.n; k += n)
			memcpy(p + k, kinds[i].unit, n);
		clock_t t = clock();
		run_dot(in, 1, SIZE / 2, &a);
		clock_t t1 = clock();
		run_to_mbox(in, true, 1, SIZE / 2, &a);
		clock_t t2 = clock();
		run_to_wire(buf_view(&a), true, -1, 1, SIZE / 2, &b);
		clock_t t3 = clock();
		ok(t3 - t < 5 * CLOCKS_PER_SEC, "8 MiB of %s", kinds[i].name);
		printf("# us: dot_read %ld, to_mbox %ld, to_wire %ld\n",
		    (long)(t1 - t), (long)(t2 - t1), (long)(t3 - t2));
	}
	free(p);
	buf_free(&a);
	buf_free(&b);
}

int
main(void)
{
	maxima();
	all_words("DATA", check_dot, 5);
	all_words("to mbox", check_mbox, 5);
	all_words("to wire", check_wire, 4);
	all_words("round trip", check_round, 5);
	large();
	return done_testing();
}
