/* Reports: whatever message, addresses and replies they are about, the report
 * holds what may go through mail, its parts cannot be confused, and the header
 * that is returned is the start of the message. */
#define _GNU_SOURCE /* memmem */
#include "spool/dsn.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/unitext.h"
#include "common/utf8.h"
#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_header(struct view content)
{
	struct view h = dsn_header(content);

	must(h.n <= content.n && h.n <= DSN_HEADER_MAX);
	must(h.n == 0 || (h.p == content.p && h.p[h.n - 1] == '\n'));
	must(dsn_header(h).n == h.n); /* all of it is header */
}

static unsigned
times(struct view v, const char *text)
{
	size_t n = strlen(text);
	unsigned found = 0;
	const char *p;

	while (v.n > 0 && (p = memmem(v.p, v.n, text, n)) != NULL) {
		found++;
		v.n -= (size_t)(p + n - v.p);
		v.p = p + n;
	}
	return found;
}

/* Lines end in CRLF, are not too long, hold no NUL or bare CR. */
static void
check_lines(struct view v)
{
	bool more;

	must(memchr(v.p, '\0', v.n) == NULL);
	while (v.n > 0) {
		struct view line = view_split(&v, '\n', &more);
		must(more && line.n > 0 && line.n <= 999 + 64);
		must(memchr(line.p, '\r', line.n) == line.p + line.n - 1);
	}
}

static void
check_report(struct view v)
{
	char line[100];
	const char *p = memmem(v.p, v.n, "\r\n\tboundary=\"", 13);

	check_lines(v);
	must(p != NULL);
	p += 13;
	size_t n = (size_t)((const char *)memchr(p, '"', 80) - p);
	must(n > 10 && n <= 70);
	memcpy(line, p, n);
	line[n] = '\0';
	/* Our header is what we wrote: nothing was added to it. */
	p = memmem(v.p, v.n, "\r\n\r\n", 4);
	struct view head = { v.p, (size_t)(p + 2 - v.p) };
	must(dsn_header(head).n == head.n);
	must(times(head, "\r\nContent-Type: ") == 1);
	must(times(head, "\n") <= 12);
	v = (struct view){ p, v.n - head.n + 2 };
	must(times(v, line) == 4); /* three parts and the end */
}

/* Values of an envelope are printable, others are refused when it is read. */
static struct view
take_value(struct view *v)
{
	struct view value = view_split(v, '\n', NULL);

	return envelope_value_valid(value) ? value : view_of("a@example.org");
}

static void
check_unitext(struct view v)
{
	char text[600];
	struct buf b;

	if (!utf8_printable(v) || v.n > 512)
		return;
	buf_init(&b, 8192);
	unitext_encode(&b, v);
	for (size_t i = 0; i < b.n; i++)
		must(b.p[i] > ' ' && b.p[i] <= '~');
	must(unitext_decode(buf_view(&b), text, sizeof(text)) &&
	     view_eqs(v, text));
	buf_free(&b);
	unitext_decode(v, text, sizeof(text));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const params[] = { "", "SMTPUTF8",
		"RET=HDRS ENVID=a+2Bb", "SMTPUTF8 RET=FULL ENVID=++" };
	struct view v = { (const char *)data, size };
	struct buf out;
	bool utf8;

	if (size < 2)
		return 0;
	unsigned how = data[0];
	v = (struct view){ v.p + 1, v.n - 1 };
	struct envelope e = { .id = view_of("0123456789ABC"),
		.arrived_us = 1795170030250000,
		.sender = take_value(&v),
		.params = view_of(params[how & 3]) };
	struct dsn_rcpt r[2] = { { .action = how >> 2 & 3,
				     .address = take_value(&v),
				     .params = take_value(&v),
				     .code = "5.1.1",
				     .text = view_split(&v, '\n', NULL) },
		{ .action = how >> 4 & 3,
		    .address = take_value(&v),
		    .original = take_value(&v),
		    .code = "4.0.0",
		    .remote = view_split(&v, '\n', NULL),
		    .expired = true } };
	struct dsn d = { .id = "0123456789ABCFFFF",
		.hostname = "mail.example.org",
		.to = e.sender,
		.random = how,
		.of = &e,
		.rcpt = r,
		.rcpt_n = 2,
		.content = v,
		.return_all = how & 64 };

	check_header(v);
	check_unitext(e.sender);
	buf_init(&out, 4 << 20);
	must(dsn_print(&out, &d, &utf8));
	check_report(buf_view(&out));
	buf_free(&out);
	return 0;
}
