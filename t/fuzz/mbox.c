/* Any file as an mbox: the messages must cover it, their sizes on the wire be
 * what is sent, and each have a unique-id. */
#define _GNU_SOURCE /* memfd_create */
#include "spool/mbox.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "spool/wire.h"
#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Octets that RETR sends for m, without what stuffing adds. */
static uint64_t
sent(struct view text, const struct mbox_msg *m, bool mboxrd)
{
	struct mbox_reader r;
	struct buf out;
	uint64_t at, n;

	mbox_content(m, &at, &n);
	must(at + n <= text.n);
	buf_init(&out, 16 + 4 * n);
	mbox_reader_init(&r, mboxrd, -1);
	mbox_to_wire(&r, (struct view){ text.p + at, n }, &out);
	must(mbox_to_wire_end(&r, &out));
	uint64_t octets = out.n;
	for (size_t i = 0; i < out.n; i++)
		octets -= out.p[i] == '.' && (i == 0 || out.p[i - 1] == '\n');
	buf_free(&out);
	return octets;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct view text = { (const char *)data, size };
	bool mboxrd = size % 2 == 0;
	struct mbox_list l;
	uint64_t end = 0;

	if (fd == -1)
		fd = memfd_create("mbox", 0);
	must(ftruncate(fd, 0) == 0);
	must(pwrite(fd, data, size, 0) == (ssize_t)size);
	enum status st = mbox_scan(fd, size, mboxrd, &l);
	must(st == OK || (st == ERR_DAMAGED && l.n == 0));
	for (size_t i = 0; i < l.n; i++) {
		const struct mbox_msg *m = &l.msg[i];
		unsigned char uid[16];
		must(m->offset == end && m->from_len <= m->length);
		end += m->length;
		/* A blank line that has a CR is text of the message. */
		must(i + 1 == l.n || (m->flags & MBOX_NO_BLANK) == 0 ||
		     (end > 3 && memcmp(data + end - 3, "\n\r\n", 3) == 0));
		must(mbox_check_separator(fd, m->offset) == OK);
		must(mbox_unique_id(fd, m, uid) == OK);
		must(sent(text, m, mboxrd) == m->wire);
	}
	must(st != OK || end == size);
	mbox_list_free(&l);
	return 0;
}
