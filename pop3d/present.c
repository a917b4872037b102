/* Messages as they are, or as surrogates.  Runs in: worker (pop3d). */
#include "pop3d/present.h"

#include <stdlib.h>

#include "common/buf.h"
#include "common/surrogate.h"
#include "spool/wire.h"

enum { PIECE = 8192 };

uint64_t
present_octets(const struct mbox_msg *m)
{
	uint64_t offset, length;

	mbox_content(m, &offset, &length);
	return offset - m->offset + length;
}

static bool
bit(const unsigned char *map, size_t i)
{
	return (map[i / 8] >> (i % 8)) & 1;
}

static void
bit_set(unsigned char *map, size_t i)
{
	map[i / 8] |= (unsigned char)(1u << (i % 8));
}

/* Octets on the wire, without the dots of byte-stuffing. */
struct count {
	struct mbox_reader reader;
	struct buf wire;
	uint64_t octets;
	bool in_line;
};

static void
count_init(struct count *c, bool mboxrd)
{
	mbox_reader_init(&c->reader, mboxrd, -1);
	buf_init(&c->wire, 7 * (size_t)SURROGATE_OUT_MAX);
	c->octets = 0;
	c->in_line = false;
}

static void
count_wire(struct count *c)
{
	for (size_t i = 0; i < c->wire.n; i++) {
		bool stuffed = !c->in_line && c->wire.p[i] == '.';
		c->octets += !stuffed;
		c->in_line = c->wire.p[i] != '\n';
	}
}

static void
count_add(struct count *c, struct view in)
{
	buf_clear(&c->wire);
	mbox_to_wire(&c->reader, in, &c->wire);
	count_wire(c);
}

static void
count_end(struct count *c)
{
	buf_clear(&c->wire);
	mbox_to_wire_end(&c->reader, &c->wire);
	count_wire(c);
}

/* A message on its way, as it is and as a surrogate, as far as that one
 * matters: its header, and its parts. */
struct both {
	struct surrogate s;
	struct count is, becomes;
	struct buf out;
};

static enum status
message_add(struct both *h, struct view in, bool last)
{
	buf_clear(&h->out);
	in.n = surrogate_add(&h->s, in, &h->out);
	if (last && !h->s.done)
		surrogate_end(&h->s, &h->out);
	count_add(&h->is, in);
	count_add(&h->becomes, buf_view(&h->out));
	if (last) {
		count_end(&h->is);
		count_end(&h->becomes);
	}
	return h->out.bad || h->is.wire.bad || h->becomes.wire.bad ? ERR_NOMEM
								   : OK;
}

static enum status
read_message(
    struct maildrop *d, size_t i, const struct mbox_msg *m, struct both *h)
{
	uint64_t at = 0, end = present_octets(m);
	char *piece = malloc(PIECE);
	enum status st = piece == NULL ? ERR_NOMEM : OK;

	while (st == OK && at < end && !h->s.done) {
		size_t n = end - at < PIECE ? (size_t)(end - at) : PIECE;
		size_t skip = at == 0 ? m->from_len : 0;
		st = maildrop_read(d, i, at, piece, n);
		at += n;
		if (st == OK)
			st = message_add(h,
			    (struct view){ piece + skip, n - skip }, at == end);
	}
	free(piece);
	return st;
}

static enum status
look(struct maildrop *d, size_t i, const struct mbox_msg *m)
{
	bool mboxrd = d->settings->quoting_mboxrd;
	struct both h;

	surrogate_init(&h.s);
	count_init(&h.is, mboxrd);
	count_init(&h.becomes, mboxrd);
	buf_init(&h.out, 3 * (size_t)SURROGATE_OUT_MAX);
	enum status st = read_message(d, i, m, &h);
	if (st == OK && h.s.needed) {
		/* Modulo 2^64: fewer octets are more than any number. */
		st = maildrop_longer(d, i, h.becomes.octets - h.is.octets);
		bit_set(d->surrogate, i);
	}
	if (st == OK)
		bit_set(d->looked, i);
	surrogate_free(&h.s);
	buf_free(&h.is.wire);
	buf_free(&h.becomes.wire);
	buf_free(&h.out);
	return st;
}

enum status
present_message(struct maildrop *d, bool utf8, size_t i, bool *surrogate)
{
	struct mbox_msg m;

	*surrogate = false;
	enum status st = utf8 ? OK : maildrop_msg(d, i, &m);
	if (utf8 || st != OK || (m.flags & MBOX_8BIT) == 0)
		return st;
	if (!bit(d->looked, i))
		st = look(d, i, &m);
	*surrogate = bit(d->surrogate, i);
	return st;
}

enum status
present_all(struct maildrop *d, bool utf8)
{
	enum status st = OK;
	bool surrogate;

	for (size_t i = 0; !utf8 && st == OK && i < d->n; i++)
		if (!maildrop_deleted(d, i))
			st = present_message(d, utf8, i, &surrogate);
	return st;
}
