#ifndef COMMON_ASK_AUTH_H
#define COMMON_ASK_AUTH_H
/*
 * Who is this client?
 *
 * Each question carries the client's socket, whose address the kernel tells
 * auth: there, failures are counted (auth_limit.h).
 *
 * Request AUTH_PASSWORD: str user (at most AUTH_USER_MAX), view password (at
 * most AUTH_PASS_MAX), str mechanism ("PLAIN", "USER"), str client address
 * (for the log only; the log says it is the worker's word); fd: the socket.
 * Request AUTH_APOP (RFC 1939 7): str user, view digest (32 octets), str
 * timestamp (of the greeting), str client address; fd: the socket.
 * Request AUTH_START: str mechanism (of sasl_mech.h, one that is relayed), str
 * client address, view tls-exporter, view tls-server-end-point (both empty
 * without TLS, RFC 9266, 5929), str name (in the client's certificate, empty
 * without one); fd: the socket.  It ends an exchange that was not finished.
 * Request AUTH_STEP: view message (at most AUTH_STEP_MAX), after AUTH_CONTINUE.
 *
 * Answer to all: u32 enum auth_result, str user, view challenge.  With
 * AUTH_CONTINUE the challenge is to be sent to the client, and its answer to
 * be asked about by AUTH_STEP.  With AUTH_YES user is spelled as the database
 * does, and an fd is there: a channel to queue (smtpd) or maildrop (pop3d) on
 * which whoever asks is that user.  With AUTH_NO user is who the client said it
 * was, as far as that is known; it is answered after the configured delay.
 * Unknown users cost the work that known ones cost; uid 0 never gets yes; all
 * refusals look alike.
 *
 * Channel bindings and the name in a certificate are the worker's word, as it
 * is the worker's TLS.  A worker that is broken into could thus log in with
 * EXTERNAL as anybody, and relay a SCRAM exchange to itself from elsewhere.
 */
#include "common/buf.h"
#include "common/view.h"

enum { AUTH_PASSWORD = 1, AUTH_APOP, AUTH_START, AUTH_STEP };
enum {
	AUTH_USER_MAX = 255,
	AUTH_PASS_MAX = 1024,
	AUTH_STEP_MAX = 2048, /* octets of a message, before base64 */
	AUTH_STAMP_MAX = 255, /* octets of the timestamp of APOP */
	AUTH_DIGEST = 32,     /* lower-case hexadecimal digits of MD5 */
	AUTH_BINDING_MAX = 64,
	AUTH_NAME_MAX = 255 /* in a certificate */
};
enum auth_result {
	AUTH_YES,
	AUTH_NO,
	AUTH_LATER, /* cannot be checked now: 454 4.7.0, [SYS/TEMP] */
	/* only in an exchange */
	AUTH_CONTINUE,
	AUTH_BAD /* not what the mechanism says; no try at a password */
};

/* Who asks, and for whom. */
struct auth_client {
	int sock;	     /* the worker's channel to auth */
	int fd;		     /* the client's socket; borrowed */
	const char *address; /* numeric */
};

/* *right is the new channel (owned by the caller) with AUTH_YES, else -1.
 * user_out is at least USER_NAME_MAX; empty but with AUTH_YES. */
enum auth_result ask_auth_password(const struct auth_client *,
    struct view user, struct view pass, const char *mechanism, char *user_out,
    size_t user_out_size, int *right);
enum auth_result ask_auth_apop(const struct auth_client *, struct view user,
    struct view digest, const char *stamp, char *user_out,
    size_t user_out_size, int *right);

/* What the worker's TLS says about the connection; all empty without it. */
struct auth_channel {
	struct view exporter, end_point; /* channel bindings */
	const char *certificate;	 /* the name in the client's */
};
/* An exchange.  AUTH_CONTINUE: challenge, before base64, is to be sent.  After
 * a step user_out, at least AUTH_USER_MAX + 1, is the user with AUTH_YES, and
 * with AUTH_NO who the client said it was. */
enum auth_result ask_auth_start(const struct auth_client *,
    const char *mechanism, const struct auth_channel *,
    struct buf *challenge);
enum auth_result ask_auth_step(const struct auth_client *,
    struct view message, struct buf *challenge, char *user_out, int *right);
#endif
