/* The mbox: From_ lines, separators, sizes on the wire. */
#include "spool/mbox.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/wire.h"
#include "t/unit/tap.h"

#define F1 "From alice@example.org Fri Nov 20 22:00:00 2026\n"
#define F2 "From bob Sat Nov 21 01:02:03 2026\n"

/* A file without a name that holds text. */
static int
file_of(struct view text)
{
	char name[] = "/tmp/mbox-XXXXXX";
	int fd = mkstemp(name);

	if (fd == -1)
		abort();
	unlink(name);
	if (write(fd, text.p, text.n) != (ssize_t)text.n)
		abort();
	return fd;
}

/* clang-format off */
static const struct { const char *line; bool want; } lines[] = {
	{ "From a@b.example Wed Dec  2 05:53 1992",             true },
	{ "From a@b.example Wed Dec  2 05:53:22 1992",          true },
	{ "From a@b.example Wed Dec  2 05:53 PST 1992",         true },
	{ "From a@b.example Wed Dec  2 05:53:22 PST 1992",      true },
	{ "From a@b.example Wed Dec  2 05:53 -0700 1992",       true },
	{ "From a@b.example Wed Dec  2 05:53:22 -0700 1992",    true },
	{ "From a@b.example Wed Dec  2 05:53 1992 PST",         true },
	{ "From a@b.example Wed Dec  2 05:53:22 1992 -0700",    true },
	{ "From a@b.example Wed Dec  2 05:53:22 1992 +01:00",   true },
	{ "From a@b.example Wed Dec  2 05:53:22 MET DST 1992",  true },
	{ "From a@b.example Wed Dec  2 05:53:22 1992 GMT+1",    true },
	{ "From uucp!a Wed Dec  2 05:53 1992 remote from host", true },
	{ "From a Wed Dec  2 05:53:22 1992 EST remote from h",  true },
	{ "From a Wed Dec  2 05:53:22 1992 remote from ",       false },
	{ "From a Wed Dec  2 05:53:22 1992 remote from h i",    false },
	{ "From - Fri Nov 20 22:00:00 2026",                    true },
	{ "From MAILER-DAEMON Fri Nov  6 22:00:00 2026",        true },
	{ "From MAILER-DAEMON Fri Nov 06 22:00:00 2026",        true },
	{ "From MAILER-DAEMON Fri Nov 6 22:00:00 2026",         true },
	{ "From  Fri Nov 20 22:00:00 2026",                     true },
	{ "From Fri Nov 20 22:00:00 2026",                      false },
	{ "From a b c Fri Nov 20 22:00:00 2026",                true },
	{ "From \"a b\"@c  Fri Nov 20 22:00:00 2026  ",         true },
	{ "From Mon Sender Fri Nov 20 22:00:00 2026",           true },
	{ "From Wed Dec  2 05:53 1992 Fri Nov 20 22:00:00 2026", true },
	{ "From a@b fri NOV 20 22:00:00 2026",                  true },
	{ "From a@b Fri Nov 20 9:00:00 2026",                   true },
	{ "From a@b Fri Nov 20 22:00:61 2026",                  true },
	{ "From a@b Fri Nov 20 22:00:00 2026\r",                true },
	{ "From a@b Fri Nov 20 22:00:00 2026\r\r",              false },
	{ "From a@b Fri Nov 20 22:00:00 2026\r ",               false },
	{ "From a@b Fri Nov 20 22:00:00 2026 x",                true },
	{ "From a@b Fri Nov 20 22:00:00 2026 it was",           false },
	{ "From a@b Fri Nov 20 22:00:00 26",                    false },
	{ "From a@b Fri Nov 20 22:00:00 20266",                 false },
	{ "From a@b Fri Nov 20 22:60:00 2026",                  false },
	{ "From a@b Fri Nov 20 25:00:00 2026",                  false },
	{ "From a@b Fri Nov 20 22:00:62 2026",                  false },
	{ "From a@b Fri Nov 32 22:00:00 2026",                  false },
	{ "From a@b Fri Nov 0 22:00:00 2026",                   false },
	{ "From a@b Fri Now 20 22:00:00 2026",                  false },
	{ "From a@b Fry Nov 20 22:00:00 2026",                  false },
	{ "From a@b Fri Nov 20 2026",                           false },
	{ "From a@b Fri Nov 20 22:00:00",                       false },
	{ "From a@b Fri Nov 20 22:00:",                         false },
	{ "From a@b Fri, 20 Nov 2026 22:00:00 +0000",           false },
	{ "From a@b",                                           false },
	{ "From ",                                              false },
	{ "From the moment we met on Fri Nov 20",               false },
	{ "from a@b Fri Nov 20 22:00:00 2026",                  false },
	{ "From: a@b Fri Nov 20 22:00:00 2026",                 false },
	{ ">From a@b Fri Nov 20 22:00:00 2026",                 false },
	{ " From a@b Fri Nov 20 22:00:00 2026",                 false },
	{ "",                                                   false },
};
/* clang-format on */

