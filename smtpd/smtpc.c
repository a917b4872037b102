/*
 * A session with another server: its beginning, replies, and end.
 * Runs in: sender.
 */
#include "smtpd/smtpc.h"

#include <stdio.h>
#include <string.h>

#include "common/service.h"

enum { LINE = 8192, HELLO_MAX = 300 };

/* ---- what every step needs ---- */

static enum smtpc_result
lost(struct smtpc *s, const char *what, const char *while_doing)
{
	s->lost = true;
	s->remote_said = false;
	smtp_reply_set(&s->reply, 400, "4.4.2", "%s with %s while %s", what,
	    s->remote, while_doing);
	return SMTPC_LOST;
}

static void
set_deadline(struct smtpc *s)
{
	struct conn *c = s->conn;

	c->timeout_ms = (int)s->reply_ms;
	c->deadline = now_ms() + s->reply_ms;
	if (s->limit != 0 && s->limit < c->deadline)
		c->deadline = s->limit;
}

static const char *
why_no_line(enum line_status st)
{
	switch (st) {
	case LINE_TIMEOUT:
		return "conversation timed out";
	case LINE_TOO_LONG:
		return "a reply without end came";
	default:
		return "lost connection";
	}
}

/* on_line: for what each line of it says; may be NULL. */
static enum smtpc_result
read_reply(struct smtpc *s, const char *doing,
    void (*on_line)(struct smtpc_caps *, struct view))
{
	enum smtp_reply_is is;
	struct view line, text;

	smtp_reply_start(&s->reply);
	set_deadline(s);
	/* No reply counts to what was not sent, even if it is there already.
	 * Where sending fails, the server may have said why. */
	bool sent = conn_flush(s->conn);
	do {
		enum line_status st = conn_line(s->conn, LINE, &line);
		if (st != LINE_OK && st != LINE_BARE_LF && st != LINE_BARE_CR)
			return lost(s, why_no_line(st), doing);
		is = smtp_reply_line(&s->reply, line, &text);
		if (is == SMTP_REPLY_BAD)
			return lost(
			    s, "nonsense came instead of a reply", doing);
		if (on_line != NULL && s->reply.lines > 1)
			on_line(&s->caps, text);
	} while (is == SMTP_REPLY_MORE);
	if (!sent && s->reply.code < 400)
		return lost(s, "lost connection", doing);
	s->remote_said = true;
	if (s->reply.code == 421) {
		s->lost = true;
		return SMTPC_LOST;
	}
	return s->reply.code < 400 ? SMTPC_OK : SMTPC_REFUSED;
}

enum smtpc_result
smtpc_reply(struct smtpc *s, const char *doing)
{
	return read_reply(s, doing, NULL);
}

void
smtpc_command(struct smtpc *s, const char *line)
{
	set_deadline(s);
	conn_writes(s->conn, line);
	conn_writes(s->conn, "\r\n");
}

/* ---- the beginning ---- */

static enum smtpc_result
hello(struct smtpc *s, const char *verb)
{
	char line[HELLO_MAX], doing[64];

	memset(&s->caps, 0, sizeof(s->caps));
	snprintf(line, sizeof(line), "%s %s", verb, s->hello);
	snprintf(doing, sizeof(doing), "performing the %s handshake", verb);
	smtpc_command(s, line);
	bool plain = strcmp(verb, "HELO") == 0;
	enum smtpc_result r =
	    read_reply(s, doing, plain ? NULL : smtpc_caps_line);
	if (r == SMTPC_OK && !plain)
		s->caps.bits |= CAP_ESMTP;
	if (r == SMTPC_OK && s->reply.code / 100 != 2)
		r = SMTPC_REFUSED;
	return r;
}

static enum smtpc_result
hellos(struct smtpc *s)
{
	enum smtpc_result r = hello(s, s->lmtp ? "LHLO" : "EHLO");

	/* RFC 5321 3.2: older servers. */
	if (r == SMTPC_REFUSED && !s->lmtp && s->reply.code >= 500 && !s->tls)
		r = hello(s, "HELO");
	return r;
}

enum smtpc_result
smtpc_open(struct smtpc *s)
{
	s->lost = false;
	enum smtpc_result r = smtpc_reply(s, "receiving the initial greeting");
	if (r == SMTPC_OK && s->reply.code / 100 != 2)
		r = SMTPC_REFUSED;
	return r == SMTPC_OK ? hellos(s) : r;
}

enum smtpc_result
smtpc_starttls(
    struct smtpc *s, struct tls_client *t, const struct tls_peer *peer)
{
	s->tls_why = NULL;
	smtpc_command(s, "STARTTLS");
	enum smtpc_result r = smtpc_reply(s, "performing STARTTLS");
	if (r != SMTPC_OK || s->reply.code != 220)
		return r == SMTPC_LOST ? r : SMTPC_REFUSED;
	/* What stands behind the reply was sent in clear, by whomever: it is
	 * forgotten by the handshake (RFC 3207 4.2). */
	set_deadline(s);
	if (conn_starttls_client(s->conn, t, peer, &s->tls_why) != LINE_OK) {
		s->lost = true;
		s->remote_said = false;
		smtp_reply_set(&s->reply, 400, "4.7.5",
		    "TLS handshake with %s failed: %s", s->remote, s->tls_why);
		return SMTPC_LOST;
	}
	s->tls = true;
	return hellos(s);
}

/* ---- the end ---- */

void
smtpc_quit(struct smtpc *s)
{
	if (s->lost)
		return;
	s->conn->timeout_ms = 1000;
	s->conn->deadline = 0;
	conn_writes(s->conn, "QUIT\r\n");
	conn_flush(s->conn);
	s->lost = true;
}

bool
smtpc_idle_ok(struct smtpc *s)
{
	if (s->lost)
		return false;
	if (!conn_pending(s->conn) && s->conn->ended == LINE_OK)
		return true;
	s->lost = true;
	return false;
}

void
smtpc_result_all(const struct smtpc *s, struct smtpc_mail *m, bool kept)
{
	bool never = s->reply.code >= 500;

	for (unsigned i = 0; i < m->request->n; i++) {
		struct relay_result *r = &m->request->rcpt[i].result;
		if (m->settled[i] || (kept && r->remote))
			continue;
		r->outcome = never ? RELAY_BOUNCED : RELAY_DEFERRED;
		r->remote = s->remote_said;
		snprintf(r->dsn, sizeof(r->dsn), "%c%s", never ? '5' : '4',
		    s->reply.dsn + 1);
		snprintf(r->text, sizeof(r->text), "%s", s->reply.text);
		m->settled[i] = never;
	}
}
