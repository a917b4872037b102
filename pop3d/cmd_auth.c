/* USER, PASS, AUTH, APOP (RFC 1939 7, RFC 5034).  Runs in: worker (pop3d). */
#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "common/buf.h"
#include "common/passdb.h"
#include "common/sasl.h"
#include "common/sasl_digest.h"
#include "common/utf8.h"
#include "pop3d/command.h"
#include "pop3d/poplog.h"
#include "pop3d/reply.h"

/* Overwrites a password in the connection's input buffer: a session may be idle
 * for hours, and should not hold it meanwhile. */
static void
forget(struct view line)
{
	if (line.n > 0)
		explicit_bzero((void *)(uintptr_t)line.p, line.n);
}

static enum next
refuse_plaintext(struct session *s)
{
	s->plaintext_refused = true;
	s->user_known = false;
	return reply_err(s, NULL,
	    s->w->tls != NULL
		? "Passwords are not taken in clear text; send STLS first."
		: "Passwords are not taken in clear text, and TLS is not set "
		  "up.");
}

/* After a failed try: one more, or the end. */
static enum next
try_again(struct session *s)
{
	if (s->auth_tries < s->w->settings->auth_failures_max)
		return NEXT_COMMAND;
	s->why = "Too many login attempts";
	return NEXT_CLOSE;
}

/* The password was right; now for the maildrop.  RFC 2449 8.1.2: [IN-USE] says
 * that the authentication succeeded. */
static enum next
enter(struct session *s, int right)
{
	char text[MAILDROP_TEXT_MAX];

	s->authenticated = true;
	poplog_login(s);
	s->auth_failures = 0; /* they have been logged */
	enum status st = maildrop_open(&s->drop, right, text, sizeof(text));
	if (st == OK) {
		session_enter_transaction(s);
		return reply_ok(s, "%zu messages (%" PRIu64 " octets)",
		    s->drop.left, s->drop.octets);
	}
	command_not_opened(s, st, text);
	poplog_no_maildrop(s, st, text);
	return try_again(s);
}

/* Before auth is asked about user; log_method is shown in the log. */
static void
login_begin(struct session *s, struct view user, const char *log_method)
{
	s->user_known = false;
	s->auth_tries++;
	s->method = log_method;
	view_copy(user, s->login, sizeof(s->login));
}

/* What auth has said.  The replies do not tell a wrong name from a wrong
 * password.  Takes right. */
static enum next
login_end(
    struct session *s, enum auth_result result, const char *name, int right)
{
	switch (result) {
	case AUTH_YES:
		view_copy(view_of(name), s->login, sizeof(s->login));
		return enter(s, right);
	case AUTH_NO:
		break;
	default:
		reply_err(s, "SYS/TEMP",
		    "Logins are not possible now; try again later.");
		return try_again(s);
	}
	s->auth_failures++;
	worker_event(s->w, WORKER_AUTH_FAILURE);
	memcpy(s->failed, s->login, sizeof(s->failed));
	s->failed_method = s->method;
	reply_err(s, "AUTH", "Authentication failed.");
	return try_again(s);
}

/* ---- USER and PASS ---- */

enum next
cmd_user(struct session *s, struct view arg)
{
	if (!session_plaintext_ok(s))
		return refuse_plaintext(s);
	if (!utf8_valid(arg)) /* RFC 6856 2.2 */
		return reply_bad(s, "The name is not valid UTF-8.");
	s->user_known = view_copy(arg, s->user, sizeof(s->user));
	if (!s->user_known)
		return reply_bad(s, "The name is too long.");
	return reply_ok(s, "Send the password.");
}

enum next
cmd_pass(struct session *s, struct view arg)
{
	struct auth_client c = worker_auth_client(s->w);
	char name[USER_NAME_MAX];
	int right;

	if (!session_plaintext_ok(s))
		return refuse_plaintext(s);
	if (!s->user_known)
		return reply_bad(s, "USER comes first.");
	if (arg.n > AUTH_PASS_MAX) {
		s->user_known = false;
		return reply_bad(s, "The password is too long.");
	}
	if (!utf8_valid(arg)) {
		s->user_known = false;
		return reply_bad(s, "The password is not valid UTF-8.");
	}
	login_begin(s, view_of(s->user), "PLAIN");
	enum auth_result r = ask_auth_password(
	    &c, view_of(s->user), arg, "USER", name, sizeof(name), &right);
	forget(arg);
	return login_end(s, r, name, right);
}

