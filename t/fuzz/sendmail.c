/*
 * What programs of the host hand in: the input's line ends, the header, the
 * recipients.  The first octet says how: with -i, in which pieces.
 *
 * Whatever comes in: each line that leaves ends in CRLF and holds no other LF;
 * no Bcc leaves; each recipient is an address that reads back as the same.
 */
#include "spool/sendmail_header.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "spool/address_list.h"
#include "spool/control.h"
#include "spool/sendmail_input.h"
#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_list(void *arg, struct view list)
{
	struct address a, again;
	struct view text, before = list;
	enum address_item item;

	(void)arg;
	while ((item = address_list_next(&list, &a, &text)) != ITEM_END) {
		must(list.n < before.n);
		before = list;
		if (item == ITEM_BAD)
			continue;
		must(address_parse_utf8(view_of(a.text), &again) == ADDR_OK);
		must(strcmp(a.text, again.text) == 0);
		must(strpbrk(a.text, "\r\n") == NULL);
	}
}

static void
check_lines(struct view v)
{
	must(v.n == 0 || v.p[v.n - 1] == '\n');
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] == '\n')
			must(i > 0 && v.p[i - 1] == '\r');
}

/* No field of that name, folded lines being part of the field before. */
static void
check_fields(struct view v)
{
	while (v.n > 0) {
		bool found;
		struct view line = view_split(&v, '\n', &found);
		must(!view_casestarts(line, "Bcc:"));
		must(!view_casestarts(line, "Resent-Bcc:"));
		must(!view_casestarts(line, "bcc :"));
	}
}

static void
check_header(struct view text, size_t step)
{
	static const struct mail_header_add add = { "f@x.test",
		"Sat, 21 Nov 2026 03:19:15 +0000", "<1@x.test>", "h.test" };
	struct mail_header h;
	struct view rest = text;
	struct buf out;

	mail_header_init(&h);
	bool done = false;
	while (!done) {
		size_t n = rest.n < step ? rest.n : step;
		done = mail_header_feed(
		    &h, (struct view){ rest.p, n }, rest.n == n);
		rest = (struct view){ rest.p + n, rest.n - n };
		must(!h.too_long);
		must(done || rest.n > 0);
	}
	/* Header, body and what was not fed are all there is. */
	struct view body = mail_header_body(&h);
	must(h.body + body.n + rest.n == text.n);
	mail_header_recipients(&h, check_list, NULL);
	buf_init(&out, 2 * MAIL_HEADER_MAX);
	mail_header_print(&h, &add, &out);
	must(!out.bad);
	check_lines(buf_view(&out));
	check_fields(buf_view(&out));
	/* What leaves is a header whole: none of it is taken for a body. */
	struct mail_header again;
	mail_header_init(&again);
	must(mail_header_feed(&again, buf_view(&out), true));
	must(again.body == out.n && again.from && again.date &&
	     again.message_id);
	mail_header_free(&again);
	buf_free(&out);
	mail_header_free(&h);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_query q;
	const char *why;

	if (size < 2 || size > 60000)
		return 0;
	struct input in = { .fd = -1, .dot_ends = data[0] & 1 };
	size_t step = 1 + (size_t)(data[0] >> 1);
	const char *p = (const char *)data + 1;
	size_t n = size - 1, done = 0, at = 0;
	char *text = malloc(2 * n + 8), name[300];

	must(text != NULL);
	while (at < n) {
		size_t k = n - at < step ? n - at : step;
		done += input_convert(&in, p + at, k, at + k == n, text + done);
		at += k;
	}
	must(done <= 2 * n + 4);
	struct view v = { text, done };
	check_lines(v);
	check_header(v, step);
	check_list(NULL, (struct view){ p, n });
	mail_from_print((struct view){ p, n }, "a@x.test", name, sizeof(name));
	must(strpbrk(name, "\r\n") == NULL);
	control_parse((struct view){ p, n }, &q, &why);
	free(text);
	return 0;
}
