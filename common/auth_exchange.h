#ifndef COMMON_AUTH_EXCHANGE_H
#define COMMON_AUTH_EXCHANGE_H
/*
 * One exchange of a mechanism that auth carries out (SASL_RELAYED): it has the
 * secrets, and the worker passes messages on.
 */
#include "common/ask_auth.h"
#include "common/buf.h"
#include "common/passdb.h"
#include "common/sasl_mech.h"
#include "common/scram.h"
#include "common/secrets.h"
#include "common/settings.h"

struct exchange {
	const struct sasl_mech *mech;
	unsigned steps; /* messages of the client so far */
	char user[AUTH_USER_MAX + 1]; /* who the client says it is */
	char name[USER_NAME_MAX];     /* whom to look up: as the secrets file,
				       * or the certificate, spells it */
	const char *why;	      /* a refusal, for the log: static */
	char stamp[AUTH_STAMP_MAX + 1];       /* CRAM-MD5 */
	char certificate[AUTH_NAME_MAX + 1]; /* EXTERNAL */
	struct scram scram;
};

/* Begins.  certificate: the name in the client's, or "".  plus_offered: see
 * scram.h.  *challenge is the first message of the server, if the mechanism has
 * one, else empty. */
void exchange_start(struct exchange *, const struct sasl_mech *,
    bool plus_offered, const struct scram_bindings *, const char *certificate,
    const struct settings *, struct buf *challenge);
/* The client's next message.  AUTH_CONTINUE: send the challenge.  AUTH_YES: it
 * is x->name who speaks, if that user may log in; a challenge that is not empty
 * is to be sent then, and answered by an empty message.  AUTH_NO, AUTH_BAD:
 * over. */
enum auth_result exchange_step(struct exchange *, struct secrets *,
    const struct settings *, struct view message, struct buf *challenge);
#endif
