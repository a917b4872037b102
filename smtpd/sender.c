/*
 * One request of the queue carried out.  Runs in: sender.
 *
 *	a kept connection --------------------------------.
 *	route -> host -> address -> connect -> TLS -> AUTH -> transaction
 *	   ^       |        |                                   |
 *	   |       `--------`--- the next one, if that fails ----'
 *
 * A recipient that one host puts off may be taken by another: at most two hosts
 * are told of a message.  Once content was sent, those who were to get it are
 * not tried elsewhere in this attempt unless the server said no.
 */
#include "smtpd/sender.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/service.h"
#include "smtpd/dial.h"
#include "smtpd/route.h"
#include "smtpd/smtpc.h"
#include "smtpd/tls_want.h"

enum {
	ADDRESSES_MAX = 10,   /* tried in one attempt */
	TOLD_MAX = 2,	      /* hosts that were told of a message */
	USES_MAX = 100,	      /* messages of one connection */
	LIMIT_MS = 50 * 60000 /* of an attempt, under RELAY_WAIT_MAX */
};

static struct sender_means means;

/* The connection that there is. */
static struct conn conn;
static struct smtpc smtp;
static bool open_now;
static char open_hop[NEXTHOP_MAX], remote[RELAY_REMOTE_MAX];
static bool verified; /* the host has proved its name, and that it is meant */
static bool lax;      /* made for a message for which TLS is optional */
static unsigned uses;
static int64_t kept_until;

/* One attempt. */
struct attempt {
	struct relay_request *rq;
	struct relay_answer *head;
	struct smtpc_mail mail;
	struct route route;
	struct tls_want want;
	int64_t began_us, ready_us, limit;
	unsigned addresses, told;
	bool busy; /* a host said that it takes nothing now */
	/* REQUIRETLS (RFC 8689): it is asked for, and must be; a host lacks
	 * it; another might have it later. */
	bool require_tls, strict, lacks, other;
};

void
sender_init(const struct sender_means *m)
{
	means = *m;
}

static int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- the connection ---- */

static void
hang_up(void)
{
	if (!open_now)
		return;
	smtpc_quit(&smtp);
	conn_close(&conn);
	open_now = false;
}

void
sender_end(void)
{
	hang_up();
}

int
sender_kept_ms(void)
{
	int64_t left = kept_until - now_ms();

	if (!open_now)
		return -1;
	return left < 0 ? 0 : (int)left;
}

static enum tls_asked
asked(const struct attempt *a)
{
	return a->strict					 ? TLS_REQUIRED
	       : !a->require_tls && a->mail.content.tls_optional ? TLS_OPTIONAL
								 : TLS_AS_SET;
}

static void
take_connection(struct attempt *a, int fd)
{
	conn_open(&conn, fd);
	open_now = true;
	verified = false;
	lax = asked(a) == TLS_OPTIONAL;
	uses = 0;
	smtp = (struct smtpc){ .conn = &conn,
		.hello = means.settings->hostname,
		.remote = remote,
		.lmtp = a->route.lmtp,
		.reply_ms = means.settings->relay_reply_timeout,
		.limit = a->limit };
	snprintf(open_hop, sizeof(open_hop), "%s", a->rq->nexthop);
}

/* ---- TLS and AUTH ---- */

/* SMTPC_OK: as much of it as must be is there.  *plain: the handshake failed
 * where none need have been. */
