/*
 * One SMTP session from greeting to end.  Runs in: worker.
 */
#include "smtpd/session.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/sasl.h"
#include "common/service.h"
#include "smtpd/command.h"
#include "smtpd/intake.h"
#include "smtpd/policy.h"

/* ---- input ---- */

enum line_status
session_read(
    struct session *s, conn_reader *reader, size_t max, struct view *out)
{
	enum line_status st = reader(s->c, max, out);

	if (st == LINE_BARE_CR || st == LINE_TOO_LONG ||
	    (st == LINE_OK && reader == conn_line))
		s->lf_only = false; /* or it cannot be known */
	return st;
}

bool
session_buffered(const struct session *s)
{
	return s->c->head < s->c->tail;
}

/* The pool counts. */
static enum next
over_limit(struct session *s)
{
	if (s->w->too_fast) {
		log_warn("warning: Connection rate limit exceeded: %u from %s "
			 "for service smtpd",
		    s->w->came, s->client);
		return reply(s, 421, "4.7.0",
		    "%s Your address connects too often", s->set->hostname);
	}
	log_warn("warning: Connection concurrency limit exceeded: %lld from %s "
		 "for service smtpd",
	    (long long)s->set->workers_per_client + 1, s->client);
	return reply(s, 421, "4.7.0",
	    "%s Too many connections from your address", s->set->hostname);
}

enum next
session_broken(struct session *s, enum line_status st)
{
	switch (st) {
	case LINE_TIMEOUT:
		s->spent = true;
		log_info("timeout after %s from %s", s->verb, s->client);
		return reply(
		    s, 421, "4.4.2", "%s Timeout exceeded", s->set->hostname);
	case LINE_STOP:
		if (s->w->over_limit)
			return over_limit(s);
		return reply(s, 421, "4.3.2", "%s Service shutting down",
		    s->set->hostname);
	default:
		log_info(
		    "lost connection after %s from %s", s->verb, s->client);
		return NEXT_LOST;
	}
}

/* ---- what the session is ---- */

int
session_queue(const struct session *s)
{
	return s->right != -1 ? s->right : worker_channel(s->w, ROLE_QUEUE);
}

void
session_progress(struct session *s)
{
	s->c->deadline = now_ms() + s->set->session_timeout;
}

const char *
session_protocol(const struct session *s)
{
	if (s->lmtp && s->user[0] != '\0') /* RFC 3848 */
		return s->tls ? "LMTPSA" : "LMTPA";
	if (s->lmtp)
		return s->tls ? "LMTPS" : "LMTP";
	if (s->t.utf8) { /* RFC 6531 4.3 */
		if (s->user[0] != '\0')
			return s->tls ? "UTF8SMTPSA" : "UTF8SMTPA";
		return s->tls ? "UTF8SMTPS" : "UTF8SMTP";
	}
	if (!s->esmtp)
		return "SMTP";
	if (s->user[0] != '\0')
		return s->tls ? "ESMTPSA" : "ESMTPA";
	return s->tls ? "ESMTPS" : "ESMTP";
}

bool
session_submission(const struct session *s)
{
	enum listen_type t = s->w->listener->type;

	return t == LISTEN_SUBMISSION || t == LISTEN_SMTPS;
}

bool
session_password_ok(const struct session *s)
{
	return s->tls || s->w->listener->plaintext_auth;
}

enum next
session_start_tls(struct session *s)
{
	struct tls_info info;
	const char *why = "";
	enum line_status st = conn_starttls(s->c, s->w->tls, &why);

	s->spent = true; /* this process has seen a session's keys */
	if (st != LINE_OK) {
		log_info("SSL_accept error from %s: %s", s->client, why);
		log_info("lost connection after STARTTLS from %s", s->client);
		return NEXT_LOST;
	}
	s->tls = true;
	if (conn_tls_info(s->c, &info))
		log_info("Anonymous TLS connection established from %s: %s "
			 "with cipher %s (%d/%d bits)",
		    s->client, info.version, info.cipher, info.bits, info.bits);
	return NEXT_COMMAND;
}

/* ---- from greeting to end ---- */

static bool
is_local(const char *client)
{
	return strncmp(client, "127.", 4) == 0 || strcmp(client, "::1") == 0 ||
	       strcmp(client, "local") == 0;
}

