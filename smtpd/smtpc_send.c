/*
 * One mail transaction with another server.  Runs in: sender.
 *
 *	MAIL RCPT RCPT ... (a group, where PIPELINING is offered)
 *	DATA or BDAT, the content
 *	one reply for all (SMTP), or for each that was accepted (LMTP)
 */
#include <stdio.h>
#include <string.h>

#include "common/idna.h"
#include "common/service.h"
#include "smtpd/smtpc.h"

enum { COMMAND_MAX = 4096, CONTENT_RATE = 1000 /* octets in a second */ };

/* The state of a recipient within this transaction. */
struct transaction {
	struct smtpc *s;
	struct smtpc_mail *m;
	bool pipelining;
	bool asked[RELAY_RCPT_MAX], accepted[RELAY_RCPT_MAX];
	unsigned accepted_n;
};

static void
set_result(struct transaction *t, unsigned i)
{
	const struct smtpc *s = t->s;
	struct relay_result *r = &t->m->request->rcpt[i].result;
	unsigned class = s->reply.code / 100;

	r->outcome = class == 2	  ? RELAY_SENT
		     : class == 5 ? RELAY_BOUNCED
				  : RELAY_DEFERRED;
	r->remote = s->remote_said;
	/* 3xx, where it means nothing, is put off. */
	snprintf(r->dsn, sizeof(r->dsn), "%c%s",
	    class == 2	 ? '2'
	    : class == 5 ? '5'
			 : '4',
	    s->reply.dsn[0] == '\0' ? ".0.0" : s->reply.dsn + 1);
	snprintf(r->text, sizeof(r->text), "%s", s->reply.text);
	t->m->settled[i] = r->outcome != RELAY_DEFERRED;
}

/* ---- the envelope ---- */

static void
write_command(struct smtpc *s, struct buf *b)
{
	/* What does not fit into a command is refused by the server, as it is
	 * cut; it cannot be: values are bounded in the record. */
	smtpc_command(s, buf_cstr(b));
	buf_free(b);
}

/* The address, in ASCII where nothing else is taken. */
static void
add_address(struct transaction *t, struct buf *b, const char *address)
{
	char ascii[ENVELOPE_VALUE_MAX + 1];

	if (!(t->s->caps.bits & CAP_SMTPUTF8) &&
	    idna_address(view_of(address), ascii, sizeof(ascii)))
		address = ascii;
	buf_adds(b, address);
	buf_addc(b, '>');
}

static void
write_mail(struct transaction *t)
{
	const struct relay_request *rq = t->m->request;
	struct buf b;

	buf_init(&b, COMMAND_MAX);
	buf_adds(&b, "MAIL FROM:<");
	add_address(t, &b, rq->sender);
	smtpc_mail_params(&t->s->caps, view_of(rq->params), &t->m->needs,
	    smtpc_needs_utf8(rq, &t->m->needs), &b);
	write_command(t->s, &b);
}

static void
write_rcpt(struct transaction *t, unsigned i)
{
	const struct relay_rcpt *c = &t->m->request->rcpt[i];
	struct buf b;

	buf_init(&b, COMMAND_MAX);
	buf_adds(&b, "RCPT TO:<");
	add_address(t, &b, c->address);
	smtpc_rcpt_params(&t->s->caps, view_of(c->params), &b);
	write_command(t->s, &b);
	t->asked[i] = true;
}

static enum smtpc_result
got_mail(struct transaction *t)
{
	enum smtpc_result r = smtpc_reply(t->s, "sending MAIL FROM");

	if (r == SMTPC_OK && t->s->reply.code / 100 != 2)
		r = SMTPC_REFUSED;
	if (r != SMTPC_OK)
		smtpc_result_all(t->s, t->m, false);
	return r;
}

static enum smtpc_result
got_rcpt(struct transaction *t, unsigned i, bool mail_ok)
{
	enum smtpc_result r = smtpc_reply(t->s, "sending RCPT TO");

	if (r == SMTPC_LOST)
		return r;
	if (!mail_ok) /* what it says now is about the order only */
		return SMTPC_REFUSED;
	if (r == SMTPC_OK && t->s->reply.code / 100 == 2) {
		t->accepted[i] = true;
		t->accepted_n++;
		return SMTPC_OK;
	}
	/* RFC 5321 4.5.3.1.10: 552 there means 452, too many recipients. */
	if (t->s->reply.code == 552) {
		t->s->reply.code = 452;
		t->s->reply.dsn[0] = '4';
	}
	set_result(t, i);
	return SMTPC_REFUSED;
}

/* SMTPC_OK: somebody was accepted. */
static enum smtpc_result
envelope(struct transaction *t)
{
	enum smtpc_result r = SMTPC_OK, one;

	write_mail(t);
	if (!t->pipelining)
		r = got_mail(t);
	for (unsigned i = 0; i < t->m->request->n && r == SMTPC_OK; i++) {
		if (t->m->settled[i])
			continue;
		write_rcpt(t, i);
		if (!t->pipelining && got_rcpt(t, i, true) == SMTPC_LOST)
			r = SMTPC_LOST;
	}
	if (t->pipelining) {
		r = got_mail(t);
		bool mail_ok = r == SMTPC_OK;
		for (unsigned i = 0; i < t->m->request->n && r != SMTPC_LOST;
		     i++) {
			if (!t->asked[i])
				continue;
			one = got_rcpt(t, i, mail_ok);
			if (one == SMTPC_LOST)
				r = one;
		}
	}
	if (r == SMTPC_LOST)
		smtpc_result_all(t->s, t->m, false);
	return r == SMTPC_OK && t->accepted_n == 0 ? SMTPC_REFUSED : r;
}

