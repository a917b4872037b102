/*
 * conn_line over any octets in any segmentation.  The first octet gives the
 * limit, the second the sizes of the reads; what comes out must be what one
 * look at the whole input gives.
 */
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/conn.h"
#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct input {
	const char *p;
	size_t n;
	uint32_t seed;
};

static ssize_t
in_read(struct conn *c, void *p, size_t n, short *events)
{
	struct input *in = c->io;
	size_t k = in->seed % 37 + 1;

	*events = POLLIN;
	in->seed = in->seed * 1103515245u + 12345u;
	k = k < in->n ? k : in->n;
	k = k < n ? k : n;
	if (k > 0)
		memcpy(p, in->p, k);
	in->p += k;
	in->n -= k;
	return (ssize_t)k;
}

static ssize_t
out_write(struct conn *c, const void *p, size_t n, short *events)
{
	(void)c;
	(void)p;
	*events = POLLOUT;
	return (ssize_t)n;
}

static bool
never_pending(struct conn *c)
{
	(void)c;
	return false;
}

static void
no_close(struct conn *c)
{
	(void)c;
}

static const struct conn_ops ops = { in_read, out_write, never_pending,
	no_close };

/* The line that starts at p, by the plainest means. */
static enum line_status
judge(const char *p, size_t n, size_t max)
{
	bool crlf = n > 0 && p[n - 1] == '\r';

	if (n + 1 > max)
		return LINE_TOO_LONG;
	for (size_t i = 0; i + (crlf ? 1 : 0) < n; i++)
		if (p[i] == '\r')
			return LINE_BARE_CR;
	return crlf ? LINE_OK : LINE_BARE_LF;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct conn c;
	struct view v;

	if (n < 2)
		return 0;
	size_t max = data[0] < 250 ? data[0] + 1u : CONN_IN;
	const char *p = (const char *)data + 2;
	const char *end = (const char *)data + n;
	struct input in = { p, n - 2, data[1] };

	conn_open(&c, -1);
	c.ops = &ops;
	c.io = &in;
	for (;;) {
		enum line_status st = conn_line(&c, max, &v);
		const char *lf =
		    p == end ? NULL : memchr(p, '\n', (size_t)(end - p));
		if (lf == NULL) {
			must(st == LINE_EOF);
			break;
		}
		size_t len = (size_t)(lf - p);
		must(st == judge(p, len, max));
		if (st == LINE_TOO_LONG)
			must(v.n == 0);
		else
			must(v.n == len - (len > 0 && lf[-1] == '\r') &&
			     (v.n == 0 || memcmp(v.p, p, v.n) == 0));
		p = lf + 1;
	}
	must(c.octets_in == n - 2);
	return 0;
}