static void
from_lines(void)
{
	char line[MBOX_FROM_MAX + 64];
	const char date[] = " Fri Nov 20 22:00:00 2026";

	for (size_t i = 0; i < NELEM(lines); i++)
		ok(mbox_is_from(view_of(lines[i].line)) == lines[i].want,
		    "%s: %s", lines[i].want ? "From_" : "text", lines[i].line);
	for (int over = 0; over < 2; over++) {
		size_t n = MBOX_FROM_MAX - strlen(date) + (size_t)over;
		memset(line, 'a', n);
		memcpy(line, "From ", 5);
		memcpy(line + n, date, sizeof(date));
		ok(mbox_is_from(view_of(line)) == !over,
		    "a From_ line of %zu octets", strlen(line));
	}
	struct view nul = { "From a\0b Fri Nov 20 22:00:00 2026", 33 };
	ok(mbox_is_from(nul), "a NUL in the sender is an octet of it");
}

/* ---- the scan against a plain reference ---- */

struct ref {
	struct mbox_msg msg[64];
	size_t n;
};

/* Where the line at `at` ends, LF included. */
static size_t
line_end(struct view t, size_t at)
{
	const char *lf = memchr(t.p + at, '\n', t.n - at);
	return lf == NULL ? t.n : (size_t)(lf + 1 - t.p);
}

static void
ref_scan(struct view t, bool mboxrd, struct ref *r)
{
	bool blank = true, empty = true;
	struct mbox_msg *m = NULL;

	r->n = 0;
	for (size_t at = 0, next; at < t.n; at = next) {
		next = line_end(t, at);
		struct view line = { t.p + at, next - at };
		bool lf = line.p[line.n - 1] == '\n';
		line.n -= lf;
		if (empty && lf && mbox_is_from(line)) {
			if (r->n == NELEM(r->msg))
				abort();
			m = &r->msg[r->n++];
			*m = (struct mbox_msg){ .offset = at,
				.from_len = (uint32_t)line.n + 1 };
		}
		if (m == NULL)
			return;
		m->length = next - m->offset;
		blank = line.n == 0;
		empty = blank || (line.n == 1 && line.p[0] == '\r' && lf);
		m->flags &= ~(uint32_t)MBOX_NO_BLANK;
		if (!blank || !lf)
			m->flags |= MBOX_NO_BLANK;
		size_t gt = 0;
		while (gt < line.n && line.p[gt] == '>')
			gt++;
		if (mboxrd && gt > 0 && line.n - gt >= 5 &&
		    memcmp(line.p + gt, "From ", 5) == 0)
			m->flags |= MBOX_FROM_QUOTED;
	}
	for (size_t i = 0; i < r->n; i++) {
		struct mbox_reader rd;
		struct buf out;
		uint64_t at, n;
		m = &r->msg[i];
		for (size_t k = m->from_len; k < m->length; k++)
			if ((unsigned char)t.p[m->offset + k] > 127)
				m->flags |= MBOX_8BIT;
		mbox_content(m, &at, &n);
		buf_init(&out, 64 + 4 * n);
		mbox_reader_init(&rd, mboxrd, -1);
		mbox_to_wire(&rd, (struct view){ t.p + at, n }, &out);
		mbox_to_wire_end(&rd, &out);
		if (out.bad)
			abort();
		m->wire = out.n;
		for (size_t k = 0; k < out.n; k++)
			m->wire -=
			    out.p[k] == '.' && (k == 0 || out.p[k - 1] == '\n');
		buf_free(&out);
	}
}

