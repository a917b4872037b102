#ifndef COMMON_SASL_MECH_H
#define COMMON_SASL_MECH_H
/*
 * The SASL mechanisms that there are: one table from which the configuration,
 * EHLO, CAPA, the worker and auth read.
 */
#include <stdbool.h>

#include "common/view.h"

/* In the order in which they are offered: the better one first. */
enum sasl_id {
	SASL_SCRAM_SHA_256_PLUS,
	SASL_SCRAM_SHA_1_PLUS,
	SASL_SCRAM_SHA_256,
	SASL_SCRAM_SHA_1,
	SASL_EXTERNAL,
	SASL_CRAM_MD5,
	SASL_PLAIN,
	SASL_LOGIN,
	SASL__N
};

enum {
	SASL_CLEARTEXT = 1,	/* whoever reads along learns the password */
	SASL_SECRET = 2,	/* needs the secrets file */
	SASL_BINDING = 4,	/* needs the channel binding of TLS (-PLUS) */
	SASL_CERTIFICATE = 8,	/* needs the client's certificate */
	SASL_SERVER_FIRST = 16, /* no initial response (RFC 4954 4) */
	SASL_SHA256 = 32	/* the hash of SCRAM; else SHA-1 */
};

struct sasl_mech {
	enum sasl_id id;
	const char *name;
	unsigned flags;
};
extern const struct sasl_mech sasl_mechs[SASL__N];

/* In any case.  SASL__N: not known. */
enum sasl_id sasl_id_of(struct view name);
/* Those that use this are carried out by auth, step by step. */
#define SASL_RELAYED (SASL_SECRET | SASL_CERTIFICATE)
#endif