/* ---- the content ---- */

/* Everybody who was accepted gets what s->reply says. */
static void
result_accepted(struct transaction *t)
{
	for (unsigned i = 0; i < t->m->request->n; i++)
		if (t->accepted[i])
			set_result(t, i);
}

static enum smtpc_result
unreadable(struct transaction *t)
{
	struct smtpc *s = t->s;

	s->lost = true; /* the server must not take it for whole */
	s->remote_said = false;
	smtp_reply_set(&s->reply, 400, "4.3.0", "the record cannot be read");
	result_accepted(t);
	return SMTPC_LOST;
}

/* The content may take as long as it needs at a rate that only a server that
 * means harm, or a line of the past, falls below. */
static void
content_deadline(struct transaction *t)
{
	struct smtpc *s = t->s;
	int64_t ms =
	    s->reply_ms + (int64_t)(t->m->content.length / CONTENT_RATE) * 1000;

	s->conn->deadline = now_ms() + ms;
	if (s->limit != 0 && s->limit < s->conn->deadline)
		s->conn->deadline = s->limit;
}

static enum smtpc_result
write_data(struct transaction *t)
{
	struct smtpc *s = t->s;

	smtpc_command(s, "DATA");
	enum smtpc_result r = smtpc_reply(s, "sending DATA command");
	if (r == SMTPC_LOST || s->reply.code != 354) {
		if (r == SMTPC_OK)
			r = SMTPC_REFUSED;
		if (s->reply.code / 100 == 2) /* no 2xx is an answer here */
			s->reply.code = 451;
		result_accepted(t);
		return r;
	}
	content_deadline(t);
	if (!smtpc_content_data(&t->m->content, s->conn))
		return unreadable(t);
	conn_writes(s->conn, ".\r\n");
	return SMTPC_OK;
}

static enum smtpc_result
write_bdat(struct transaction *t)
{
	char line[64];

	snprintf(line, sizeof(line), "BDAT %llu LAST",
	    (unsigned long long)t->m->content.length);
	smtpc_command(t->s, line);
	content_deadline(t);
	return smtpc_content_raw(&t->m->content, t->s->conn) ? SMTPC_OK
							     : unreadable(t);
}

/* After this point a message may have arrived though nothing says so: it is
 * then sent once more, never lost (RFC 1047). */
static enum smtpc_result
end_of_data(struct transaction *t)
{
	static const char doing[] = "sending end of data -- message may be "
				    "sent more than once";
	struct smtpc *s = t->s;
	int64_t before = s->reply_ms;
	enum smtpc_result r = SMTPC_OK;

	s->reply_ms *= 2; /* RFC 5321 4.5.3.2.6: 10 minutes */
	if (!s->lmtp) {
		r = smtpc_reply(s, doing);
		result_accepted(t);
	}
	for (unsigned i = 0; i < t->m->request->n && s->lmtp; i++) {
		if (!t->accepted[i])
			continue;
		if (r != SMTPC_LOST)
			r = smtpc_reply(s, doing);
		set_result(t, i);
	}
	s->reply_ms = before;
	return r == SMTPC_LOST ? r : SMTPC_OK;
}

/* Ends what is left of the transaction; whoever does not know RSET is of no
 * more use. */
static enum smtpc_result
reset(struct smtpc *s)
{
	struct smtp_reply keep = s->reply;
	bool said = s->remote_said;

	smtpc_command(s, "RSET");
	enum smtpc_result r = smtpc_reply(s, "sending RSET");
	s->reply = keep;
	s->remote_said = said;
	s->lost = s->lost || r != SMTPC_OK;
	return r == SMTPC_OK ? SMTPC_OK : SMTPC_LOST;
}

/* How the content goes to this server.  False: it cannot be read. */
static bool
choose_form(struct smtpc *s, struct smtpc_mail *m)
{
	m->content.form = SMTPC_AS_IS;
	if (!smtpc_seven_bit(&s->caps, &m->needs))
		return true;
	if (!smtpc_content_convertible(&m->content))
		return false;
	m->needs.ascii_stuck = m->content.stuck;
	m->needs.ascii_size = m->content.converted_length;
	m->content.form =
	    m->content.stuck == NULL ? SMTPC_CONVERTED : SMTPC_ASCII;
	return true;
}

static bool
by_chunks(const struct smtpc *s, const struct smtpc_mail *m)
{
	return (s->caps.bits & CAP_CHUNKING) != 0 && !m->content.strays &&
	       m->content.form != SMTPC_CONVERTED;
}

enum smtpc_result
smtpc_send(struct smtpc *s, struct smtpc_mail *m)
{
	struct transaction t = { .s = s, .m = m };

	t.pipelining = (s->caps.bits & CAP_PIPELINING) != 0;
	if (!choose_form(s, m)) {
		s->remote_said = false;
		smtp_reply_set(
		    &s->reply, 400, "4.3.0", "the content cannot be read");
		smtpc_result_all(s, m, false);
		return SMTPC_OK;
	}
	if (!smtpc_can_take(&s->caps, m->request, &m->needs, &s->reply)) {
		s->remote_said = false;
		smtpc_result_all(s, m, false);
		return SMTPC_OK;
	}
	enum smtpc_result r = envelope(&t);
	if (r == SMTPC_REFUSED)
		return reset(s);
	if (r == SMTPC_OK)
		r = by_chunks(s, m) ? write_bdat(&t) : write_data(&t);
	if (r == SMTPC_REFUSED)
		return reset(s);
	return r == SMTPC_OK ? end_of_data(&t) : r;
}