static bool
agrees(struct view t, bool mboxrd)
{
	struct mbox_list l;
	struct ref r;
	int fd = file_of(t);
	enum status st = mbox_scan(fd, t.n, mboxrd, &l);

	ref_scan(t, mboxrd, &r);
	bool good = st == (r.n == 0 && t.n > 0 ? ERR_DAMAGED : OK) &&
		    l.n == r.n && l.size == t.n;
	for (size_t i = 0; good && i < l.n; i++) {
		const struct mbox_msg *a = &l.msg[i], *b = &r.msg[i];
		good = a->offset == b->offset && a->length == b->length &&
		       a->from_len == b->from_len && a->flags == b->flags &&
		       a->wire == b->wire &&
		       mbox_check_separator(fd, a->offset) == OK;
		if (!good)
			printf("# message %zu: offset %ju %ju length %ju %ju "
			       "flags %u %u wire %ju %ju\n",
			    i, (uintmax_t)a->offset, (uintmax_t)b->offset,
			    (uintmax_t)a->length, (uintmax_t)b->length,
			    a->flags, b->flags, (uintmax_t)a->wire,
			    (uintmax_t)b->wire);
	}
	mbox_list_free(&l);
	close(fd);
	return good;
}

static const struct view syllables[] = { { "\n", 1 }, { "\n\n", 2 },
	{ F1, sizeof(F1) - 1 }, { F2, sizeof(F2) - 1 }, { "From ", 5 },
	{ ">", 1 }, { ">From x\n", 8 }, { "From x\n", 7 }, { ".", 1 },
	{ "\r\n", 2 }, { "\0", 1 }, { "a line of text\n", 15 },
	{ "Subject: x\n", 11 }, { ">>From ", 7 }, { "Fri Nov 20 ", 11 },
	{ "\xd0\x9f\n", 3 } };

static size_t
random_text(unsigned seed, char *p, size_t max)
{
	size_t n = 0;

	srandom(seed);
	for (int i = (int)(random() % 30); i >= 0; i--) {
		struct view s = syllables[(size_t)random() % NELEM(syllables)];
		if (n + s.n > max)
			break;
		memcpy(p + n, s.p, s.n);
		n += s.n;
	}
	return n;
}

static void
scans(void)
{
	enum { BOUNDARY = 256 * 1024, ROOM = 4096 };
	char *p = malloc(BOUNDARY + ROOM);
	char text[ROOM];
	int failed = 0;

	if (p == NULL)
		abort();
	for (unsigned seed = 0; seed < 3000; seed++) {
		memcpy(text, F1, sizeof(F1) - 1);
		size_t at = seed % 8 == 0 ? 0 : sizeof(F1) - 1;
		size_t n = at + random_text(seed, text + at, ROOM - at);
		failed += !agrees((struct view){ text, n }, seed % 3 != 0);
	}
	ok(failed == 0, "3000 random mailboxes");
	/* The same where one piece that is read ends and the next begins. */
	memset(p, 'x', BOUNDARY);
	for (size_t i = 80; i < BOUNDARY; i += 80)
		p[i] = '\n';
	memcpy(p, F1, sizeof(F1) - 1);
	failed = 0;
	for (unsigned k = 0; k < 400; k++) {
		size_t n = random_text(k / 4, text, ROOM - 200);
		size_t at = BOUNDARY - (size_t)(k % 7 * n / 6);
		memcpy(p + at, text, n);
		memcpy(p + at + n, "\n\n" F2 "end\n", sizeof(F2) + 5);
		p[at - 1] = '\n';
		failed +=
		    !agrees((struct view){ p, at + n + sizeof(F2) + 5 }, true);
		memset(p + at - 1, 'x', BOUNDARY - at + 1);
	}
	ok(failed == 0, "400 across the end of a piece");
	/* Lines longer than any piece. */
	char *q = malloc(3 * BOUNDARY);
	if (q == NULL)
		abort();
	memset(q, '>', 3 * BOUNDARY);
	memcpy(q, F1, sizeof(F1) - 1);
	memcpy(q + 3 * BOUNDARY - 6, "From x", 6);
	ok(agrees((struct view){ q, 3 * BOUNDARY }, true),
	    "a quoted From_ line behind 768 KiB of >");
	memset(q + 60, 'a', 3 * BOUNDARY - 60);
	ok(agrees((struct view){ q, 3 * BOUNDARY }, true),
	    "a line of 768 KiB, not ended");
	memcpy(q + 2 * BOUNDARY, "\n\nFrom ", 7);
	ok(agrees((struct view){ q, 3 * BOUNDARY }, true),
	    "a From_ line that is too long is text");
	memset(q + 60, '\n', 3 * BOUNDARY - 60);
	ok(agrees((struct view){ q, 3 * BOUNDARY }, true),
	    "768 KiB of empty lines");
	free(q);
	free(p);
}

