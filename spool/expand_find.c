/*
 * From an address to an alias or a user.  Runs in: lookup, expand.
 */
#include "spool/expand.h"

#include <stdio.h>
#include <string.h>

#include "spool/recipient.h"

/* An address that is looked up. */
struct search {
	const struct book *book;
	const struct address *a;
	const char *domain; /* in lower case */
	bool local;	    /* users are known in it */
	struct found *out;
};

static bool
is_list(struct search *q)
{
	q->out->kind = EXPAND_LIST;
	return true;
}

static bool
find_virtual(struct search *q, struct view name)
{
	char key[ADDR_LOCAL_MAX + ADDR_DOMAIN_MAX + 2];
	int n = snprintf(key, sizeof(key), "%.*s@%s", (int)name.n,
	    name.p == NULL ? "" : name.p, q->domain);

	return n > 0 && (size_t)n < sizeof(key) &&
	       aliases_find(q->book->aliases, ALIAS_VIRTUAL, view_of(key),
		   &q->out->entry) &&
	       is_list(q);
}

static bool
find_alias(struct search *q, struct view name)
{
	return aliases_find(
		   q->book->aliases, ALIAS_LOCAL, name, &q->out->entry) &&
	       is_list(q);
}

/* postmaster whatever its case. */
static bool
find_named(struct search *q, struct view name)
{
	if (find_alias(q, name))
		return true;
	return recipient_is_postmaster(name) &&
	       (find_alias(q, view_of("postmaster")) ||
		   find_alias(q, view_of(q->book->settings->postmaster)));
}

/* No file is written as uid 0. */
static bool
find_root(struct search *q)
{
	if (find_alias(q, view_of("root")) ||
	    find_named(q, view_of("postmaster")))
		return true;
	switch (recipient_resolve(q->book->settings, q->book->users,
	    "postmaster", &q->out->user, q->out->to)) {
	case RESOLVED_LOCAL:
		return false;
	default:
		q->out->why = "the user database cannot be asked, or nobody "
			      "gets postmaster's mail";
		q->out->kind = EXPAND_LATER;
		return true;
	}
}

static bool
find_user(struct search *q, struct view name)
{
	struct found *out = q->out;
	int rc =
	    recipient_name(q->book->settings, q->book->users, name, &out->user);

	/* That postmaster is nobody is our mistake: find_root() says so. */
	bool nobody = rc == 0 && recipient_is_postmaster(name);
	if (rc == 0 && !nobody)
		return false;
	if (rc == -1) {
		out->why = "the user database cannot be asked";
		out->kind = EXPAND_LATER;
		return true;
	}
	if ((nobody || out->user.uid == 0) && find_root(q))
		return true;
	out->kind = EXPAND_LOCAL;
	recipient_delivered_to(q->a, out->user.name, q->domain, out->to);
	return true;
}

static bool
find_one(struct search *q, struct view name)
{
	if (find_virtual(q, name))
		return true;
	if (!q->local && !recipient_is_postmaster(name))
		return false;
	if (find_named(q, name))
		return true;
	/* What is not known may be there; it must not be refused. */
	if (aliases_broken(q->book->aliases)) {
		q->out->why = "a file of aliases has a mistake";
		q->out->kind = EXPAND_LATER;
		return true;
	}
	return find_user(q, name);
}

/* What has moved is written as the only target of an entry. */
static void
look_at_entry(struct search *q)
{
	struct found *out = q->out;
	struct view targets = out->entry.targets;
	struct alias_target t;
	const char *why;

	recipient_delivered_to(q->a, q->a->local, q->domain, out->to);
	if (target_next(&targets, TARGETS_ALIAS, &t, &why) != 1)
		return;
	if (t.kind == TARGET_MOVED) {
		out->kind = EXPAND_MOVED;
		view_copy(view_of(t.text), out->to, sizeof(out->to));
	} else if (t.kind == TARGET_FORWARDED) {
		out->forwarded = true;
		view_copy(view_of(t.text), out->forward, sizeof(out->forward));
	}
}

void
expand_find(const struct book *b, const char *address, struct found *out)
{
	struct address a;
	struct search q = { b, &a, a.domain, true, out };
	const struct settings *s = b->settings;

	memset(out, 0, sizeof(*out));
	out->kind = EXPAND_UNKNOWN;
	out->why = "";
	if (address_parse_utf8(view_of(address), &a) != ADDR_OK)
		return;
	if (a.domain[0] == '\0') {
		q.domain =
		    s->local_domain_n > 0 ? s->local_domains[0] : s->hostname;
	} else if (!settings_local_domain(s, a.domain, strlen(a.domain))) {
		q.local = false;
		if (!settings_virtual_domain(s, a.domain, strlen(a.domain))) {
			out->kind = EXPAND_FOREIGN;
			return;
		}
	}
	struct view local = view_of(a.local), base = recipient_base(s, local);
	if (!find_one(&q, local) &&
	    (base.n == local.n || !find_one(&q, base)) &&
	    !find_virtual(&q, (struct view){ NULL, 0 })) {
		memset(&out->user, 0, sizeof(out->user));
		if (aliases_broken(b->aliases)) {
			out->why = "a file of aliases has a mistake";
			out->kind = EXPAND_LATER;
		}
		return;
	}
	if (out->kind == EXPAND_LIST)
		look_at_entry(&q);
	if (out->kind != EXPAND_LOCAL)
		memset(&out->user, 0, sizeof(out->user));
}
