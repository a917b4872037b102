/* Logging in to a smarthost (RFC 4954).  Runs in: sender. */
#include <stdio.h>
#include <string.h>

#include "common/base64.h"
#include "common/sasl_client.h"
#include "common/sasl_digest.h"
#include "smtpd/smtpc.h"

enum { TEXT = 8192 };

static enum smtpc_result
no_mechanism(struct smtpc *s, bool cleartext)
{
	s->remote_said = false;
	smtp_reply_set(&s->reply, 454, "4.7.0",
	    "%s offers no way to log in that can be used%s", s->remote,
	    s->caps.auth[0] != '\0' && !cleartext
		? ": the password must not be shown without TLS"
		: "");
	return SMTPC_REFUSED;
}

/* Adds text in base64; "=" for nothing where a line has to say so. */
static void
add_base64(struct buf *line, const struct buf *text, const char *empty)
{
	static char b64[BASE64_LEN(TEXT) + 1];

	if (text->n == 0)
		buf_adds(line, empty);
	else if (!text->bad && base64_encode(buf_view(text), b64, sizeof(b64)))
		buf_adds(line, b64);
	else
		line->bad = true;
	memset(b64, 0, sizeof(b64));
}

/* One challenge and its answer.  False: it is cancelled. */
static bool
answer(struct smtpc *s, struct sasl_client *c)
{
	static char raw[TEXT];
	struct view text = view_of(s->reply.text);
	struct buf out, line;
	size_t n = 0;
	bool good = false;

	buf_init(&out, TEXT);
	buf_init(&line, 2 * TEXT);
	/* "334 BASE64": a challenge longer than what is kept of a reply is no
	 * challenge of these mechanisms. */
	view_token(&text);
	if ((text.n == 0 || base64_decode(text, raw, sizeof(raw), &n)) &&
	    sasl_client_step(c, (struct view){ raw, n }, &out)) {
		add_base64(&line, &out, "");
		good = !line.bad;
	}
	smtpc_command(s, good ? buf_cstr(&line) : "*");
	buf_wipe(&out);
	buf_wipe(&line);
	return good;
}

static enum smtpc_result
exchange(struct smtpc *s, struct sasl_client *c)
{
	static const char doing[] = "logging in";
	struct buf out, line;

	buf_init(&out, TEXT);
	buf_init(&line, 2 * TEXT);
	buf_addf(&line, "AUTH %s", sasl_mechs[c->id].name);
	if (sasl_client_initial(c, &out)) {
		buf_addc(&line, ' ');
		add_base64(&line, &out, "=");
	}
	smtpc_command(s, buf_cstr(&line));
	buf_wipe(&out);
	buf_wipe(&line);
	enum smtpc_result r = smtpc_reply(s, doing);
	while (r == SMTPC_OK && s->reply.code == 334) {
		bool good = answer(s, c);
		r = smtpc_reply(s, doing);
		if (r == SMTPC_OK && !good)
			r = SMTPC_REFUSED;
	}
	if (r == SMTPC_OK && (s->reply.code != 235 || !sasl_client_done(c))) {
		s->remote_said = false;
		smtp_reply_set(&s->reply, 454, "4.7.0",
		    "%s did not prove that it knows the password", s->remote);
		r = SMTPC_REFUSED;
	}
	return r;
}

enum smtpc_result
smtpc_auth(struct smtpc *s, const char *user, const char *pass, bool cleartext)
{
	struct sasl_client c;
	char nonce[AUTH_DIGEST + 1];
	enum sasl_id id =
	    sasl_client_choose(view_of(s->caps.auth), cleartext || s->tls);

	if (id == SASL__N)
		return no_mechanism(s, cleartext || s->tls);
	nonce_make(nonce);
	sasl_client_start(&c, id, user, pass, nonce);
	enum smtpc_result r = exchange(s, &c);
	sasl_client_wipe(&c);
	/* The sender of a message can do nothing about our password: it waits
	 * until somebody has mended it. */
	if (r == SMTPC_REFUSED && s->reply.code >= 500) {
		s->reply.code = 454;
		s->reply.dsn[0] = '4';
	}
	return r;
}
