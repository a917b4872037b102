/* Any text, in any two pieces: what DATA brings, RETR gives back; and no line
 * of the mbox can be taken for a separator. */
#include "spool/wire.h"

#include <stdlib.h>
#include <string.h>

#include "spool/mbox.h"
#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct view
part(const struct buf *b, size_t from, size_t to)
{
	if (to > b->n)
		to = b->n;
	if (from > to)
		from = to;
	return (struct view){ b->p + from, to - from };
}

/* Takes the dots off, in pieces of `step`.  Appends the end-of-data. */
static void
receive(struct view in, size_t step, bool lf_only, struct buf *content)
{
	struct dot_reader d;
	struct buf all;
	bool end = false;

	buf_init(&all, in.n + 8);
	buf_addv(&all, in);
	buf_adds(&all, "\r\n.\r\n");
	dot_reader_init(&d);
	d.lf_only = lf_only;
	for (size_t at = 0; !end; at += step)
		dot_read(&d, part(&all, at, at + step), content, &end);
	buf_free(&all);
}

/* As the content must come back. */
static void
expect(const struct buf *content, struct buf *want)
{
	for (size_t i = 0; i < content->n; i++) {
		char c = content->p[i];
		bool start = i == 0 || content->p[i - 1] == '\n';
		if (start && c == '.')
			buf_addc(want, '.');
		if (c == '\n' && (i == 0 || content->p[i - 1] != '\r'))
			buf_addc(want, '\r');
		buf_addc(want, c);
	}
	if (content->n > 0 && content->p[content->n - 1] != '\n')
		buf_adds(want, "\r\n");
}

static void
no_separator(const struct buf *box)
{
	for (size_t i = 0; i < box->n;) {
		const char *p = box->p + i;
		const char *lf = memchr(p, '\n', box->n - i);
		must(lf != NULL);
		must(!mbox_is_from((struct view){ p, (size_t)(lf - p) }));
		i += (size_t)(lf - p) + 1;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf content, box, back, want;
	struct mbox_writer w;
	struct mbox_reader r;
	size_t step = 1;
	bool lf_only = false;

	if (size > 0) {
		step = data[0] % 31 + 1;
		lf_only = data[0] & 128;
		data++;
		size--;
	}
	buf_init(&content, size + 16);
	buf_init(&box, 2 * size + 64);
	buf_init(&back, 4 * size + 64);
	buf_init(&want, 4 * size + 64);
	receive(
	    (struct view){ (const char *)data, size }, step, lf_only, &content);
	mbox_writer_init(&w, true);
	for (size_t at = 0; at < content.n; at += step)
		must(wire_to_mbox(&w, part(&content, at, at + step), &box));
	must(wire_to_mbox_end(&w, &box));
	no_separator(&box);
	must(box.n >= 1 && box.p[box.n - 1] == '\n');
	mbox_reader_init(&r, true, -1);
	for (size_t at = 0; at < box.n - 1; at += step)
		must(mbox_to_wire(&r,
		    part(&box, at, at + step < box.n ? at + step : box.n - 1),
		    &back));
	must(mbox_to_wire_end(&r, &back));
	expect(&content, &want);
	must(!want.bad && back.n == want.n &&
	     (want.n == 0 || memcmp(back.p, want.p, want.n) == 0));
	buf_free(&content);
	buf_free(&box);
	buf_free(&back);
	buf_free(&want);
	return 0;
}