/* ---- what other programs write ---- */

struct style {
	const char *name, *text;
	size_t n;
	uint64_t wire[3];
};

static void
styles(void)
{
	/* clang-format off */
	static const struct style cases[] = {
	{ "Postfix", "From a@b.example  Fri Nov 20 22:00:00 2026\n"
	  "Return-Path: <a@b.example>\nX-Original-To: u\n\nbody\n>From x\n\n"
	  "From MAILER-DAEMON  Fri Nov 20 22:00:01 2026\n"
	  "Subject: x\n\nb\n\n", 2, { 62, 17 } },
	{ "Exim", "From a@b.example Fri Nov 20 22:00:00 2026\n"
	  "Envelope-to: u\n\nFrom here on\n\n"
	  "From <> Fri Nov 20 22:00:01 2026\nSubject: x\n\nb\n\n", 2, { 32, 17 } },
	{ "procmail", "From a@b.example  Fri Nov 20 22:00:00 2026\n"
	  ">From u Fri Nov 20 22:00:00 2026\nSubject: x\n\nb\n\n"
	  "From u@h  Sat Nov 21 00:00:00 2026\nSubject: y\n\n", 2,
	  { 50, 12 } },
	{ "Dovecot", "From MAILER_DAEMON  Fri Nov 20 22:00:00 2026\n"
	  "X-UID: 1\nStatus: RO\nX-IMAPbase: 1 0000000002\n\n\n"
	  "From a@b.example Fri Nov 20 22:00:00 2026 +0100\n"
	  "X-UID: 2\n\nb\n\n", 2, { 50, 15 } },
	{ "mutt", "From a@b.example Fri Nov 20 22:00:00 2026\n"
	  "Status: RO\nContent-Length: 2\nLines: 1\n\nb\n\n"
	  "From a@b.example Fri Nov 20 22:00:00 2026\n"
	  "Status: O\nContent-Length: 40\nLines: 3\n\n\n>From a Fri\nx\n\n",
	  2, { 46, 60 } },
	{ "s-nail", "From a@b.example Fri Nov 20 22:00:00 2026\n"
	  "Status: R\n\nb\n\nFrom a Fri Nov 20 22:00:00 2026\n"
	  "Subject: last\n\nb\n", 2, { 16, 20 } },
	{ "mailutils", "From a@b.example Fri Nov 20 22:00:00 2026\n"
	  "X-IMAPbase: 1 2\nX-UID: 1\n\nb\n\n"
	  "From a@b.example Fri Nov 20 22:00 2026\nX-UID: 2\n\nb\n\n", 2,
	  { 32, 15 } },
	{ "Thunderbird", "From - Fri Nov 20 22:00:00 2026\n"
	  "X-Mozilla-Status: 0001\nX-Mozilla-Status2: 00000000\n\nb\n\n"
	  "From - Sat Nov 21 22:00:00 2026\nX-Mozilla-Status: 0001\n\nb\n\n",
	  2, { 58, 29 } },
	{ "Thunderbird, CRLF", "From - Fri Nov 20 22:00:00 2026\r\n"
	  "X-Mozilla-Status: 0001\r\n\r\nb\r\n\r\n"
	  "From - Sat Nov 21 22:00:00 2026\r\nA: b\n\nb\n\n",
	  2, { 35, 11 } },
	{ "text in a body",  F1 "Subject: x\n\nI quote:\n" F2
	  "no blank line before it\n\nFrom now on\n\nFrom me to you\n\n" F2
	  "\nshort\n\n", 2, { 117, 9 } },
	{ "messages of nothing", F1 "\n" F2 "\n" F1, 3, { 0, 0, 0 } },
	{ "two From_ lines in a row", F1 F2 "\n", 1, { sizeof(F2) } },
	{ "a From_ line that has no LF yet", F1 "x: y\n\n"
	  "From bob Sat Nov 21 01:02:03 2026", 1, { 6 + 2 + 33 + 2 } },
	};
	/* clang-format on */
	for (size_t i = 0; i < NELEM(cases); i++) {
		const struct style *c = &cases[i];
		struct view t = view_of(c->text);
		struct mbox_list l;
		int fd = file_of(t);
		bool good = mbox_scan(fd, t.n, true, &l) == OK && l.n == c->n;
		for (size_t k = 0; good && k < l.n && k < 3; k++) {
			good = l.msg[k].wire == c->wire[k];
			if (!good)
				printf("# message %zu: %ju octets\n", k,
				    (uintmax_t)l.msg[k].wire);
		}
		ok(good && agrees(t, true) && agrees(t, false), "%s", c->name);
		mbox_list_free(&l);
		close(fd);
	}
}