bool
session_may_watch(const struct session *s)
{
	return s->user[0] != '\0' || is_local(s->w->client);
}

void
session_name_client(struct session *s)
{
	const char *client = s->w->client;

	snprintf(s->name, sizeof(s->name), "%s",
	    is_local(client) ? "localhost" : "unknown");
	snprintf(s->client, sizeof(s->client), "%s[%s]", s->name, client);
}

static void
session_init(struct session *s, struct worker *w)
{
	memset(s, 0, sizeof(*s));
	s->w = w;
	s->c = &w->conn;
	s->set = w->settings;
	s->state = ST_NEW;
	s->verb = "CONNECT";
	s->right = -1;
	s->lf_only = !s->set->bare_newline_reject;
	s->lmtp = w->listener->type == LISTEN_LMTP;
	session_name_client(s);
	s->c->timeout_ms = (int)s->set->command_timeout;
	session_progress(s);
}

/* A TLS client at a plain port: it waits for octets that never come, and what
 * it sent need not hold a line end. */
static enum next
first_octet(struct session *s)
{
	struct view v;
	enum line_status st = session_read(s, conn_some, CONN_IN, &v);

	if (st != LINE_OK)
		return session_broken(s, st);
	if (v.p[0] == 0x16) { /* RFC 8446 5.1: handshake record */
		s->spent = true;
		log_info("warning: TLS handshake on a plain connection from %s",
		    s->client);
		return reply(s, 421, "4.7.0",
		    "%s Speak SMTP here, and STARTTLS for TLS",
		    s->set->hostname);
	}
	conn_unread(s->c, v.n);
	return NEXT_COMMAND;
}

enum next
session_greet(struct session *s)
{
	enum next next;

	if (s->w->over_limit)
		return over_limit(s);
	next = policy_connect(s);
	if (next != NEXT_COMMAND)
		return next;
	return reply(s, 220, NULL, "%s %s pennypost", s->set->hostname,
	    s->lmtp ? "LMTP" : "ESMTP");
}

static enum next
session_open(struct session *s)
{
	struct worker *w = s->w;
	enum next next;

	if (w->over_limit)
		return over_limit(s);
	if (w->listener->type == LISTEN_SMTPS &&
	    session_start_tls(s) != NEXT_COMMAND)
		return NEXT_LOST;
	next = policy_wait(s);
	if (next == NEXT_COMMAND)
		next = session_greet(s);
	return next == NEXT_COMMAND ? first_octet(s) : next;
}

/* Reads a command and answers it. */
static enum next
session_command(struct session *s)
{
	struct view line;
	/* AUTH may be that long (RFC 4954 4); command_run knows about the
	 * others. */
	enum line_status st = session_read(s, conn_line, SASL_LINE_MAX, &line);

	if (s->w->finishing && (st == LINE_OK || st == LINE_BARE_LF) &&
	    (s->state & (ST_MAIL | ST_RCPT)) == 0 &&
	    !view_caseeqs(line, "QUIT"))
		st = LINE_STOP; /* RFC 5321 3.8 */
	s->bare_lf = st == LINE_BARE_LF;
	s->pipelined |= session_buffered(s);
	switch (st) {
	case LINE_OK:
		return command_run(s, line);
	case LINE_BARE_LF:
		/* People's programs send that.  In a group of commands of a
		 * client that knows better it is how one message becomes
		 * two. */
		if (s->set->bare_newline_reject)
			return command_bad(s, "Lines must end in <CR><LF>");
		if (s->pipelined && !s->lf_only)
			return command_bad(s, "Pipelined commands must end in "
					      "<CR><LF>");
		return command_run(s, line);
	case LINE_BARE_CR:
		return command_bad(s, "A <CR> alone is no line end");
	case LINE_TOO_LONG:
		return command_bad(s, "Line too long");
	default:
		return session_broken(s, st);
	}
}

bool
smtp_session_serve(struct worker *w)
{
	static struct session session;
	struct session *s = &session;
	enum next next;

	session_init(s, w);
	policy_look_up(s);
	log_info("connect from %s", s->client);
	worker_title(w, "CONNECT");
	next = session_open(s);
	while (next == NEXT_COMMAND)
		next = session_command(s);
	conn_close(s->c);
	transaction_reset(s);
	intake_free();
	close_fd(&s->right);
	command_log_counts(s);
	return !s->spent && s->user[0] == '\0';
}