/* ---- AUTH ---- */

/* RFC 1734's successor has no such form, but old clients list mechanisms so. */
static enum next
list_mechanisms(struct session *s)
{
	struct buf names;

	buf_init(&names, 256);
	sasl_names(s->w, &names);
	reply_ok(s, "Mechanisms:");
	struct view rest = buf_view(&names);
	while (rest.n > 0) {
		struct view one = view_token(&rest);
		reply_line(s, "%.*s", (int)one.n, one.p);
	}
	buf_free(&names);
	return reply_end(s);
}

/* Challenges and answers until the mechanism has what it wants. */
static enum sasl_result
converse(struct session *s, struct sasl *sasl, struct view initial,
    enum line_status *line_status)
{
	struct buf challenge;
	struct view line;

	buf_init(&challenge, SASL_LINE_MAX);
	*line_status = LINE_OK;
	enum sasl_result r = sasl_initial(sasl, initial, &challenge);
	forget(initial);
	while (r == SASL_CONTINUE) {
		conn_writes(s->conn, "+ ");
		conn_write(s->conn, challenge.p, challenge.n);
		conn_writes(s->conn, "\r\n");
		*line_status = session_line(s, SASL_LINE_MAX, &line);
		if (*line_status != LINE_OK)
			break;
		r = sasl_step(sasl, line, &challenge);
		forget(line);
	}
	buf_wipe(&challenge);
	return r;
}

enum next
cmd_auth(struct session *s, struct view arg)
{
	struct sasl sasl;
	enum line_status line_status;
	enum next next = NEXT_COMMAND;
	char name[USER_NAME_MAX];
	int right;

	if (arg.n == 0)
		return list_mechanisms(s);
	if (!sasl_start(&sasl, s->w, view_token(&arg)))
		return reply_bad(s,
		    "Unknown mechanism, or not possible here; CAPA "
		    "names those that are.");
	if (sasl_cleartext(&sasl) && !session_plaintext_ok(s))
		return refuse_plaintext(s);
	s->user_known = false;
	switch (converse(s, &sasl, arg, &line_status)) {
	case SASL_CHECK:
		login_begin(s, view_of(sasl.user), sasl.mech->name);
		enum auth_result r =
		    sasl_ask(&sasl, name, sizeof(name), &right);
		next = login_end(s, r, name, right);
		break;
	case SASL_UNASKED:
		next = reply_bad(
		    s, "%s takes no initial response.", sasl.mech->name);
		break;
	case SASL_CANCEL:
		next = reply_bad(s, "Authentication cancelled.");
		break;
	case SASL_BAD:
		next = reply_bad(
		    s, "That is not what %s expects.", sasl.mech->name);
		break;
	case SASL_CONTINUE:
		next = session_no_line(s, line_status);
		break;
	}
	sasl_wipe(&sasl);
	return next;
}

/* ---- APOP (RFC 1939 7) ---- */

enum next
cmd_apop(struct session *s, struct view arg)
{
	struct auth_client c = worker_auth_client(s->w);
	struct view user = view_token(&arg);
	char name[USER_NAME_MAX];
	int right;

	if (s->stamp[0] == '\0')
		return reply_err(s, NULL,
		    "APOP is not offered; use USER and PASS, or AUTH.");
	if (user.n == 0 || !digest_valid(arg))
		return reply_bad(s, "APOP takes a name and a digest of 32 "
				    "lower-case hexadecimal digits.");
	if (!utf8_valid(user)) /* RFC 6856 2.2 */
		return reply_bad(s, "The name is not valid UTF-8.");
	login_begin(s, user, "APOP");
	enum auth_result r =
	    ask_auth_apop(&c, user, arg, s->stamp, name, sizeof(name), &right);
	return login_end(s, r, name, right);
}
