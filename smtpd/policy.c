/*
 * Which clients are served, and what they may do.  Runs in: worker.
 *
 * Rights go by the other end of the connection, limits and refusals by the
 * client that a trusted proxy may have announced.
 */
#include "smtpd/policy.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/service.h"
#include "smtpd/ask_lookup.h"

enum { TURNED_AWAY_MS = 5000 };

/* RFC 5321 3.1: who is greeted with 554 may say QUIT; all else is 503.  Not for
 * long, as this worker could serve somebody. */
static enum next
turned_away(struct session *s)
{
	struct view line;
	enum line_status st;

	s->spent = true;
	s->c->timeout_ms = TURNED_AWAY_MS;
	s->c->deadline = now_ms() + TURNED_AWAY_MS;
	for (;;) {
		st = conn_line(s->c, SMTP_LINE_MAX, &line);
		if (st != LINE_OK && st != LINE_BARE_LF)
			break;
		if (view_caseeqs(view_trim(line), "QUIT")) {
			reply(s, 221, "2.0.0", "Bye");
			return NEXT_CLOSE;
		}
		if (reply(s, 503, "5.5.1", "You are not served: QUIT") !=
		    NEXT_COMMAND)
			return NEXT_CLOSE;
	}
	return st == LINE_TIMEOUT ? session_broken(s, st) : NEXT_CLOSE;
}

enum next
policy_connect(struct session *s)
{
	if (!networks_match(&s->set->refuse_networks, s->w->client))
		return NEXT_COMMAND;
	log_info("NOQUEUE: reject: CONNECT from %s: 554 5.7.1 <%s>: Client "
		 "host rejected: Access denied; proto=SMTP",
	    s->client, s->client);
	reply(s, 554, "5.7.1", "%s Access denied", s->set->hostname);
	return turned_away(s);
}

void
policy_look_up(struct session *s)
{
	struct client_answer a;
	bool wanted = s->set->reverse_dns != REVERSE_NO || s->set->dnsbl_n > 0;

	s->listed[0] = '\0';
	s->name_later = false;
	/* What has no address, or is this host, is known. */
	if (!wanted || s->w->over_limit || strcmp(s->name, "unknown") != 0 ||
	    strcmp(s->w->client, "unknown") == 0)
		return;
	if (!ask_lookup_client(
		worker_channel(s->w, ROLE_LOOKUP), s->w->client, &a))
		s->spent = true; /* the channel is of no use any more */
	s->name_later = a.kind == CLIENT_LATER;
	memcpy(s->listed, a.listed, sizeof(s->listed));
	if (a.kind == CLIENT_NAMED)
		memcpy(s->name, a.name, sizeof(s->name));
	snprintf(s->client, sizeof(s->client), "%s[%s]", s->name, s->w->client);
}

bool
policy_rcpt(struct session *s, const struct address *rcpt, enum next *next)
{
	bool nameless = s->set->reverse_dns == REVERSE_REQUIRED &&
			strcmp(s->name, "unknown") == 0;
	char to[ADDR_MAX + 1];

	/* Who is refused by mistake can say so (RFC 5321 4.5.1). */
	if (policy_may_relay(s) ||
	    view_caseeqs(view_of(rcpt->local), "postmaster"))
		return true;
	log_clean(view_of(rcpt->text), to, sizeof(to));
	if (s->listed[0] != '\0')
		*next = reject(s, to, 554, "5.7.1",
		    "Service unavailable; Client host [%s] blocked using %s",
		    s->w->client, s->listed);
	else if (nameless && s->name_later)
		*next = reject(s, to, 450, "4.7.25",
		    "Client host rejected: cannot find your hostname, [%s]",
		    s->w->client);
	else if (nameless)
		*next = reject(s, to, 550, "5.7.25",
		    "Client host rejected: your address [%s] has no name that "
		    "leads back to it",
		    s->w->client);
	else
		return true;
	s->t.refused = true;
	return false;
}

enum next
policy_wait(struct session *s)
{
	int64_t begun = now_ms();
	int whole = s->c->timeout_ms;
	char text[64];
	struct view v;

	if (s->set->greet_delay == 0 || s->w->listener->type != LISTEN_MX ||
	    s->w->local_user || policy_may_relay(s))
		return NEXT_COMMAND;
	log_flush();
	s->c->timeout_ms = (int)s->set->greet_delay;
	enum line_status st = conn_some(s->c, CONN_IN, &v);
	s->c->timeout_ms = whole;
	if (st == LINE_TIMEOUT)
		return NEXT_COMMAND;
	if (st != LINE_OK)
		return session_broken(s, st);
	s->spent = true;
	log_info("PREGREET %zu after %.2f from %s: %s", v.n,
	    (double)(now_ms() - begun) / 1000, s->client,
	    log_clean(v, text, sizeof(text)));
	reply(s, 554, "5.5.1",
	    "%s Protocol error: the greeting must be waited for",
	    s->set->hostname);
	return NEXT_CLOSE;
}

bool
policy_helo(struct session *s, struct view name, enum next *next)
{
	char clean[64];

	if (!s->set->helo_strict || domain_valid(name) ||
	    address_literal_valid(name))
		return true;
	*next = reject(s, NULL, 501, "5.5.2",
	    "<%s>: Helo command rejected: Invalid name",
	    log_clean(name, clean, sizeof(clean)));
	return false;
}

/* user, user+tag and whatever else reaches this user's mailbox, and nobody
 * else's.  *later: that cannot be said now. */
static bool
owns(struct session *s, const struct address *sender, bool *later)
{
	struct rcpt_answer found;

	if (!ask_lookup_rcpt(
		worker_channel(s->w, ROLE_LOOKUP), sender->text, &found))
		s->spent = true; /* the channel is of no use any more */
	*later = found.kind == RCPT_LATER;
	/* An alias that is another name of the user has the user's name. */
	return (found.kind == RCPT_LOCAL || found.kind == RCPT_LIST) &&
	       strcmp(found.user, s->user) == 0;
}

bool
policy_sender(struct session *s, const struct address *sender, enum next *next)
{
	char from[ADDR_MAX + 1], user[USER_NAME_MAX];
	bool later;

	if (!worker_message(s->w)) {
		log_warn("warning: Message delivery request rate limit "
			 "exceeded: %u from %s for service smtpd",
		    s->w->came, s->client);
		*next = reply(s, 450, "4.7.1",
		    "Too many messages from your address, try again later");
		return false;
	}
	/* Where mail from elsewhere comes in, a login changes nothing.
	 * Notices have no sender (RFC 5321 4.5.5). */
	if (!session_submission(s) || s->user[0] == '\0' ||
	    !s->set->senders_own || sender->text[0] == '\0' ||
	    owns(s, sender, &later))
		return true;
	log_clean(view_of(sender->text), from, sizeof(from));
	if (later)
		*next = reject(s, NULL, 451, "4.3.0",
		    "<%s>: Temporary lookup failure", from);
	else
		*next = reject(s, NULL, 553, "5.7.1",
		    "<%s>: Sender address rejected: not owned by user %s", from,
		    log_clean(view_of(s->user), user, sizeof(user)));
	return false;
}

bool
policy_may_announce(const struct session *s)
{
	return networks_match(&s->set->xclient_networks, s->w->peer);
}

bool
policy_may_send(const struct session *s)
{
	return s->set->send_verbs && !s->lmtp &&
	       (s->right != -1 || s->w->local_user);
}

bool
policy_may_relay(const struct session *s)
{
	return s->user[0] != '\0' || s->w->local_user ||
	       networks_match(&s->set->relay_networks, s->w->peer);
}
