/*
 * HELO and EHLO (RFC 5321 4.1.1.1): who is calling, and what is offered.
 * Runs in: worker.
 */
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/sasl.h"
#include "smtpd/command.h"
#include "smtpd/policy.h"

/* Adds the argument of an extension. */
typedef void add_argument(const struct session *, struct buf *);

static void
add_size(const struct session *s, struct buf *b)
{
	buf_addf(b, " %lld", (long long)s->set->message_size_max);
}

static void
add_mechanisms(const struct session *s, struct buf *b)
{
	buf_addc(b, ' ');
	sasl_names(s->w, b);
}

/* As programs that are older than RFC 2554 want to read it. */
static void
add_old_mechanisms(const struct session *s, struct buf *b)
{
	buf_addc(b, '=');
	sasl_names(s->w, b);
}

static void
add_limits(const struct session *s, struct buf *b)
{
	buf_addf(b, " MAILMAX=%lld RCPTMAX=%lld",
	    (long long)s->set->mails_per_session,
	    (long long)s->set->recipients_max);
}

static void
add_unwanted(const struct session *s, struct buf *b)
{
	if (s->set->no_soliciting[0] != '\0')
		buf_addf(b, " %s", s->set->no_soliciting);
}

/* What sendmail(8) puts behind addresses that have no domain. */
static void
add_origin(const struct session *s, struct buf *b)
{
	const struct settings *set = s->set;

	buf_addf(b, " %s",
	    set->local_domain_n == 0 ||
		    settings_local_domain(
			set, set->hostname, strlen(set->hostname))
		? set->hostname
		: set->local_domains[0]);
}

/* A keyword that is also a verb is shown where the verb is offered. */
/* clang-format off */
static const struct {
	const char *keyword;
	add_argument *add;
} extensions[] = {
	{ "PIPELINING",          NULL },               /* RFC 2920 */
	{ "SIZE",                add_size },           /* RFC 1870 */
	{ "STARTTLS",            NULL },               /* RFC 3207 */
	{ "AUTH",                add_mechanisms },     /* RFC 4954 */
	{ "AUTH",                add_old_mechanisms },
	{ "ENHANCEDSTATUSCODES", NULL },               /* RFC 2034 */
	{ "8BITMIME",            NULL },               /* RFC 6152 */
	{ "SMTPUTF8",            NULL },               /* RFC 6531 */
	{ "DSN",                 NULL },               /* RFC 3461 */
	{ "REQUIRETLS",          NULL },               /* RFC 8689 */
	{ "LIMITS",              add_limits },         /* RFC 9422 */
	{ "SUBMITTER",           NULL },               /* RFC 4405 */
	{ "NO-SOLICITING",       add_unwanted },       /* RFC 3865 */
	{ "CHUNKING",            NULL },               /* RFC 3030 2 */
	{ "BINARYMIME",          NULL },               /* RFC 3030 3 */
	{ "EXPN",                NULL },               /* RFC 5321 3.5.2 */
	{ "VERB",                NULL },               /* sendmail's: 4.1.1.1 */
	{ "ONEX",                NULL },
	{ "SEND",                NULL },               /* RFC 5321 F.6 */
	{ "SOML",                NULL },
	{ "SAML",                NULL },
	{ "XCLIENT",             add_xclient_attributes },
	{ "XFORWARD",            add_xforward_attributes },
	{ "X-ORIGIN",            add_origin },         /* users of this host */
	{ "HELP",                NULL },               /* RFC 5321 4.1.1.8 */
};
/* clang-format on */

/* Keeps what the client calls itself.  Anything is taken from people, but what
 * is not in a host name or address literal is made harmless here, once. */
static void
take_helo(struct session *s, struct view arg)
{
	static const char fine[] = "-._:[]";
	size_t n = arg.n < sizeof(s->helo) ? arg.n : sizeof(s->helo) - 1;

	for (size_t i = 0; i < n; i++) {
		bool good = ascii_alnum(arg.p[i]);
		for (const char *f = fine; *f != '\0'; f++)
			good |= arg.p[i] == *f;
		s->helo[i] = good ? arg.p[i] : '?';
	}
	s->helo[n] = '\0';
}

/* 4.1.4: a second EHLO is a RSET. */
static bool
hello(struct session *s, struct view arg, bool esmtp, enum next *next)
{
	if (arg.n == 0) {
		*next = command_syntax(s);
		return false;
	}
	if (!policy_helo(s, arg, next))
		return false;
	take_helo(s, arg);
	s->esmtp = esmtp;
	s->state = ST_READY;
	transaction_reset(s);
	return true;
}

enum next
cmd_helo(struct session *s, struct view arg)
{
	enum next next;

	if (!hello(s, arg, false, &next))
		return next;
	return reply(s, 250, NULL, "%s", s->set->hostname);
}

enum next
cmd_ehlo(struct session *s, struct view arg)
{
	struct buf b;
	enum next next;

	if (!hello(s, arg, true, &next))
		return next;
	buf_init(&b, 512);
	reply_more(s, 250, NULL, "%s", s->set->hostname);
	for (size_t i = 0; i < NELEM(extensions); i++) {
		const char *keyword = extensions[i].keyword;
		const struct command *c = command_find(view_of(keyword));

		if (s->lmtp && strcmp(keyword, "DSN") == 0)
			continue; /* the client keeps what is not delivered */
		if (extensions[i].add == add_old_mechanisms &&
		    !s->set->sasl_old_clients)
			continue;
		if (!s->tls && strcmp(keyword, "REQUIRETLS") == 0)
			continue;
		if (!s->w->local_user && strcmp(keyword, "X-ORIGIN") == 0)
			continue;
		if (c != NULL && c->run != cmd_submitter &&
		    !command_offered(s, c))
			continue;
		buf_clear(&b);
		buf_adds(&b, keyword);
		if (extensions[i].add != NULL)
			extensions[i].add(s, &b);
		if (i + 1 < NELEM(extensions))
			reply_more(s, 250, NULL, "%s", buf_cstr(&b));
		else
			reply(s, 250, NULL, "%s", buf_cstr(&b));
	}
	buf_free(&b);
	return NEXT_COMMAND;
}

/* RFC 2033 4.1: as EHLO in all but the name. */
enum next
cmd_lhlo(struct session *s, struct view arg)
{
	return cmd_ehlo(s, arg);
}
