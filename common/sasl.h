#ifndef COMMON_SASL_H
#define COMMON_SASL_H
/*
 * SASL mechanisms (RFC 4422) as pure state machines over the lines of AUTH
 * (RFC 4954 for SMTP, RFC 5034 for POP3).  They know no protocol: the caller
 * writes "334 " or "+ " before a challenge.
 *
 *	if (!sasl_start(&s, mechanism))                -> 504 5.5.4
 *	if (sasl_cleartext(&s) and no TLS)             -> 538 5.7.11
 *	r = sasl_initial(&s, rest of the line, &challenge);
 *	while (r == SASL_CONTINUE)
 *		send challenge; read a line;
 *		r = sasl_step(&s, line, &challenge);
 *	SASL_CHECK: ask_auth_password(s.user, s.pass)
 *	SASL_BAD: 501 5.5.2; SASL_CANCEL: 501 5.7.0
 *	sasl_wipe(&s), whatever happened.
 *
 * A line longer than SASL_LINE_MAX is 500 5.5.6; the caller's line reader
 * refuses it.
 */
#include <stdbool.h>

#include "common/ask_auth.h"
#include "common/buf.h"
#include "common/view.h"

enum { SASL_LINE_MAX = 12288 }; /* octets, CRLF included (RFC 4954 4) */

enum sasl_result {
	SASL_CONTINUE, /* challenge is to be sent; it may be empty */
	SASL_CHECK,    /* ask auth about user, which is not empty, and pass,
			* which may be: then the answer is no, after the
			* usual delay */
	SASL_BAD,      /* not base64, not what the mechanism says, too long */
	SASL_CANCEL    /* the client sent "*" */
};

struct sasl;
struct sasl_mech {
	const char *name;
	bool cleartext; /* whoever reads along learns the password */
	enum sasl_result (*step)(struct sasl *, struct view decoded,
	    struct buf *challenge);
	const char *prompt; /* first challenge, before base64 */
};

struct sasl {
	const struct sasl_mech *mech;
	char user[AUTH_USER_MAX + 1]; /* never holds a NUL inside */
	char pass[AUTH_PASS_MAX + 1]; /* likewise */
};

/* Begins.  mechanism in any case.  False: not known (s needs no wipe). */
bool sasl_start(struct sasl *s, struct view mechanism);
bool sasl_cleartext(const struct sasl *s);
/* arg is what stands behind the mechanism in the AUTH command: nothing, an
 * initial response, or "=" for an empty one.  challenge is cleared, then
 * holds base64 with SASL_CONTINUE. */
enum sasl_result sasl_initial(struct sasl *s, struct view arg,
    struct buf *challenge);
/* The client's answer to a challenge, without its line end. */
enum sasl_result sasl_step(struct sasl *s, struct view line,
    struct buf *challenge);
/* Overwrites all of it. */
void sasl_wipe(struct sasl *s);

/* Adds the names of the mechanisms as EHLO AUTH and CAPA SASL list them,
 * "PLAIN LOGIN"; with cleartext false only those that are safe without TLS.
 * Nothing added: do not offer AUTH. */
void sasl_names(bool cleartext, struct buf *out);
#endif
