/* The table of SASL mechanisms.  Runs in: every role. */
#include "common/sasl_mech.h"

#define S SASL_SECRET
#define B SASL_BINDING

/* clang-format off */
const struct sasl_mech sasl_mechs[SASL__N] = {
	{ SASL_SCRAM_SHA_256_PLUS, "SCRAM-SHA-256-PLUS", S | B | SASL_SHA256 }, /* RFC 7677 */
	{ SASL_SCRAM_SHA_1_PLUS,   "SCRAM-SHA-1-PLUS",   S | B },               /* RFC 5802 */
	{ SASL_SCRAM_SHA_256,      "SCRAM-SHA-256",      S | SASL_SHA256 },
	{ SASL_SCRAM_SHA_1,        "SCRAM-SHA-1",        S },
	{ SASL_EXTERNAL,           "EXTERNAL",           SASL_CERTIFICATE },    /* RFC 4422 A */
	{ SASL_CRAM_MD5,           "CRAM-MD5",           S | SASL_SERVER_FIRST }, /* RFC 2195 */
	{ SASL_PLAIN,              "PLAIN",              SASL_CLEARTEXT },      /* RFC 4616 */
	{ SASL_LOGIN,              "LOGIN",              SASL_CLEARTEXT },
};
/* clang-format on */

enum sasl_id
sasl_id_of(struct view name)
{
	for (unsigned i = 0; i < SASL__N; i++)
		if (view_caseeqs(name, sasl_mechs[i].name))
			return sasl_mechs[i].id;
	return SASL__N;
}
