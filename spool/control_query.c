/* Questions to the queue: their syntax, and what matches.  Pure.
 * Runs in: queue, pennyctl. */
#include <string.h>

#include "spool/control.h"

enum { AGE_MAX = 1000000000 };

static const char *const verbs[] = {
	[CONTROL_LIST] = "list",
	[CONTROL_SHOW] = "show",
	[CONTROL_RETRY] = "retry",
	[CONTROL_HOLD] = "hold",
	[CONTROL_RELEASE] = "release",
	[CONTROL_DELETE] = "delete",
};

static bool
take_age(struct view v, int64_t *out)
{
	unsigned long long n;

	if (!view_number(v, AGE_MAX, &n))
		return false;
	*out = (int64_t)n;
	return true;
}

static bool
take_state(struct view v, struct control_query *q)
{
	q->held = view_eqs(v, "hold");
	q->queued = view_eqs(v, "queue");
	return q->held || q->queued;
}

static bool
take_key(struct view key, struct view v, struct control_query *q)
{
	if (view_eqs(key, "id"))
		return envelope_id_valid(v) &&
		       view_copy(v, q->id, sizeof(q->id));
	if (view_eqs(key, "older"))
		return take_age(v, &q->older);
	if (view_eqs(key, "younger"))
		return take_age(v, &q->younger);
	if (view_eqs(key, "state"))
		return take_state(v, q);
	char *glob = view_eqs(key, "sender")	    ? q->sender
		     : view_eqs(key, "recipient")   ? q->recipient
		     : view_eqs(key, "destination") ? q->destination
						    : NULL;
	return glob != NULL && v.n > 0 && view_copy(v, glob, CONTROL_GLOB_MAX);
}

bool
control_parse(struct view line, struct control_query *out, const char **why)
{
	struct view verb = view_split(&line, '\t', NULL);
	unsigned i = 0;

	*out = (struct control_query){
		.older = -1, .younger = -1, .queued = true, .held = true
	};
	while (i < NELEM(verbs) && !view_eqs(verb, verbs[i]))
		i++;
	*why = "no such verb";
	if (i == NELEM(verbs))
		return false;
	out->verb = (enum control_verb)i;
	while (line.n > 0) {
		struct view value = view_split(&line, '\t', NULL);
		struct view key = view_split(&value, '=', NULL);
		*why = "a key or its value is wrong";
		if (!take_key(key, value, out))
			return false;
	}
	/* Who names none does not mean those with which it cannot be done. */
	if (out->id[0] == '\0' && out->verb == CONTROL_RELEASE)
		out->queued = false;
	if (out->id[0] == '\0' &&
	    (out->verb == CONTROL_RETRY || out->verb == CONTROL_HOLD))
		out->held = false;
	*why = "show needs an id";
	return out->verb != CONTROL_SHOW || out->id[0] != '\0';
}

/* Goes back to the last * only, so that no pattern takes long. */
bool
control_glob(const char *p, struct view v)
{
	const char *star = NULL;
	size_t i = 0, from = 0;

	while (i < v.n) {
		if (*p == '*') {
			star = p++;
			from = i;
		} else if (*p != '\0' &&
			   (*p == '?' ||
			       ascii_lower(*p) == ascii_lower(v.p[i]))) {
			p++;
			i++;
		} else if (star != NULL) {
			p = star + 1;
			i = ++from;
		} else {
			return false;
		}
	}
	while (*p == '*')
		p++;
	return *p == '\0';
}

struct view
control_domain(struct view a)
{
	for (size_t i = a.n; i > 0; i--)
		if (a.p[i - 1] == '@')
			return (struct view){ a.p + i, a.n - i };
	return (struct view){ NULL, 0 };
}

static bool
rcpt_matches(const struct control_query *q, const struct envelope_rcpt *c)
{
	struct view domain = { NULL, 0 };

	if (rcpt_closed(c->state))
		return false;
	if (c->kind == KIND_ADDRESS)
		domain = control_domain(c->address);
	return (q->recipient[0] == '\0' ||
		   control_glob(q->recipient, c->address) ||
		   control_glob(q->recipient, c->original)) &&
	       (q->destination[0] == '\0' ||
		   control_glob(q->destination, domain));
}

bool
control_matches(
    const struct control_query *q, const struct envelope *e, int64_t now_us)
{
	int64_t age = (now_us - e->arrived_us) / 1000000;
	bool any = q->recipient[0] == '\0' && q->destination[0] == '\0';

	/* The null reverse-path is written <>. */
	struct view sender = e->sender.n == 0 ? view_of("<>") : e->sender;
	if ((q->sender[0] != '\0' && !control_glob(q->sender, sender)) ||
	    (q->older != -1 && age < q->older) ||
	    (q->younger != -1 && age >= q->younger))
		return false;
	for (unsigned i = 0; !any && i < e->rcpt_n; i++)
		any = rcpt_matches(q, &e->rcpt[i]);
	return any;
}