static void
not_mbox(void)
{
	static const char *const bad[] = { "x", ("\n" F1), "From bob\n\nx\n",
		"Subject: x\n\nx\n", "From bob Sat Nov 21 01:02:03 2026" };
	struct mbox_list l;
	bool good = true;

	for (size_t i = 0; i < NELEM(bad); i++) {
		int fd = file_of(view_of(bad[i]));
		good = good &&
		       mbox_scan(fd, strlen(bad[i]), true, &l) == ERR_DAMAGED &&
		       l.n == 0;
		mbox_list_free(&l);
		close(fd);
	}
	ok(good, "what does not start with a From_ line is no mbox");
	int fd = file_of(view_of(F1 "x: y\n\n" F2 "\n"));
	ok(mbox_scan(fd, 0, true, &l) == OK && l.n == 0, "nothing to scan");
	mbox_list_free(&l);
	ok(mbox_scan(fd, 9999, true, &l) == ERR_CHANGED, "shorter than said");
	mbox_list_free(&l);
	ok(mbox_scan(fd, sizeof(F1) + 5, true, &l) == OK && l.n == 1 &&
		l.msg[0].length == sizeof(F1) + 5 && l.ino != 0 &&
		l.mtime_ns > 0,
	    "only as much as was asked for");
	mbox_list_free(&l);
	close(fd);
	ok(mbox_scan(-1, 5, true, &l) == ERR_LIMIT || l.n == 0,
	    "a file that cannot be read");
}

static void
dates(void)
{
	static const struct {
		const char *line;
		long long want; /* -1: no From_ line */
	} cases[] = {
		{ "From a@b Thu Jan  1 00:00:00 1970", 0 },
		{ "From a@b Fri Nov 20 22:33:44 2026", 1795213980 },
		{ "From a@b Fri Nov 20 22:33 CET 2026 remote from h",
		    1795213980 },
		{ "From a b Sun Feb 29 00:00:00 2032", 1961625600 },
		{ "From a Mon Mar  1 00:00:00 2100", 4107542400 },
		{ "From a Wed Dec 31 23:59:00 1969", -60 },
		{ "From a Tue Feb 29 12:00:00 2000", 951825600 },
		{ "From a Fri Nov 20 22:33:44 26", -1 },
		{ "from a Fri Nov 20 22:33:44 2026", -1 },
	};
	for (size_t i = 0; i < NELEM(cases); i++) {
		int64_t t = 99;
		bool is = mbox_from_date(view_of(cases[i].line), &t);
		ok(is == (cases[i].want != -1) && t == (is ? cases[i].want : 0),
		    "%s: %lld", cases[i].line, (long long)t);
	}
}

int
main(void)
{
	from_lines();
	scans();
	dates();
	styles();
	not_mbox();
	return done_testing();
}
