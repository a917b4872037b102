/*
 * The mechanisms that auth carries out.  Runs in: auth.
 */
#define _GNU_SOURCE
#include "common/auth_exchange.h"

#include <string.h>

#include "common/sasl_digest.h"
#include "common/saslprep.h"

void
exchange_start(struct exchange *x, const struct sasl_mech *mech,
    bool plus_offered, const struct scram_bindings *bindings,
    const char *certificate, const struct settings *set, struct buf *challenge)
{
	memset(x, 0, sizeof(*x));
	x->mech = mech;
	x->why = "";
	buf_clear(challenge);
	if (mech->flags & SASL_SERVER_FIRST) {
		stamp_make(set->hostname, x->stamp);
		buf_adds(challenge, x->stamp);
	}
	view_copy(view_of(certificate), x->certificate, sizeof(x->certificate));
	scram_start(&x->scram,
	    mech->flags & SASL_SHA256 ? SCRAM_SHA256 : SCRAM_SHA1,
	    mech->flags & SASL_BINDING, plus_offered, bindings);
}

static enum auth_result
no(struct exchange *x, const char *why)
{
	x->why = why;
	return AUTH_NO;
}

/* ---- CRAM-MD5 (RFC 2195 2): user, a blank, the digest ---- */

static enum auth_result
step_cram(struct exchange *x, struct secrets *s, struct view message)
{
	struct view secret, digest, user = message;
	const char *blank =
	    message.n == 0 ? NULL : memrchr(message.p, ' ', message.n);

	if (blank == NULL)
		return AUTH_BAD;
	user.n = (size_t)(blank - message.p);
	digest = (struct view){ blank + 1, message.n - user.n - 1 };
	if (user.n == 0 || !view_copy(user, x->user, sizeof(x->user)) ||
	    !digest_valid(digest))
		return AUTH_BAD;
	bool found = secrets_plain(s, user, &secret, x->name);
	bool right = cram_md5_right(secret, x->stamp, digest);
	if (found && right)
		return AUTH_YES;
	return no(x, found ? "wrong digest" : "no secret");
}

/* ---- SCRAM ---- */

static enum auth_result
scram_step_first(struct exchange *x, struct secrets *s, struct view message,
    struct buf *challenge)
{
	struct scram *scram = &x->scram;
	struct scram_keys k;
	char nonce[AUTH_DIGEST + 1];
	enum auth_result r = scram_first(scram, message);

	view_copy(view_of(scram->user), x->user, sizeof(x->user));
	if (r == AUTH_NO)
		x->why = "channel binding or authorization identity";
	if (r != AUTH_CONTINUE)
		return r;
	/* RFC 5802 5.1: the name is prepared for the search, and used as it
	 * came in what is hashed. */
	if (saslprep(view_of(scram->user), SASLPREP_QUERY, x->user,
		sizeof(x->user)) == 0) {
		view_copy(view_of(scram->user), x->user, sizeof(x->user));
		return no(x, "SASLprep refuses that name");
	}
	secrets_scram(s, view_of(x->user), scram->hash, false, &k, x->name);
	nonce_make(nonce);
	bool good = scram_challenge(
	    scram, k.iterations, k.salt, k.salt_n, view_of(nonce), challenge);
	explicit_bzero(&k, sizeof(k));
	return good ? AUTH_CONTINUE : AUTH_LATER;
}

static enum auth_result
scram_step_final(struct exchange *x, struct secrets *s, struct view message,
    struct buf *challenge)
{
	struct scram_keys k;
	bool found = secrets_scram(
	    s, view_of(x->user), x->scram.hash, true, &k, x->name);
	/* A salt that has changed since was not the one that was sent, and the
	 * proof is wrong then. */
	enum auth_result r = scram_final(&x->scram, message, &k, challenge);

	explicit_bzero(&k, sizeof(k));
	if (r == AUTH_BAD)
		return r;
	if (found && r == AUTH_CONTINUE)
		return AUTH_YES;
	buf_clear(challenge);
	return no(x, found ? "wrong proof, nonce or binding" : "no secret");
}

/* ---- EXTERNAL (RFC 4422 A) ---- */

/* "alice@example.org" of a local domain, or "alice". */
static bool
local_name(
    const struct settings *set, const char *certificate, char *out, size_t size)
{
	const char *at = strrchr(certificate, '@');
	struct view name = view_of(certificate);

	if (at != NULL) {
		if (!settings_local_domain(set, at + 1, strlen(at + 1)))
			return false;
		name.n = (size_t)(at - certificate);
	}
	return name.n > 0 && view_copy(name, out, size);
}

static enum auth_result
step_external(
    struct exchange *x, const struct settings *set, struct view message)
{
	char authzid[AUTH_USER_MAX + 1];

	if (!view_copy(message, authzid, sizeof(authzid)))
		return AUTH_BAD;
	view_copy(view_of(x->certificate), x->user, sizeof(x->user));
	if (set->tls_client_ca[0] == '\0' || x->certificate[0] == '\0')
		return no(x, "no certificate");
	if (!local_name(set, x->certificate, x->name, sizeof(x->name)))
		return no(x, "the certificate's name is not of a local domain");
	if (authzid[0] != '\0' && strcmp(authzid, x->name) != 0 &&
	    strcmp(authzid, x->certificate) != 0)
		return no(x, "authorization identity");
	return AUTH_YES;
}

enum auth_result
exchange_step(struct exchange *x, struct secrets *s, const struct settings *set,
    struct view message, struct buf *challenge)
{
	unsigned step = x->steps++;

	buf_clear(challenge);
	if (message.n > AUTH_STEP_MAX)
		return AUTH_BAD;
	if (x->mech->flags & SASL_CERTIFICATE)
		return step_external(x, set, message);
	if (x->mech->flags & SASL_SERVER_FIRST)
		return step_cram(x, s, message);
	return step == 0 ? scram_step_first(x, s, message, challenge)
			 : scram_step_final(x, s, message, challenge);
}
