#ifndef SMTPD_SMTPC_H
#define SMTPD_SMTPC_H
/*
 * A client's session with another server, SMTP (RFC 5321) or LMTP (RFC 2033),
 * over a struct conn.  Whatever the server says is hostile, bounded in time,
 * and harmless.
 *
 *	smtpc_open(&s, conn, ...)      the greeting and EHLO
 *	smtpc_starttls(&s, ...)        and EHLO again
 *	smtpc_auth(&s, ...)
 *	smtpc_send(&s, &mail)          as often as wanted
 *	smtpc_quit(&s)
 *
 * Runs in: sender.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/conn.h"
#include "common/tls_client.h"
#include "smtpd/smtp_reply.h"
#include "smtpd/smtpc_content.h"
#include "smtpd/smtpc_params.h"
#include "spool/ask_relay.h"

enum smtpc_result {
	SMTPC_OK,
	SMTPC_REFUSED, /* the server said no: s->reply; it still listens */
	SMTPC_LOST     /* no more can be done with it: s->reply has our words,
			* or the 421 that it left with */
};

struct smtpc {
	struct conn *conn; /* borrowed; open */
	const char *hello; /* our name */
	const char *remote; /* its name, for texts; borrowed */
	bool lmtp;
	int64_t reply_ms;  /* for one reply, all of it */
	int64_t limit;	   /* now_ms() by which all must be over; 0: none */
	struct smtpc_caps caps;
	struct smtp_reply reply; /* the last one */
	bool remote_said;  /* reply is the server's, else ours */
	bool lost;
	bool tls;
	const char *tls_why; /* after a handshake that failed */
};

/* What is to be sent.  Each recipient's result is set by smtpc_send, unless it
 * was settled before: */
struct smtpc_mail {
	struct relay_request *request;
	bool settled[RELAY_RCPT_MAX]; /* has its last result */
	struct smtpc_content content;
	struct smtpc_needs needs;
};

enum smtpc_result smtpc_open(struct smtpc *);
enum smtpc_result smtpc_starttls(
    struct smtpc *, struct tls_client *, const struct tls_peer *);
/* Logs in with the best mechanism of both; cleartext: also with those that show
 * the password, without TLS. */
enum smtpc_result smtpc_auth(
    struct smtpc *, const char *user, const char *pass, bool cleartext);
/* One transaction with all recipients that are not settled.  Those that got
 * their answer from the server have a result now, but only what was SENT or
 * BOUNCED is settled.  SMTPC_OK: another one may follow, whatever came of this
 * one. */
enum smtpc_result smtpc_send(struct smtpc *, struct smtpc_mail *);
/* Says QUIT and does not wait for what comes of it; conn is still the
 * caller's. */
void smtpc_quit(struct smtpc *);
/* Is the server still there, and silent, as it must be between two messages? */
bool smtpc_idle_ok(struct smtpc *);
/* Gives all that are not settled this result, as s->reply says; kept: those
 * that already have one from a server keep it. */
void smtpc_result_all(
    const struct smtpc *, struct smtpc_mail *, bool kept);

/* For smtpc_auth.c: writes a line, reads a reply. */
void smtpc_command(struct smtpc *, const char *line);
enum smtpc_result smtpc_reply(struct smtpc *, const char *while_doing);
#endif
