/* Parameters that go on.  Pure.  Runs in: sender. */
#include "smtpd/smtpc_params.h"

#include "common/idna.h"

static const struct {
	const char *keyword;
	unsigned bit;
} known[] = {
	{ "PIPELINING", CAP_PIPELINING },
	{ "8BITMIME", CAP_8BITMIME },
	{ "SMTPUTF8", CAP_SMTPUTF8 },
	{ "DSN", CAP_DSN },
	{ "CHUNKING", CAP_CHUNKING },
	{ "STARTTLS", CAP_STARTTLS },
	{ "REQUIRETLS", CAP_REQUIRETLS },
	{ "SIZE", CAP_SIZE },
	{ "AUTH", CAP_AUTH },
};

static bool
printable(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] < ' ' || v.p[i] > '~')
			return false;
	return true;
}

void
smtpc_caps_line(struct smtpc_caps *c, struct view line)
{
	struct view word = view_token(&line);
	unsigned long long n;

	for (size_t i = 0; i < NELEM(known); i++)
		if (view_caseeqs(word, known[i].keyword))
			c->bits |= known[i].bit;
	if (view_caseeqs(word, "SIZE") && view_number(line, INT64_MAX, &n))
		c->size_max = n;
	if (view_caseeqs(word, "AUTH") && printable(line))
		view_copy(line, c->auth, sizeof(c->auth));
}

bool
smtpc_param(struct view params, const char *keyword, struct view *value)
{
	while (params.n > 0) {
		struct view v = view_token(&params);
		struct view word = view_split(&v, '=', NULL);
		if (view_caseeqs(word, keyword)) {
			*value = v;
			return true;
		}
	}
	*value = (struct view){ NULL, 0 };
	return false;
}

static bool
is_utf8(const char *s)
{
	char ascii[ENVELOPE_VALUE_MAX + 1];

	return !view_ascii(view_of(s)) &&
	       !idna_address(view_of(s), ascii, sizeof(ascii));
}

bool
smtpc_seven_bit(const struct smtpc_caps *c, const struct smtpc_needs *n)
{
	return n->eight_bit && !(c->bits & CAP_8BITMIME);
}

bool
smtpc_needs_utf8(const struct relay_request *r, const struct smtpc_needs *n)
{
	bool utf8 = is_utf8(r->sender);

	for (unsigned i = 0; !utf8 && i < r->n; i++)
		utf8 = is_utf8(r->rcpt[i].address);
	if (n->report)
		return utf8;
	/* Without the parameter, 8-bit header octets are somebody's old habit,
	 * and go as they came. */
	struct view v;
	return utf8 || (n->header_utf8 &&
			   smtpc_param(view_of(r->params), "SMTPUTF8", &v));
}

static unsigned long long
size_there(const struct smtpc_caps *c, const struct smtpc_needs *n)
{
	return smtpc_seven_bit(c, n) && n->ascii_stuck == NULL ? n->ascii_size
							       : n->size;
}

bool
smtpc_can_take(const struct smtpc_caps *c, const struct relay_request *rq,
    const struct smtpc_needs *n, struct smtp_reply *r)
{
	if (c->size_max > 0 && size_there(c, n) > c->size_max)
		smtp_reply_set(r, 552, "5.3.4",
		    "the message has %llu octets, the server takes %llu",
		    size_there(c, n), c->size_max);
	else if (smtpc_needs_utf8(rq, n) && !(c->bits & CAP_SMTPUTF8))
		smtp_reply_set(r, 550, "5.6.7",
		    "an address or the header is not ASCII, and the server "
		    "does not offer SMTPUTF8");
	else if (smtpc_seven_bit(c, n) && n->ascii_stuck != NULL && !n->report)
		smtp_reply_set(r, 550, "5.6.3",
		    "the server does not offer 8BITMIME, and the message has "
		    "8-bit octets %s",
		    n->ascii_stuck);
	else
		return true;
	return false;
}

static void
pass_on(struct buf *out, struct view params, const char *keyword)
{
	struct view value;

	if (!smtpc_param(params, keyword, &value) || value.n == 0)
		return;
	buf_addf(out, " %s=", keyword);
	buf_addv(out, value);
}

void
smtpc_mail_params(const struct smtpc_caps *c, struct view params,
    const struct smtpc_needs *n, bool utf8, struct buf *out)
{
	if (c->bits & CAP_SIZE)
		buf_addf(out, " SIZE=%llu", size_there(c, n));
	if ((c->bits & CAP_8BITMIME) && n->eight_bit)
		buf_adds(out, " BODY=8BITMIME");
	if ((c->bits & CAP_SMTPUTF8) && utf8)
		buf_adds(out, " SMTPUTF8");
	if (c->bits & CAP_DSN) {
		pass_on(out, params, "RET");
		pass_on(out, params, "ENVID");
	}
	if ((c->bits & CAP_REQUIRETLS) && n->require_tls)
		buf_adds(out, " REQUIRETLS");
}

void
smtpc_rcpt_params(
    const struct smtpc_caps *c, struct view params, struct buf *out)
{
	if (c->bits & CAP_DSN) {
		pass_on(out, params, "NOTIFY");
		pass_on(out, params, "ORCPT");
	}
}
