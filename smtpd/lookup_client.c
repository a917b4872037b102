/*
 * What DNS says about a client: its name, if the name leads back to the
 * address, and which blocklists have it.  Runs in: lookup.
 *
 * All lists are asked at the same time as the name.  Each question ends within
 * the resolver's time, and so does this.
 */
#include "smtpd/lookup_client.h"

#include <stdlib.h>
#include <string.h>

#include "common/msg.h"
#include "common/service.h"
#include "smtpd/ask_lookup.h"
#include "smtpd/resolver.h"

enum { LOOKUPS_MAX = 500, NAMES_MAX = 4 };

struct listing {
	struct lookup *lookup;
	char zone[DNS_NAME_MAX];
};

struct lookup {
	uint64_t peer;
	unsigned char address[ADDRESS_OCTETS];
	unsigned open; /* questions under way */
	enum client_name found;
	char name[DNS_NAME_MAX];
	char tried[NAMES_MAX][DNS_NAME_MAX]; /* what the address points to */
	unsigned tried_n, at;
	char listed[DNS_NAME_MAX]; /* the first list that has it */
	struct listing list[DNSBL_MAX];
};

static const struct settings *settings;
static unsigned lookups;

void
lookup_client_settings(const struct settings *s)
{
	settings = s;
}

static void
put_answer(struct msg *rp, const struct lookup *l)
{
	msg_put_u32(rp, l->found);
	msg_put_str(rp, l->found == CLIENT_NAMED ? l->name : "");
	msg_put_str(rp, l->listed);
}

/* One question less.  The last one answers. */
static void
question_ended(struct lookup *l)
{
	static struct msg rp;
	struct peer *p;

	if (--l->open > 0)
		return;
	p = service_find(l->peer);
	if (p != NULL) {
		msg_start(&rp, LOOKUP_CLIENT);
		rp.fd = -1;
		put_answer(&rp, l);
		peer_answer(p, &rp);
	}
	free(l);
	lookups--;
}

/* ---- its name ---- */

static void next_name(struct lookup *l);

static void
got_addresses(void *arg, enum dns_result r, const struct dns_answer *a)
{
	struct lookup *l = arg;

	for (unsigned i = 0; r == DNS_FOUND && i < a->n; i++)
		if (memcmp(a->address[i], l->address, ADDRESS_OCTETS) == 0) {
			l->found = CLIENT_NAMED;
			view_copy(
			    view_of(l->tried[l->at]), l->name, sizeof(l->name));
		}
	if (r == DNS_FAILED && l->found != CLIENT_NAMED)
		l->found = CLIENT_LATER;
	l->at++;
	next_name(l);
}

static void
next_name(struct lookup *l)
{
	bool v4 = l->address[10] == 0xff && l->address[11] == 0xff &&
		  l->address[0] == 0;

	if (l->found == CLIENT_NAMED || l->at == l->tried_n)
		question_ended(l);
	else
		resolver_ask(
		    l->tried[l->at], v4 ? DNS_A : DNS_AAAA, got_addresses, l);
}

static void
got_names(void *arg, enum dns_result r, const struct dns_answer *a)
{
	struct lookup *l = arg;

	if (r == DNS_FAILED)
		l->found = CLIENT_LATER;
	for (unsigned i = 0; r == DNS_FOUND && i < a->n && i < NAMES_MAX; i++)
		view_copy(
		    view_of(a->name[i]), l->tried[l->tried_n++], DNS_NAME_MAX);
	next_name(l);
}

/* ---- lists ---- */

/* RFC 5782 2.1: 127.0.0.0/8 means listed; 127.255.255.0/24 is how lists say
 * that they do not answer us; anything else is no list. */
static void
got_listing(void *arg, enum dns_result r, const struct dns_answer *a)
{
	struct listing *g = arg;

	for (unsigned i = 0; r == DNS_FOUND && i < a->n; i++) {
		const unsigned char *v4 = a->address[i] + 12;
		if (v4[0] == 127 && !(v4[1] == 255 && v4[2] == 255) &&
		    g->lookup->listed[0] == '\0')
			memcpy(g->lookup->listed, g->zone, DNS_NAME_MAX);
	}
	question_ended(g->lookup);
}

static void
ask_lists(struct lookup *l)
{
	char name[DNS_NAME_MAX];

	for (unsigned i = 0; i < settings->dnsbl_n; i++) {
		struct listing *g = &l->list[i];
		g->lookup = l;
		view_copy(
		    view_of(settings->dnsbl[i]), g->zone, sizeof(g->zone));
		if (!dns_reverse(l->address, g->zone, name))
			continue;
		l->open++;
		resolver_ask(name, DNS_A, got_listing, g);
	}
}

enum answer
answer_lookup_client(struct peer *p, struct msg *rq, struct msg *rp)
{
	char text[ADDRESS_TEXT], name[DNS_NAME_MAX];
	struct lookup *l;

	msg_get_str(rq, text, sizeof(text));
	if (!msg_done(rq))
		return ANSWER_DROP;
	l = lookups < LOOKUPS_MAX ? calloc(1, sizeof(*l)) : NULL;
	if (l == NULL) {
		put_answer(rp, &(struct lookup){ .found = CLIENT_LATER });
		return ANSWER;
	}
	if (!address_read(view_of(text), l->address)) {
		free(l);
		return ANSWER_DROP;
	}
	lookups++;
	l->peer = p->id;
	l->found = CLIENT_NAMELESS;
	l->open = 1; /* this one, until all are asked */
	if (settings->reverse_dns != REVERSE_NO &&
	    dns_reverse(l->address, NULL, name)) {
		l->open++;
		resolver_ask(name, DNS_PTR, got_names, l);
	}
	ask_lists(l);
	if (l->open > 1) {
		l->open--;
		return ANSWER_LATER;
	}
	put_answer(rp, l);
	free(l);
	lookups--;
	return ANSWER;
}
