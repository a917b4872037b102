/* AUTH (RFC 4954).  Runs in: worker. */
#include <string.h>

#include "common/ask_auth.h"
#include "common/log.h"
#include "common/sasl.h"
#include "smtpd/command.h"

static enum next
yes(struct session *s, const struct sasl *sasl)
{
	s->mechanism = sasl->mech->name;
	session_progress(s);
	return reply(s, 235, "2.7.0", "Authentication successful");
}

/* The shape that fail2ban looks for; a name must not look like more of it. */
static enum next
no(struct session *s, const struct sasl *sasl)
{
	char user[64];

	worker_event(s->w, WORKER_AUTH_FAILURE);
	log_clean(view_of(sasl->user), user, sizeof(user));
	for (char *c = user; *c != '\0'; c++)
		if (!ascii_alnum(*c) && strchr("@._+-", *c) == NULL)
			*c = '?';
	log_warn("warning: %s: SASL %s authentication failed: authentication "
		 "failure, sasl_username=%s",
	    s->client, sasl->mech->name, user);
	if (++s->auth_failures >= (uint64_t)s->set->auth_failures_max) {
		log_info("too many errors after AUTH from %s", s->client);
		return reply(s, 421, "4.7.0", "Too many failed attempts");
	}
	return reply(s, 535, "5.7.8", "Authentication failed");
}

static enum next
check(struct session *s, struct sasl *sasl)
{
	switch (sasl_ask(sasl, s->user, sizeof(s->user), &s->right)) {
	case AUTH_YES:
		worker_login(s->w, s->user);
		return yes(s, sasl);
	case AUTH_NO:
		s->user[0] = '\0';
		return no(s, sasl);
	default:
		s->user[0] = '\0';
		return reply(
		    s, 454, "4.7.0", "Temporary authentication failure");
	}
}

/* Sends challenges and takes answers until there is something to check. */
static enum next
exchange(struct session *s, struct sasl *sasl, struct view initial)
{
	struct buf challenge;
	struct view line;
	enum line_status st = LINE_OK;
	enum sasl_result r;

	s->spent = true; /* passwords lie in the input buffer */
	buf_init(&challenge, SASL_LINE_MAX);
	r = sasl_initial(sasl, initial, &challenge);
	while (r == SASL_CONTINUE) {
		conn_writes(s->c, "334 ");
		conn_writes(s->c, buf_cstr(&challenge));
		conn_writes(s->c, "\r\n");
		st = session_read(s, conn_line, SASL_LINE_MAX, &line);
		if (st == LINE_BARE_LF && (s->lf_only || !session_buffered(s)))
			st = LINE_OK; /* from people, as with commands */
		if (st != LINE_OK)
			break;
		r = sasl_step(sasl, line, &challenge);
	}
	buf_free(&challenge);
	if (st == LINE_TOO_LONG)
		return reply(s, 500, "5.5.6",
		    "Authentication exchange line is too long");
	if (st == LINE_BARE_CR || st == LINE_BARE_LF)
		return reply(s, 501, "5.5.2", "Lines must end in <CR><LF>");
	if (st != LINE_OK)
		return session_broken(s, st);
	if (r == SASL_CANCEL)
		return reply(s, 501, "5.7.0", "Authentication cancelled");
	if (r == SASL_UNASKED)
		return reply(s, 501, "5.7.0",
		    "This mechanism takes no initial response");
	if (r == SASL_BAD)
		return reply(s, 501, "5.5.2",
		    "Not base64, or not what this mechanism says");
	return check(s, sasl);
}

enum next
cmd_auth(struct session *s, struct view arg)
{
	struct view mechanism = view_token(&arg);
	struct sasl sasl;
	enum next next;

	if (s->user[0] != '\0')
		return reply(s, 503, "5.5.1", "You are authenticated already");
	if (mechanism.n == 0)
		return command_syntax(s);
	if (!sasl_start(&sasl, s->w, mechanism))
		return reply(s, 504, "5.5.4",
		    "Authentication mechanism not known, or not possible here");
	if (sasl_cleartext(&sasl) && !session_password_ok(s))
		next = reply(s, 538, "5.7.11",
		    "Encryption required for this mechanism: STARTTLS first");
	else
		next = exchange(s, &sasl, arg);
	sasl_wipe(&sasl);
	return next;
}
