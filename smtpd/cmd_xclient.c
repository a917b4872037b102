/*
 * XCLIENT and XFORWARD, as Postfix has them: a proxy or content filter that is
 * listed in xclient_networks says whose mail it passes on.  Runs in: worker.
 *
 * What XCLIENT says stands in logs, trace header and limits from then on, what
 * XFORWARD says in the log only; neither gives a right.
 */
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/network.h"
#include "common/xtext.h"
#include "smtpd/command.h"
#include "smtpd/params.h"
#include "smtpd/policy.h"

enum { VALUE_MAX = 256 };

/* What was said; "" is what was not, or is not known. */
struct announced {
	char name[VALUE_MAX], addr[ADDRESS_TEXT], port[8], ident[64];
	unsigned char key[ADDRESS_OCTETS];
};

typedef bool take_value(const char *value, struct announced *);

static bool
take_name(const char *v, struct announced *a)
{
	return view_copy(view_of(v), a->name, sizeof(a->name)) &&
	       (v[0] == '\0' || domain_valid(view_of(v)));
}

static bool
take_addr(const char *v, struct announced *a)
{
	struct view text = view_of(v);

	if (view_casestarts(text, "IPV6:"))
		text = view_of(v + strlen("IPV6:"));
	if (!address_read(text, a->key))
		return v[0] == '\0';
	address_text(a->key, a->addr);
	return true;
}

static bool
take_port(const char *v, struct announced *a)
{
	unsigned long long n;

	return v[0] == '\0' ||
	       (view_number(view_of(v), 65535, &n) &&
		   view_copy(view_of(v), a->port, sizeof(a->port)));
}

static bool
take_proto(const char *v, struct announced *a)
{
	struct view p = view_of(v);

	(void)a;
	return p.n == 0 || view_caseeqs(p, "SMTP") || view_caseeqs(p, "ESMTP");
}

/* The client says it itself after XCLIENT. */
static bool
take_helo(const char *v, struct announced *a)
{
	(void)v;
	(void)a;
	return true;
}

static bool
take_ident(const char *v, struct announced *a)
{
	log_clean(view_of(v), a->ident, sizeof(a->ident));
	return true;
}

static bool
take_source(const char *v, struct announced *a)
{
	struct view p = view_of(v);

	(void)a;
	return p.n == 0 || view_caseeqs(p, "LOCAL") ||
	       view_caseeqs(p, "REMOTE");
}

struct attribute {
	const char *name;
	take_value *take;
};

/* clang-format off */
static const struct attribute xclient[] = {
	{ "NAME", take_name }, { "ADDR", take_addr }, { "PORT", take_port },
	{ "PROTO", take_proto }, { "HELO", take_helo },
	{ NULL, NULL }
};
static const struct attribute xforward[] = {
	{ "NAME", take_name }, { "ADDR", take_addr }, { "PORT", take_port },
	{ "PROTO", take_proto }, { "HELO", take_helo },
	{ "IDENT", take_ident }, { "SOURCE", take_source },
	{ NULL, NULL }
};
/* clang-format on */

static bool
bad(struct session *s, struct view word, const char *why, enum next *next)
{
	char clean[48];

	*next = reply(s, 501, "5.5.4", "%s: %s",
	    log_clean(word, clean, sizeof(clean)), why);
	return false;
}

static bool
take_all(struct session *s, struct view arg, const struct attribute *table,
    struct announced *a, enum next *next)
{
	char text[VALUE_MAX];
	bool equals;

	memset(a, 0, sizeof(*a));
	if (arg.n == 0) {
		*next = command_syntax(s);
		return false;
	}
	while (arg.n > 0) {
		struct view value = view_token(&arg);
		struct view name = view_split(&value, '=', &equals);
		const struct attribute *t = table;

		while (t->name != NULL && !view_caseeqs(name, t->name))
			t++;
		if (view_caseeqs(name, "LOGIN"))
			return bad(
			    s, name, "nobody is logged in by another", next);
		if (t->name == NULL || !equals)
			return bad(s, name, "no such attribute here", next);
		if (view_caseeqs(value, "[UNAVAILABLE]") ||
		    view_caseeqs(value, "[TEMPUNAVAIL]"))
			value.n = 0;
		if (!xtext_decode(value, text, sizeof(text)) ||
		    !t->take(text, a))
			return bad(s, name, "not a value of it", next);
	}
	return true;
}

static enum next
not_allowed(struct session *s)
{
	return reject(s, NULL, 550, "5.7.0",
	    "<%s>: Command rejected: %s is not for this client", s->verb,
	    s->verb);
}

void
add_xclient_attributes(const struct session *s, struct buf *b)
{
	(void)s;
	for (const struct attribute *t = xclient; t->name != NULL; t++)
		buf_addf(b, " %s", t->name);
}

void
add_xforward_attributes(const struct session *s, struct buf *b)
{
	(void)s;
	for (const struct attribute *t = xforward; t->name != NULL; t++)
		buf_addf(b, " %s", t->name);
}

enum next
cmd_xclient(struct session *s, struct view arg)
{
	struct worker *w = s->w;
	char before[sizeof(s->client)];
	struct announced a;
	enum next next;

	if (!policy_may_announce(s))
		return not_allowed(s);
	if (s->user[0] != '\0')
		return reply(
		    s, 503, "5.5.1", "Too late: you are authenticated already");
	if (!take_all(s, arg, xclient, &a, &next))
		return next;
	s->spent = true;
	memcpy(before, s->client, sizeof(before));
	if (a.addr[0] != '\0')
		worker_announce(
		    w, a.addr, a.port[0] == '\0' ? "0" : a.port, a.key);
	session_name_client(s);
	policy_look_up(s);
	if (a.name[0] != '\0')
		snprintf(s->name, sizeof(s->name), "%.*s",
		    (int)sizeof(s->name) - 1, a.name);
	snprintf(s->client, sizeof(s->client), "%s[%s]", s->name, w->client);
	log_info("XCLIENT from %s: the client is %s", before, s->client);
	/* All over again, with another. */
	transaction_reset(s);
	s->state = ST_NEW;
	s->esmtp = false;
	s->helo[0] = '\0';
	return session_greet(s);
}

enum next
cmd_xforward(struct session *s, struct view arg)
{
	struct announced a;
	enum next next;

	if (!policy_may_announce(s))
		return not_allowed(s);
	if (!take_all(s, arg, xforward, &a, &next))
		return next;
	s->original[0] = '\0';
	if (a.ident[0] != '\0')
		snprintf(s->original, sizeof(s->original), ", orig_queue_id=%s",
		    a.ident);
	size_t n = strlen(s->original);
	if (a.addr[0] != '\0')
		snprintf(s->original + n, sizeof(s->original) - n,
		    ", orig_client=%.255s[%s]",
		    a.name[0] == '\0' ? "unknown" : a.name, a.addr);
	return reply(s, 250, "2.0.0", "Ok");
}
