/*
 * SASL mechanisms.  Runs in: worker.
 *
 * Decoded passwords live in struct sasl and, while a step runs, in one array
 * on the stack; both are overwritten.
 */
#include "common/sasl.h"

#include <string.h>

#include "common/base64.h"

/* The longest message: PLAIN's two identities, two NULs and a password. */
enum { DECODED_MAX = 2 * AUTH_USER_MAX + 2 + AUTH_PASS_MAX };

static enum sasl_result
challenge_set(struct buf *challenge, const char *text)
{
	char b64[BASE64_LEN(64) + 1];

	if (!base64_encode(view_of(text), b64, sizeof(b64)))
		return SASL_BAD;
	buf_clear(challenge);
	return buf_adds(challenge, b64) ? SASL_CONTINUE : SASL_BAD;
}

/* RFC 4616 2: [authzid] NUL authcid NUL passwd.  Nobody here may act for
 * somebody else: then there is no password that would do, and the refusal is
 * that of a wrong one. */
static enum sasl_result
plain_step(struct sasl *s, struct view in, struct buf *challenge)
{
	bool nul1, nul2;
	struct view pass = in;
	struct view authzid = view_split(&pass, '\0', &nul1);
	struct view authcid = view_split(&pass, '\0', &nul2);

	(void)challenge;
	if (!nul1 || !nul2 || authcid.n == 0)
		return SASL_BAD;
	/* view_copy refuses a third NUL, and what is too long. */
	if (!view_copy(authcid, s->user, sizeof(s->user)) ||
	    !view_copy(pass, s->pass, sizeof(s->pass)))
		return SASL_BAD;
	if (authzid.n > 0 && !view_eq(authzid, authcid))
		explicit_bzero(s->pass, sizeof(s->pass));
	return SASL_CHECK;
}

/* draft-murchison-sasl-login-00: never a standard, spoken by everybody.  The
 * user's name comes first, so its presence is the state. */
static enum sasl_result
login_step(struct sasl *s, struct view in, struct buf *challenge)
{
	bool first = s->user[0] == '\0';
	bool fits = first ? view_copy(in, s->user, sizeof(s->user))
			  : view_copy(in, s->pass, sizeof(s->pass));

	if (!fits || (first && in.n == 0))
		return SASL_BAD;
	return first ? challenge_set(challenge, "Password:") : SASL_CHECK;
}

/* In the order in which they are offered: the better one first. */
/* clang-format off */
static const struct sasl_mech mechs[] = {
	{ "PLAIN", true, plain_step, "" },
	{ "LOGIN", true, login_step, "Username:" },
};
/* clang-format on */

bool
sasl_start(struct sasl *s, struct view mechanism)
{
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < NELEM(mechs); i++)
		if (view_caseeqs(mechanism, mechs[i].name))
			s->mech = &mechs[i];
	return s->mech != NULL;
}

bool
sasl_cleartext(const struct sasl *s)
{
	return s->mech->cleartext;
}

static enum sasl_result
decode_and_step(struct sasl *s, struct view line, struct buf *challenge)
{
	char raw[DECODED_MAX];
	size_t n;
	enum sasl_result r = SASL_BAD;

	buf_clear(challenge);
	if (base64_decode(line, raw, sizeof(raw), &n))
		r = s->mech->step(s, (struct view){ raw, n }, challenge);
	explicit_bzero(raw, sizeof(raw));
	return r;
}

enum sasl_result
sasl_initial(struct sasl *s, struct view arg, struct buf *challenge)
{
	if (arg.n == 0)
		return challenge_set(challenge, s->mech->prompt);
	if (view_eqs(arg, "=")) /* RFC 4954 4, RFC 5034 4 */
		arg.n = 0;
	return decode_and_step(s, arg, challenge);
}

enum sasl_result
sasl_step(struct sasl *s, struct view line, struct buf *challenge)
{
	if (view_eqs(line, "*"))
		return SASL_CANCEL;
	return decode_and_step(s, line, challenge);
}

void
sasl_wipe(struct sasl *s)
{
	explicit_bzero(s, sizeof(*s));
}

void
sasl_names(bool cleartext, struct buf *out)
{
	const char *space = "";

	for (size_t i = 0; i < NELEM(mechs); i++) {
		if (mechs[i].cleartext && !cleartext)
			continue;
		buf_adds(out, space);
		buf_adds(out, mechs[i].name);
		space = " ";
	}
}
