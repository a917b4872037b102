#ifndef COMMON_SASL_H
#define COMMON_SASL_H
/*
 * The client's side of AUTH (RFC 4954 for SMTP, RFC 5034 for POP3), line by
 * line; sasl_mech.h has the mechanisms (RFC 4422).  PLAIN and LOGIN are carried
 * out here; of the others, messages are passed on to auth, which has the
 * secrets.  No protocol is known here: the caller writes "334 " or "+ " before
 * a challenge.
 *
 *	if (!sasl_start(&s, worker, mechanism))        -> 504 5.5.4
 *	if (sasl_cleartext(&s) and no TLS)             -> 538 5.7.11
 *	r = sasl_initial(&s, rest of the line, &challenge);
 *	while (r == SASL_CONTINUE)
 *		send challenge; read a line;
 *		r = sasl_step(&s, line, &challenge);
 *	SASL_CHECK: sasl_ask() says who it is, if anybody
 *	SASL_BAD: 501 5.5.2; SASL_UNASKED: 501 5.7.0; SASL_CANCEL: 501 5.7.0
 *	sasl_wipe(&s), whatever happened.
 *
 * A line longer than SASL_LINE_MAX is 500 5.5.6; the caller's line reader
 * refuses it.
 */
#include <stdbool.h>

#include "common/ask_auth.h"
#include "common/buf.h"
#include "common/sasl_mech.h"
#include "common/view.h"
#include "common/worker.h"

enum { SASL_LINE_MAX = 12288 }; /* octets, CRLF included (RFC 4954 4) */

enum sasl_result {
	SASL_CONTINUE, /* challenge is to be sent; it may be empty */
	SASL_CHECK,    /* all is said */
	SASL_BAD,      /* not base64, not what the mechanism says, too long */
	SASL_UNASKED,  /* an initial response, where the server begins */
	SASL_CANCEL    /* the client sent "*" */
};

struct sasl {
	const struct sasl_mech *mech;
	struct worker *w;
	/* Who the client says it is, empty if not known; never holds a NUL
	 * inside. */
	char user[AUTH_USER_MAX + 1];
	char pass[AUTH_PASS_MAX + 1]; /* likewise; may be empty: then the
				       * answer is no, after the usual delay */
	enum auth_result result; /* of a mechanism that auth carries out */
	int right;		 /* owned until sasl_ask(); -1: none */
};

/* Begins.  mechanism in any case.  False: not known, or not possible on this
 * connection whatever the client does (s needs no wipe). */
bool sasl_start(
    struct sasl *s, struct worker *, struct view mechanism);
bool sasl_cleartext(const struct sasl *s);
/* arg is what stands behind the mechanism in the AUTH command: nothing, an
 * initial response, or "=" for an empty one.  challenge is cleared, then
 * holds base64 with SASL_CONTINUE. */
enum sasl_result sasl_initial(struct sasl *s, struct view arg,
    struct buf *challenge);
/* The client's answer to a challenge, without its line end. */
enum sasl_result sasl_step(struct sasl *s, struct view line,
    struct buf *challenge);
/* After SASL_CHECK: as ask_auth_password() answers. */
enum auth_result sasl_ask(struct sasl *s, char *user_out,
    size_t user_out_size, int *right);
/* Overwrites all of it. */
void sasl_wipe(struct sasl *s);

/* Adds the names of the mechanisms as EHLO AUTH and CAPA SASL list them,
 * "PLAIN LOGIN": those that this client may use now.  Nothing added: do not
 * offer AUTH. */
void sasl_names(const struct worker *, struct buf *out);
/* Whether it would add any. */
bool sasl_offered(const struct worker *);
#endif
