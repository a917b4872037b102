#ifndef COMMON_SASL_CLIENT_H
#define COMMON_SASL_CLIENT_H
/*
 * Logging in to another server: PLAIN, LOGIN (no document of the IETF),
 * CRAM-MD5 (RFC 2195), SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, 7677), without
 * channel binding.  Pure: messages in, messages out, before base64.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/sasl_mech.h"
#include "common/scram.h"
#include "common/view.h"

enum { SASL_CLIENT_NONCE = 32, SASL_CLIENT_TEXT = 2048 };

struct sasl_client {
	enum sasl_id id;
	const char *user, *pass; /* borrowed */
	char nonce[SASL_CLIENT_NONCE + 1];
	unsigned step;
	char bare[SASL_CLIENT_TEXT]; /* SCRAM: client-first-message-bare */
	unsigned char server_signature[SCRAM_KEY_MAX]; /* that it must give */
};

/* The best mechanism of those that the server names ("PLAIN CRAM-MD5").
 * cleartext: those that show the password may be used.  SASL__N: none. */
enum sasl_id sasl_client_choose(struct view offered, bool cleartext);
/* nonce: random, SASL_CLIENT_NONCE printable octets without a comma. */
void sasl_client_start(struct sasl_client *, enum sasl_id, const char *user,
    const char *pass, const char *nonce);
/* What goes with AUTH itself; false: nothing does. */
bool sasl_client_initial(struct sasl_client *, struct buf *out);
/* The answer to a challenge.  False: the server is not who it should be, or
 * makes no sense: cancel. */
bool sasl_client_step(
    struct sasl_client *, struct view challenge, struct buf *out);
/* The server has said yes: is that enough?  SCRAM: it must have proved that it
 * knows the password, too. */
bool sasl_client_done(const struct sasl_client *);
void sasl_client_wipe(struct sasl_client *);
#endif
