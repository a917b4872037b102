/* The connection: lines, limits, coalesced output (common/conn.c). */
#include "common/conn.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "t/unit/tap.h"

/* ---- octets from memory, so many per read ---- */

struct drip {
	const char *p;
	size_t n, step;
	unsigned reads, writes;
	size_t written;
	bool again; /* EAGAIN at the end, not the end */
};

static ssize_t
drip_read(struct conn *c, void *p, size_t n, short *events)
{
	struct drip *d = c->io;
	size_t k = d->step < d->n ? d->step : d->n;

	*events = POLLIN;
	d->reads++;
	if (d->n == 0 && d->again) {
		errno = EAGAIN;
		return -1;
	}
	k = k < n ? k : n;
	memcpy(p, d->p, k);
	d->p += k;
	d->n -= k;
	return (ssize_t)k;
}

static ssize_t
drip_write(struct conn *c, const void *p, size_t n, short *events)
{
	struct drip *d = c->io;

	(void)p;
	*events = POLLOUT;
	d->writes++;
	d->written += n;
	return (ssize_t)n;
}

static bool
drip_pending(struct conn *c)
{
	(void)c;
	return false;
}

static void
drip_close(struct conn *c)
{
	(void)c;
}

static const struct conn_ops drip_ops = { drip_read, drip_write, drip_pending,
	drip_close };

static struct conn conn; /* 32 KiB: not on the stack */

static struct conn *
drip_open(struct drip *d, const char *p, size_t n, size_t step)
{
	*d = (struct drip){ .p = p, .n = n, .step = step };
	conn_open(&conn, -1);
	conn.ops = &drip_ops;
	conn.io = d;
	conn.timeout_ms = 20;
	return &conn;
}

/* ---- lines ---- */

#define IN(s) s, sizeof(s) - 1

static const char status_letter[] = { [LINE_OK] = 'k',
	[LINE_BARE_LF] = 'l',
	[LINE_BARE_CR] = 'r',
	[LINE_TOO_LONG] = 'x',
	[LINE_EOF] = 'e',
	[LINE_TIMEOUT] = 't',
	[LINE_STOP] = 's',
	[LINE_ERROR] = '!' };

/* clang-format off */
static const struct {
	const char *in;
	size_t in_n;
	size_t max;
	const char *want; /* letter of each status, its line in brackets */
	size_t want_n;
	const char *name;
} lines[] = {
	{ IN("NOOP\r\n"), 8, IN("k[NOOP]e"), "a line" },
	{ IN("\r\n"), 8, IN("k[]e"), "an empty line" },
	{ IN("a\r\nb\r\n\r\nc\r\n"), 8, IN("k[a]k[b]k[]k[c]e"), "several lines" },
	{ IN("a\nb\r\n"), 8, IN("l[a]k[b]e"), "a bare LF ends a line and is told" },
	{ IN("\n\r\n"), 8, IN("l[]k[]e"), "a bare LF alone" },
	{ IN("NO\rOP\r\n"), 8, IN("r[NO\rOP]e"), "a bare CR is told and ends nothing" },
	{ IN("\rNOOP\r\n"), 8, IN("r[\rNOOP]e"), "a bare CR in front" },
	{ IN("a\r\r\n"), 8, IN("r[a\r]e"), "CR CR LF is not CRLF" },
	{ IN("a\rb\n"), 8, IN("r[a\rb]e"), "bare CR and bare LF: the CR is told" },
	{ IN("a\n\rb\r\n"), 8, IN("l[a]r[\rb]e"), "LF CR is not CRLF" },
	{ IN("a\0b\r\n"), 8, IN("k[a\0b]e"), "NUL is an octet" },
	{ IN("\0\r\n\0\n"), 8, IN("k[\0]l[\0]e"), "NULs alone" },
	{ IN("123456\r\n"), 8, IN("k[123456]e"), "a line as long as may be" },
	{ IN("1234567\r\n"), 8, IN("x[]e"), "one octet over the limit" },
	{ IN("1234567\n"), 8, IN("l[1234567]e"), "LF alone, as long as may be" },
	{ IN("12345678\n"), 8, IN("x[]e"), "LF alone, one octet over" },
	{ IN("123456789012345QUIT\r\nNOOP\r\n"), 8, IN("x[]k[NOOP]e"),
	    "the tail of an overlong line is no command" },
	{ IN("12345678QUIT\r\n\r\nNOOP\r\n"), 8, IN("x[]k[]k[NOOP]e"),
	    "a tail that begins at the limit is none either" },
	{ IN("1234567\r\r\r\n1\r\n"), 8, IN("x[]k[1]e"), "overlong with bare CRs" },
	{ IN("NOOP"), 8, IN("e"), "an unfinished line at the end is no line" },
	{ IN("NOOP\r"), 8, IN("e"), "nor one that ends in CR" },
	{ IN("123456789"), 8, IN("e"), "nor one that is overlong" },
	{ IN(""), 8, IN("e"), "nothing" },
	{ IN("\xff\xfe\x80\r\n"), 8, IN("k[\xff\xfe\x80]e"), "8-bit octets" },
};
/* clang-format on */