static enum smtpc_result
secure(struct attempt *a, const char *host, bool *plain)
{
	const struct tls_want *w = &a->want;
	struct tls_peer peer = { .name = host,
		.verify = w->level == RELAY_TLS_VERIFY && !w->dane,
		.dane = w->dane,
		.tlsa = w->tlsa,
		.tlsa_n = w->tlsa_n,
		.second_name = a->route.mx ? a->route.domain : NULL };

	bool offered = (smtp.caps.bits & CAP_STARTTLS) != 0;
	if (w->level == RELAY_TLS_NONE || (*plain && w->level == RELAY_TLS_MAY))
		return SMTPC_OK;
	*plain = false;
	if (!offered && w->level == RELAY_TLS_MAY)
		return SMTPC_OK;
	enum smtpc_result r = SMTPC_REFUSED;
	if (offered)
		r = smtpc_starttls(&smtp, means.tls, &peer);
	if (r == SMTPC_OK) {
		verified = (peer.verify || peer.dane) && w->named;
		return r;
	}
	a->lacks = a->lacks || a->strict;
	if (w->level == RELAY_TLS_MAY) {
		*plain = r == SMTPC_LOST;
		return *plain ? r : SMTPC_OK;
	}
	if (r == SMTPC_REFUSED) {
		smtp.remote_said = false;
		smtp_reply_set(&smtp.reply, 400, "4.7.4",
		    "TLS is required, and %s does not do it", remote);
	}
	return r;
}

static enum smtpc_result
log_in(const struct attempt *a)
{
	const struct settings *s = means.settings;

	if (!a->route.smarthost || s->relay_user[0] == '\0')
		return SMTPC_OK;
	return smtpc_auth(
	    &smtp, s->relay_user, means.secret, s->relay_tls == RELAY_TLS_NONE);
}

/* What the server said to a greeting is no answer about a message: a 5xx there
 * is put off, as another host may take it. */
static void
put_off(struct attempt *a)
{
	if (smtp.reply.code >= 500) {
		smtp.reply.code = 400;
		smtp.reply.dsn[0] = '4';
	}
	a->busy = a->busy || smtp.remote_said;
}

/* ---- hosts ---- */

static int
reach(
    struct attempt *a, const struct route_host *h, const unsigned char *address)
{
	char text[ADDRESS_TEXT], why[200] = "it cannot be reached";
	int fd;

	if (a->route.local) {
		snprintf(remote, sizeof(remote), "%.108s[%.108s]",
		    means.settings->hostname, h->name);
		fd = means.connect_local(h->name);
	} else {
		address_text(address, text);
		snprintf(remote, sizeof(remote), "%s[%s]:%u", h->name, text,
		    a->route.port);
		fd = dial(
		    means.settings, address, a->route.port, why, sizeof(why));
	}
	if (fd == -1) {
		smtp.remote_said = false;
		smtp_reply_set(&smtp.reply, 400, "4.4.1", "connect to %s: %s",
		    remote, why);
		log_debug("%s: connect to %s: %s", a->rq->id, remote, why);
	}
	return fd;
}

/* From nothing to a server that waits for MAIL.  The last try has its reasons
 * in smtp.reply. */
static bool
connect_one(
    struct attempt *a, const struct route_host *h, const unsigned char *address)
{
	bool plain = false, again;

	do {
		enum smtpc_result r = SMTPC_LOST;
		bool was_plain = plain;
		int fd = reach(a, h, address);
		if (fd == -1) {
			a->other = true;
			return false;
		}
		take_connection(a, fd);
		r = smtpc_open(&smtp);
		if (r == SMTPC_OK)
			r = secure(a, h->name, &plain);
		if (r == SMTPC_OK)
			r = log_in(a);
		if (r == SMTPC_OK)
			return true;
		put_off(a);
		a->other = a->other || !a->lacks || smtp.remote_said;
		log_debug("%s: %s: %s", a->rq->id, remote, smtp.reply.text);
		again = plain && !was_plain;
		hang_up();
	} while (again);
	return false;
}

/* ---- messages ---- */

static bool
all_settled(const struct attempt *a)
{
	for (unsigned i = 0; i < a->rq->n; i++)
		if (!a->mail.settled[i])
			return false;
	return true;
}

