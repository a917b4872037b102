/* RELAY_SEND, both sides of it.  Runs in: queue and relay. */
#include "spool/ask_relay.h"

#include <stdio.h>
#include <string.h>

#include "common/utf8.h"

void
relay_put_send(struct msg *m, const char *nexthop, struct view id,
    struct view sender, struct view params, int fd, uint64_t offset,
    uint64_t length)
{
	msg_start(m, RELAY_SEND);
	msg_put_str(m, nexthop);
	msg_put_view(m, id);
	msg_put_view(m, sender);
	msg_put_view(m, params);
	msg_put_u64(m, offset);
	msg_put_u64(m, length);
	m->fd = fd;
}

bool
relay_put_rcpt(struct msg *m, struct view address, struct view params)
{
	uint32_t len = m->len;

	if (m->bad)
		return false;
	msg_put_view(m, address);
	msg_put_view(m, params);
	if (!m->bad)
		return true;
	m->len = len;
	m->bad = false;
	return false;
}

static bool
get_result(struct msg *m, struct relay_result *r)
{
	uint32_t outcome = msg_get_u32(m);

	r->remote = msg_get_u32(m) != 0;
	msg_get_str(m, r->dsn, sizeof(r->dsn));
	msg_get_str(m, r->text, sizeof(r->text));
	if (m->bad || outcome > RELAY_BOUNCED)
		return false;
	r->outcome = (enum relay_outcome)outcome;
	/* What it says of itself must fit what it did. */
	return r->dsn[0] == (outcome == RELAY_SENT	    ? '2'
				: outcome == RELAY_DEFERRED ? '4'
							    : '5') &&
	       utf8_printable(view_of(r->text));
}

bool
relay_got(struct msg *m, unsigned n, struct relay_answer *a)
{
	bool good = m->type == RELAY_SEND && m->fd == -1 && n <= RELAY_RCPT_MAX;
	uint32_t verdict = msg_get_u32(m);

	a->bits = msg_get_u32(m);
	msg_get_str(m, a->remote, sizeof(a->remote));
	a->setup_us = (int64_t)msg_get_u64(m);
	a->send_us = (int64_t)msg_get_u64(m);
	for (a->n = 0; good && a->n < n; a->n++)
		good = get_result(m, &a->rcpt[a->n]);
	good = good && msg_done(m) && verdict <= RELAY_DOWN &&
	       utf8_printable(view_of(a->remote)) && a->setup_us >= 0 &&
	       a->send_us >= 0;
	a->verdict = good ? (enum relay_verdict)verdict : RELAY_DOWN;
	close_fd(&m->fd);
	return good;
}

/* ---- the child's side ---- */

/* The next string of m, kept in r->text from *at on. */
static const char *
keep(struct msg *m, struct relay_request *r, size_t *at, size_t max)
{
	struct view v = msg_get_view(m, max);
	char *start = r->text + *at;

	/* A string takes one octet more here, and four of length there. */
	if (!view_copy(v, start, sizeof(r->text) - *at) || !utf8_printable(v))
		m->bad = true;
	*at += m->bad ? 0 : v.n + 1;
	return start;
}

bool
relay_read(struct msg *m, struct relay_request *r)
{
	struct nexthop hop;
	size_t at = 0;

	r->n = 0;
	msg_get_str(m, r->nexthop, sizeof(r->nexthop));
	msg_get_str(m, r->id, sizeof(r->id));
	msg_get_str(m, r->sender, sizeof(r->sender));
	msg_get_str(m, r->params, sizeof(r->params));
	r->offset = msg_get_u64(m);
	r->length = msg_get_u64(m);
	if (m->bad || !nexthop_parse(view_of(r->nexthop), &hop) ||
	    !envelope_id_valid(view_of(r->id)) ||
	    !utf8_printable(view_of(r->sender)) ||
	    !utf8_printable(view_of(r->params)))
		return false;
	while (!m->bad && m->at < m->len) {
		if (r->n == RELAY_RCPT_MAX)
			return false;
		struct relay_rcpt *c = &r->rcpt[r->n];
		memset(c, 0, sizeof(*c));
		c->address = keep(m, r, &at, ENVELOPE_VALUE_MAX);
		c->params = keep(m, r, &at, ENVELOPE_PARAMS_MAX);
		r->n++;
	}
	return msg_done(m) && r->n > 0;
}

void
relay_put_answer(struct msg *rp, const struct relay_answer *head,
    const struct relay_request *r)
{
	msg_put_u32(rp, head->verdict);
	msg_put_u32(rp, head->bits);
	msg_put_str(rp, head->remote);
	msg_put_u64(rp, (uint64_t)head->setup_us);
	msg_put_u64(rp, (uint64_t)head->send_us);
	for (unsigned i = 0; i < r->n; i++) {
		const struct relay_result *x = &r->rcpt[i].result;
		msg_put_u32(rp, x->outcome);
		msg_put_u32(rp, x->remote);
		msg_put_str(rp, x->dsn);
		msg_put_str(rp, x->text);
	}
}