/* All lines of the input, as in lines[].want. */
static size_t
read_all(struct conn *c, size_t max, char *got, size_t size)
{
	enum line_status st = LINE_OK;
	size_t n = 0;

	while (st < LINE_EOF) {
		struct view v;
		st = conn_line(c, max, &v);
		if (n + v.n + 3 > size)
			return 0;
		got[n++] = status_letter[st];
		if (st >= LINE_EOF)
			break;
		got[n++] = '[';
		if (v.n > 0)
			memcpy(got + n, v.p, v.n);
		n += v.n;
		got[n++] = ']';
	}
	return n;
}

static void
test_lines(void)
{
	static const size_t steps[] = { 1, 2, 3, 7, 1000 };

	for (size_t i = 0; i < NELEM(lines); i++) {
		bool good = true;
		for (size_t k = 0; k < NELEM(steps); k++) {
			struct drip d;
			char got[64];
			struct conn *c =
			    drip_open(&d, lines[i].in, lines[i].in_n, steps[k]);
			size_t n = read_all(c, lines[i].max, got, sizeof(got));
			good = good && n == lines[i].want_n &&
			       memcmp(got, lines[i].want, n) == 0;
		}
		ok(good, "%s", lines[i].name);
	}
}

/* Lines of all lengths across the end of the buffer, many octets a read and
 * few: none is lost or changed. */
static void
test_wrap(size_t step)
{
	size_t total = 0, n = 0, bad = 0;
	char *in = malloc(1000000);
	struct drip d;
	struct view v;
	struct conn *c;

	for (size_t i = 1; total + 5000 < 1000000; i++) {
		size_t len = i * 37 % 4000;
		memset(in + total, 'a' + (int)(i % 26), len);
		memcpy(in + total + len, "\r\n", 2);
		total += len + 2;
	}
	c = drip_open(&d, in, total, step);
	for (size_t i = 1; conn_line(c, 12288, &v) == LINE_OK; i++, n++) {
		bad += v.n != i * 37 % 4000;
		for (size_t k = 0; k < v.n; k++)
			bad += v.p[k] != 'a' + (int)(i % 26);
	}
	ok(bad == 0 && d.n == 0 && n > 400 && c->octets_in == total,
	    "%zu lines whole, %zu octets a read", n, step);
	free(in);
}

static void
test_longest(void)
{
	char *in = malloc(3 * CONN_IN);
	struct drip d;
	struct view v;
	struct conn *c;

	memset(in, 'a', 3 * CONN_IN);
	memcpy(in + CONN_IN - 2, "\r\n", 2);
	memcpy(in + 2 * CONN_IN - 1, "\r\nX\r\n", 5);
	c = drip_open(&d, in, 2 * CONN_IN + 4, 1000);
	ok(conn_line(c, CONN_IN, &v) == LINE_OK && v.n == CONN_IN - 2,
	    "a line of the whole buffer");
	ok(conn_line(c, CONN_IN, &v) == LINE_TOO_LONG && v.n == 0,
	    "one octet more is too long");
	ok(conn_line(c, CONN_IN, &v) == LINE_OK && view_eqs(v, "X"),
	    "the next line is whole");
	free(in);
}

/* Microseconds for each octet of a dribbled line of n octets; the best of
 * several rounds. */
static double
dribble_cost(char *in, size_t n)
{
	double best = 1e9;

	for (int round = 0; round < 7; round++) {
		clock_t t0 = clock();
		for (size_t done = 0; done < 500000; done += n) {
			struct drip d;
			struct view v;
			struct conn *c = drip_open(&d, in, n, 1);
			if (conn_line(c, CONN_IN, &v) != LINE_EOF)
				abort();
		}
		double us = (double)(clock() - t0) * 1e6 / CLOCKS_PER_SEC;
		best = us < best ? us : best;
	}
	return best / 500000;
}