/* One transaction on the open connection. */
static void
transact(struct attempt *a)
{
	if (a->ready_us == 0)
		a->ready_us = now_us();
	smtp.limit = a->limit;
	/* A Unix socket is no way that anybody else can look at. */
	if (a->strict && !a->route.local &&
	    !(verified && (smtp.caps.bits & CAP_REQUIRETLS))) {
		a->lacks = true;
		smtp.remote_said = false;
		smtp_reply_set(&smtp.reply, 400, "4.7.30",
		    "the sender requires TLS on the whole way (REQUIRETLS), "
		    "and %s does not offer that",
		    remote);
		smtpc_result_all(&smtp, &a->mail, true);
		kept_until = now_ms() + RELAY_KEEP_MS;
		return;
	}
	a->mail.needs.require_tls = a->require_tls && verified;
	enum smtpc_result r = smtpc_send(&smtp, &a->mail);
	uses++;
	a->told++;
	snprintf(a->head->remote, sizeof(a->head->remote), "%s", remote);
	if (smtp.caps.bits & CAP_DSN)
		a->head->bits |= RELAY_B_DSN;
	else
		a->head->bits &= ~(uint32_t)RELAY_B_DSN;
	a->busy = smtp.remote_said && smtp.reply.code == 421;
	if (r != SMTPC_OK || uses >= USES_MAX)
		hang_up();
	else
		kept_until = now_ms() + RELAY_KEEP_MS;
}

/* A kept connection may have ended meanwhile, which says nothing: then a new
 * one is made. */
static bool
use_kept(struct attempt *a)
{
	if (!open_now)
		return false;
	if (strcmp(open_hop, a->rq->nexthop) != 0 ||
	    (a->strict && !(verified && (smtp.caps.bits & CAP_REQUIRETLS))) ||
	    (lax && asked(a) != TLS_OPTIONAL) || !smtpc_idle_ok(&smtp)) {
		hang_up();
		return false;
	}
	a->head->bits |= RELAY_B_REUSED;
	transact(a);
	/* Lost with nothing said to any recipient: as if it had not been. */
	if (!open_now && !smtp.remote_said && smtp.lost) {
		bool said = false;
		for (unsigned i = 0; i < a->rq->n; i++)
			said = said || a->rq->rcpt[i].result.remote;
		a->told = said ? a->told : 0;
		a->head->bits &= ~(uint32_t)RELAY_B_REUSED;
		a->ready_us = said ? a->ready_us : 0;
		return false;
	}
	return true;
}

static void
try_addresses(struct attempt *a, const struct route_host *h,
    const struct route_addresses *list)
{
	unsigned n = a->route.local ? 1 : list->n;

	for (unsigned i = 0;
	     i < n && a->addresses < ADDRESSES_MAX && now_ms() < a->limit;
	     i++) {
		a->addresses++;
		if (!a->route.local &&
		    route_is_self(list->list[i], a->route.port)) {
			smtp.remote_said = false;
			smtp_reply_set(&smtp.reply, 500, "5.4.6",
			    "mail for %s loops back to this host", h->name);
		} else if (connect_one(a, h, list->list[i])) {
			transact(a);
			return;
		}
		smtpc_result_all(&smtp, &a->mail, true);
	}
}

static void
try_hosts(struct attempt *a)
{
	struct route_addresses list;

	for (unsigned i = 0; i < a->route.n && a->told < TOLD_MAX &&
			     a->addresses < ADDRESSES_MAX && !all_settled(a);
	     i++) {
		const struct route_host *h = &a->route.host[i];
		enum route_is is = ROUTE_FOUND;

		memset(&list, 0, sizeof(list));
		if (!a->route.local)
			is = route_addresses(
			    &a->route, h->name, &list, &smtp.reply);
		if (is == ROUTE_FOUND)
			is = tls_want_find(means.settings, means.tls, &a->route,
			    h->name, list.authentic, asked(a), &a->want,
			    &smtp.reply);
		hang_up();
		if (is == ROUTE_FOUND) {
			try_addresses(a, h, &list);
			continue;
		}
		smtp.remote_said = false;
		if (strcmp(smtp.reply.dsn, TLS_LACKS) == 0)
			a->lacks = true;
		else
			a->other = true;
		/* One host of several without an address is no reason to give
		 * up what others may take later. */
		if (is == ROUTE_NEVER && i + 1 < a->route.n)
			continue;
		smtpc_result_all(&smtp, &a->mail, true);
	}
}

