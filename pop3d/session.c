/* A POP3 session from greeting to end.  Runs in: worker (pop3d). */
#include "pop3d/session.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "common/sasl_digest.h"
#include "common/service.h"
#include "pop3d/command.h"
#include "pop3d/poplog.h"
#include "pop3d/reply.h"

bool
session_plaintext_ok(const struct session *s)
{
	return conn_is_tls(s->conn) || s->w->listener->plaintext_auth;
}

enum line_status
session_line(struct session *s, size_t max, struct view *out)
{
	enum line_status st = conn_line(s->conn, max, out);

	return st == LINE_BARE_LF ? LINE_OK : st;
}

/* The pool has counted its address' connections. */
static enum next
over_limit(struct session *s)
{
	reply_err(s, "SYS/TEMP",
	    "Too many connections from your address; try again later.");
	s->why = "Too many connections from this address";
	return NEXT_CLOSE;
}

enum next
session_no_line(struct session *s, enum line_status st)
{
	switch (st) {
	case LINE_OK:
	case LINE_BARE_LF:
		return NEXT_COMMAND;
	case LINE_BARE_CR:
		return reply_bad(s, "A line ends with CR and LF; a CR alone "
				    "has no place in it.");
	case LINE_TOO_LONG:
		return reply_bad(s, "The line is too long.");
	case LINE_STOP:
		if (s->w->over_limit)
			return over_limit(s);
		reply_err(s, "SYS/TEMP",
		    "The server is shutting down; try "
		    "again later.  Nothing was deleted.");
		s->why = "Server shutting down";
		return NEXT_CLOSE;
	case LINE_TIMEOUT:
		/* RFC 1939 3: nothing removed, and no response. */
		s->why = "Inactivity";
		return NEXT_CLOSE;
	case LINE_EOF:
	case LINE_ERROR:
		break;
	}
	s->why = "Connection closed";
	return NEXT_CLOSE;
}

bool
session_starttls(struct session *s)
{
	const char *why = "";

	/* Whatever was said before does not count any more (RFC 2595 4). */
	s->user_known = false;
	s->user[0] = '\0';
	s->lang = LANG_EN;
	if (conn_starttls(s->conn, s->w->tls, &why) == LINE_OK)
		return true;
	log_write(LOG_LVL_INFO, "pop3-login",
	    "TLS handshake failed: rip=%s, lip=%s, session=<%s>: %s",
	    s->w->client, s->w->local, s->id, why);
	s->tls_failed = true;
	s->why = "TLS handshake failed";
	return false;
}

void
session_enter_transaction(struct session *s)
{
	s->state = ST_TRANSACTION;
	s->conn->deadline = 0;
	s->conn->timeout_ms = (int)s->w->settings->idle_timeout;
	worker_login(s->w, s->login);
	worker_title(s->w, "TRANSACTION");
}

void
session_accessed(struct session *s, size_t i)
{
	if (i + 1 > s->last)
		s->last = i + 1;
}

/* Browsers and scanners speak HTTP to any port, some of them on behalf of a
 * page that wants POP3 commands in its body to be run. */
static bool
is_http(struct view line)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "PUT",
		"DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI" };
	struct view verb = view_token(&line);

	for (size_t i = 0; i < NELEM(methods); i++)
		if (view_eqs(verb, methods[i]))
			return true;
	return false;
}

static void
converse(struct session *s)
{
	enum next next = NEXT_COMMAND;
	struct view line;

	while (next == NEXT_COMMAND) {
		enum line_status st = session_line(s, COMMAND_MAX, &line);
		if (st != LINE_OK) {
			next = session_no_line(s, st);
		} else if (s->commands == 0 && is_http(line)) {
			s->errors++;
			reply_err(s, NULL, "This is POP3, not HTTP.");
			s->why = "HTTP instead of POP3";
			next = NEXT_CLOSE;
		} else {
			next = dispatch(s, line);
		}
	}
}

static void
session_begin(struct session *s, struct worker *w)
{
	struct timespec now;

	memset(s, 0, sizeof(*s));
	s->w = w;
	s->conn = &w->conn;
	s->state = ST_AUTHORIZATION;
	s->why = "Connection closed";
	s->started = now_ms();
	maildrop_init(&s->drop, w->settings);
	clock_gettime(CLOCK_REALTIME, &now);
	/* Unlike that of any other session, also on another host's log. */
	snprintf(s->id, sizeof(s->id), "%llx%05lx.%x",
	    (unsigned long long)now.tv_sec, (unsigned long)now.tv_nsec / 1000,
	    (unsigned)w->slot);
	s->conn->timeout_ms = (int)w->settings->command_timeout;
	s->conn->deadline = now_ms() + w->settings->session_timeout;
}

/* Greeting to goodbye. */
static void
session_run(struct session *s)
{
	struct worker *w = s->w;

	if (w->listener->type == LISTEN_POP3S &&
	    (w->tls == NULL || !session_starttls(s)))
		return;
	if (w->over_limit) {
		over_limit(s);
		return;
	}
	/* A <...> at its end offers APOP (RFC 1939 7). */
	if (w->settings->apop && w->settings->secrets[0] != '\0')
		stamp_make(w->settings->hostname, s->stamp);
	reply_ok(s, "%s pennypost POP3 server ready%s%s", w->settings->hostname,
	    s->stamp[0] != '\0' ? " " : "", s->stamp);
	converse(s);
}

bool
pop3_session_serve(struct worker *w)
{
	static struct session session;
	struct session *s = &session;

	session_begin(s, w);
	worker_title(w, "AUTHORIZATION");
	session_run(s);
	if (s->state == ST_TRANSACTION && s->drop.right != -1)
		poplog_logout(s, false, OK, "");
	else if (s->state == ST_AUTHORIZATION)
		poplog_no_login(s);
	maildrop_close(&s->drop);
	bool again = !s->authenticated && !s->plaintext_refused &&
		     !s->tls_failed && s->auth_tries == 0 && s->errors == 0 &&
		     !conn_is_tls(s->conn) && !s->conn->failed;
	conn_close(s->conn);
	explicit_bzero(s, sizeof(*s));
	return again;
}