/* An incomplete line must not be looked through again for each octet. */
static void
test_dribble_cost(void)
{
	char *in = malloc(16000);

	memset(in, 'a', 16000);
	double few = dribble_cost(in, 100), many = dribble_cost(in, 16000);
	ok(many < few * 2.5, "an octet of 100 costs %.3f us, of 16000 %.3f us",
	    few, many);
	free(in);
}

static void
test_swallowed_over_a_wait(void)
{
	struct drip d;
	struct view v;
	struct conn *c = drip_open(&d, IN("123456789"), 100);

	d.again = true;
	ok(conn_line(c, 8, &v) == LINE_TIMEOUT, "an overlong line stalls");
	d.p = "RSET\r\nNOOP\r\n";
	d.n = 12;
	ok(conn_line(c, 8, &v) == LINE_TOO_LONG,
	    "its tail is still no command after the wait");
	ok(conn_line(c, 8, &v) == LINE_OK && view_eqs(v, "NOOP"),
	    "the next one is");
}

static void
test_some(void)
{
	struct drip d;
	struct view v;
	struct conn *c = drip_open(&d, IN("DATA\r\nabc\r\n.\r\nQUIT\r\n"), 100);

	ok(conn_line(c, 512, &v) == LINE_OK && conn_pending(c),
	    "what is behind a line is pending");
	ok(conn_some(c, 4, &v) == LINE_OK && view_eqs(v, "abc\r"),
	    "conn_some gives at most max");
	ok(conn_some(c, 1000, &v) == LINE_OK && view_eqs(v, "\n.\r\nQUIT\r\n"),
	    "and all that is there");
	conn_unread(c, 6);
	ok(conn_line(c, 512, &v) == LINE_OK && view_eqs(v, "QUIT"),
	    "what was given back is read as a line");
	ok(!conn_pending(c) && conn_some(c, 10, &v) == LINE_EOF,
	    "the end is not pending input");
	ok(conn_line(c, 512, &v) == LINE_EOF, "and stays the end");

	c = drip_open(&d, IN("ab"), 100);
	conn_some(c, 1, &v);
	conn_unread(c, 1);
	ok(conn_some(c, 9, &v) == LINE_OK && view_eqs(v, "ab"),
	    "unread and read again");
	/* a line looked through and then taken as content */
	c = drip_open(&d, IN("abcdef"), 100);
	d.again = true;
	conn_line(c, 512, &v);
	conn_some(c, 2, &v);
	d.p = "\r\nx\r\n";
	d.n = 5;
	ok(conn_line(c, 512, &v) == LINE_OK && view_eqs(v, "cdef"),
	    "conn_some in the middle of a line");

	c = drip_open(&d, IN("STLS\r\nNOOP\r\nQU"), 100);
	conn_line(c, 512, &v);
	conn_discard(c);
	ok(!conn_pending(c) && conn_line(c, 512, &v) == LINE_EOF,
	    "conn_discard leaves nothing");
}

/* ---- output ---- */

static void
test_coalescing(void)
{
	struct drip d;
	struct view v;
	struct conn *c = drip_open(&d, IN("a\r\nb\r\nc\r\n"), 100);

	d.again = true;
	for (int i = 0; i < 3; i++) {
		conn_line(c, 512, &v);
		conn_writes(c, "250 OK\r\n");
	}
	ok(d.writes == 0 && c->out_n == 24, "replies to a group are held");
	ok(conn_line(c, 512, &v) == LINE_TIMEOUT && d.writes == 1 &&
		d.written == 24,
	    "and leave in one write before the wait");

	static char big[100000];
	c = drip_open(&d, IN(""), 1);
	for (size_t i = 0; i < 10000; i++)
		conn_write(c, big, 10);
	conn_flush(c);
	ok(d.written == 100000 && d.writes == 100000 / CONN_OUT + 1 &&
		c->octets_out == 100000,
	    "small pieces leave by the buffer");
	c = drip_open(&d, IN(""), 1);
	conn_write(c, big, 10);
	conn_write(c, big, sizeof(big));
	conn_flush(c);
	ok(d.written == 100010 && d.writes <= 4,
	    "a large piece leaves in few writes");
}

int
main(void)
{
	test_lines();
	test_wrap(1);
	test_wrap(1460);
	test_wrap(100000);
	test_longest();
	test_dribble_cost();
	test_swallowed_over_a_wait();
	test_some();
	test_coalescing();
	return done_testing();
}