static void
find_and_send(struct attempt *a)
{
	enum route_is is = route_find(a->rq->nexthop, &a->route, &smtp.reply);

	if (is == ROUTE_FOUND) {
		try_hosts(a);
		return;
	}
	smtp.remote_said = false;
	smtpc_result_all(&smtp, &a->mail, false);
}

/* RFC 8689 4.2.1: no host has what the sender requires, so it is told. */
static void
refuse_without_tls(struct attempt *a)
{
	for (unsigned i = 0; i < a->rq->n; i++) {
		struct relay_result *r = &a->rq->rcpt[i].result;
		if (a->mail.settled[i] || r->remote ||
		    r->outcome != RELAY_DEFERRED)
			continue;
		r->outcome = RELAY_BOUNCED;
		r->dsn[0] = '5';
		/* "4.7.4" and "4.7.5" say why, but are for what may pass. */
		if (strcmp(r->dsn, "5.7.30") != 0)
			snprintf(r->dsn, sizeof(r->dsn), "5.7.10");
		a->mail.settled[i] = true;
	}
	a->told = 1; /* it is no matter of the destination's state */
}

/* A report (from <>) goes without, if it cannot go with it: it must not be
 * lost (5). */
static void
find_and_send_with(struct attempt *a)
{
	a->strict = a->require_tls;
	find_and_send(a);
	if (!a->strict || !a->lacks || a->told > 0)
		return;
	if (a->mail.needs.report) {
		a->strict = false;
		a->addresses = 0;
		find_and_send(a);
	} else if (!a->other) {
		refuse_without_tls(a);
	}
}

static enum relay_verdict
verdict(const struct attempt *a)
{
	bool deferred = false;

	for (unsigned i = 0; i < a->rq->n; i++)
		deferred =
		    deferred || a->rq->rcpt[i].result.outcome == RELAY_DEFERRED;
	if (a->busy && deferred)
		return RELAY_BUSY;
	return a->told == 0 && deferred ? RELAY_DOWN : RELAY_WORKS;
}

void
sender_run(struct relay_request *rq, int fd, struct relay_answer *head)
{
	static struct attempt a;
	struct view v;

	memset(&a, 0, sizeof(a));
	a.rq = rq;
	a.head = head;
	a.began_us = now_us();
	a.limit = now_ms() + LIMIT_MS;
	a.mail.request = rq;
	a.mail.content = (struct smtpc_content){
		.fd = fd, .offset = rq->offset, .length = rq->length
	};
	head->bits = 0;
	snprintf(head->remote, sizeof(head->remote), "none");
	bool readable = smtpc_content_scan(&a.mail.content);
	a.mail.needs = (struct smtpc_needs){ .size = rq->length,
		.eight_bit = a.mail.content.eight_bit,
		.header_utf8 = a.mail.content.header_utf8,
		.report = rq->sender[0] == '\0' };
	a.strict = a.require_tls =
	    smtpc_param(view_of(rq->params), "REQUIRETLS", &v);
	if (!readable) {
		smtp.remote_said = false;
		smtp_reply_set(
		    &smtp.reply, 400, "4.3.0", "the record cannot be read");
		smtpc_result_all(&smtp, &a.mail, false);
		a.told = 1; /* the destination has no part in it */
	} else if (!use_kept(&a)) {
		find_and_send_with(&a);
	}
	for (unsigned i = 0; i < rq->n; i++) { /* nobody without a reason */
		struct relay_result *r = &rq->rcpt[i].result;
		if (r->text[0] != '\0')
			continue;
		*r = (struct relay_result){ .outcome = RELAY_DEFERRED };
		snprintf(r->dsn, sizeof(r->dsn), "4.4.1");
		snprintf(r->text, sizeof(r->text), "no host was reached");
	}
	int64_t end = now_us();
	head->verdict = verdict(&a);
	head->setup_us = (a.ready_us == 0 ? end : a.ready_us) - a.began_us;
	head->send_us = a.ready_us == 0 ? 0 : end - a.ready_us;
}
