/*
 * AUTH, line by line.  Runs in: worker.
 *
 * Decoded passwords live in struct sasl and, while a step runs, in one array
 * on the stack; both are overwritten.
 */
#include "common/sasl.h"

#include <assert.h>
#include <string.h>

#include "common/base64.h"
#include "common/msg.h"

enum { /* octets of a message */
	PLAIN_MAX = 2 * AUTH_USER_MAX + 2 + AUTH_PASS_MAX,
	DECODED_MAX = AUTH_STEP_MAX
};
static_assert(PLAIN_MAX <= DECODED_MAX, "PLAIN is the longest");

/* Makes the challenge, which may be what challenge holds, base64. */
static enum sasl_result
challenge_set(struct buf *challenge, struct view text)
{
	char b64[BASE64_LEN(AUTH_STEP_MAX) + 1];

	if (!base64_encode(text, b64, sizeof(b64)))
		return SASL_BAD;
	buf_clear(challenge);
	return buf_adds(challenge, b64) ? SASL_CONTINUE : SASL_BAD;
}

/* RFC 4616 2: [authzid] NUL authcid NUL passwd.  Nobody here may act for
 * somebody else: then there is no password that would do, and the refusal is
 * that of a wrong one. */
static enum sasl_result
plain_step(struct sasl *s, struct view in)
{
	bool nul1, nul2;
	struct view pass = in;
	struct view authzid = view_split(&pass, '\0', &nul1);
	struct view authcid = view_split(&pass, '\0', &nul2);

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
	return first ? challenge_set(challenge, view_of("Password:"))
		     : SASL_CHECK;
}

/* ---- what auth carries out ---- */

static enum sasl_result
relayed(struct sasl *s, enum auth_result r, struct buf *challenge)
{
	s->result = r;
	if (r == AUTH_CONTINUE)
		return challenge_set(challenge, buf_view(challenge));
	return r == AUTH_BAD ? SASL_BAD : SASL_CHECK;
}

static enum sasl_result
relay_start(struct sasl *s, struct buf *challenge)
{
	struct auth_client c = worker_auth_client(s->w);
	struct tls_channel t;

	conn_tls_channel(&s->w->conn, &t);
	struct auth_channel channel = { { t.exporter, t.exporter_n },
		{ t.end_point, t.end_point_n }, t.name };
	return relayed(s,
	    ask_auth_start(&c, s->mech->name, &channel, challenge), challenge);
}

static enum sasl_result
relay_step(struct sasl *s, struct view in, struct buf *challenge)
{
	struct auth_client c = worker_auth_client(s->w);

	return relayed(
	    s, ask_auth_step(&c, in, challenge, s->user, &s->right), challenge);
}

/* ---- which there are ---- */

/* All but whether it would show a password. */
static bool
possible(const struct worker *w, const struct sasl_mech *m,
    const struct tls_channel *t)
{
	const struct settings *set = w->settings;

	if ((set->sasl_mechanisms & 1u << m->id) == 0)
		return false;
	if ((m->flags & SASL_SECRET) && set->secrets[0] == '\0')
		return false;
	if ((m->flags & SASL_BINDING) && t->exporter_n + t->end_point_n == 0)
		return false;
	return (m->flags & SASL_CERTIFICATE) == 0 ||
	       (set->tls_client_ca[0] != '\0' && t->name[0] != '\0');
}

void
sasl_names(const struct worker *w, struct buf *out)
{
	bool safe = conn_is_tls(&w->conn) || w->listener->plaintext_auth;
	const char *space = "";
	struct tls_channel t;

	conn_tls_channel(&w->conn, &t);
	for (size_t i = 0; i < SASL__N; i++) {
		const struct sasl_mech *m = &sasl_mechs[i];
		if (!possible(w, m, &t) ||
		    ((m->flags & SASL_CLEARTEXT) && !safe))
			continue;
		buf_adds(out, space);
		buf_adds(out, m->name);
		space = " ";
	}
}

bool
sasl_offered(const struct worker *w)
{
	struct buf names;

	buf_init(&names, 256);
	sasl_names(w, &names);
	bool some = names.n > 0;
	buf_free(&names);
	return some;
}

bool
sasl_start(struct sasl *s, struct worker *w, struct view mechanism)
{
	enum sasl_id id = sasl_id_of(mechanism);
	struct tls_channel t;

	memset(s, 0, sizeof(*s));
	if (id == SASL__N)
		return false;
	conn_tls_channel(&w->conn, &t);
	s->mech = &sasl_mechs[id];
	s->w = w;
	s->right = -1;
	return possible(w, s->mech, &t);
}

bool
sasl_cleartext(const struct sasl *s)
{
	return s->mech->flags & SASL_CLEARTEXT;
}

/* ---- its lines ---- */

static enum sasl_result
decode_and_step(struct sasl *s, struct view line, struct buf *challenge)
{
	char raw[DECODED_MAX];
	size_t n;
	enum sasl_result r = SASL_BAD;

	buf_clear(challenge);
	if (base64_decode(line, raw, sizeof(raw), &n)) {
		struct view in = { raw, n };
		if (s->mech->flags & SASL_RELAYED)
			r = relay_step(s, in, challenge);
		else if (s->mech->id == SASL_PLAIN)
			r = plain_step(s, in);
		else
			r = login_step(s, in, challenge);
	}
	explicit_bzero(raw, sizeof(raw));
	return r;
}

/* The server's first challenge. */
static enum sasl_result
begin(struct sasl *s, struct buf *challenge)
{
	buf_clear(challenge);
	if (s->mech->flags & SASL_RELAYED)
		return relay_start(s, challenge);
	return challenge_set(
	    challenge, view_of(s->mech->id == SASL_LOGIN ? "Username:" : ""));
}

enum sasl_result
sasl_initial(struct sasl *s, struct view arg, struct buf *challenge)
{
	bool given = arg.n > 0;

	if (given && (s->mech->flags & SASL_SERVER_FIRST))
		return SASL_UNASKED; /* RFC 4954 4 */
	enum sasl_result r = begin(s, challenge);
	if (!given || r != SASL_CONTINUE)
		return r;
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

enum auth_result
sasl_ask(struct sasl *s, char *user_out, size_t user_out_size, int *right)
{
	struct auth_client c = worker_auth_client(s->w);

	if ((s->mech->flags & SASL_RELAYED) == 0)
		return ask_auth_password(&c, view_of(s->user), view_of(s->pass),
		    s->mech->name, user_out, user_out_size, right);
	*right = s->right;
	s->right = -1;
	if (!view_copy(view_of(s->result == AUTH_YES ? s->user : ""), user_out,
		user_out_size))
		return AUTH_LATER; /* auth says no such name */
	return s->result;
}

void
sasl_wipe(struct sasl *s)
{
	close_fd(&s->right);
	explicit_bzero(s, sizeof(*s));
}
