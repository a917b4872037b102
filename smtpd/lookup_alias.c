/*
 * Who is that recipient, who has that name, who is in that list?
 * Runs in: lookup.
 */
#include "smtpd/lookup_alias.h"

#include <string.h>

#include "common/fold.h"
#include "smtpd/ask_lookup.h"
#include "spool/recipient.h"

enum { HOPS = 5, LIST_KEPT_MS = 10000, WORDS_MAX = 8 };

static struct book *book;
/* The list whose members were asked for last: its pages follow each other. */
static struct expansion list;
static char list_address[ADDR_MAX + 1];
static int64_t list_made;

void
lookup_alias_init(struct book *b)
{
	book = b;
	expansion_init(&list);
}

void
lookup_alias_forget(void)
{
	list_address[0] = '\0';
}

static void
refresh(void)
{
	passdb_refresh(book->users);
	aliases_refresh(book->aliases, book->settings);
}

static enum rcpt_kind
kind_of(enum expand_kind k)
{
	switch (k) {
	case EXPAND_LOCAL:
		return RCPT_LOCAL;
	case EXPAND_FOREIGN:
		return RCPT_FOREIGN;
	case EXPAND_UNKNOWN:
		return RCPT_UNKNOWN;
	case EXPAND_LIST:
		return RCPT_LIST;
	case EXPAND_MOVED:
		return RCPT_MOVED;
	default:
		return RCPT_LATER;
	}
}

/* Is that alias only another name of a user: bob.smith: bob? */
static bool
only_user(const struct found *alias, struct user *u)
{
	struct found f = *alias;
	struct alias_target t, second;
	const char *why;

	for (int i = 0; i < HOPS && f.kind == EXPAND_LIST; i++) {
		struct view v = f.entry.targets;
		if (target_next(&v, TARGETS_LIST, &t, &why) != 1 ||
		    target_next(&v, TARGETS_ALIAS, &second, &why) != 0)
			return false;
		expand_find(book, t.text, &f);
	}
	*u = f.user;
	return f.kind == EXPAND_LOCAL;
}

enum answer
answer_lookup_rcpt(struct peer *p, struct msg *rq, struct msg *rp)
{
	char address[ADDR_MAX + 1];
	struct found f;

	(void)p;
	msg_get_str(rq, address, sizeof(address));
	if (!msg_done(rq))
		return ANSWER_DROP;
	refresh();
	expand_find(book, address, &f);
	bool here = f.kind == EXPAND_LOCAL || f.kind == EXPAND_LIST;
	if (f.kind == EXPAND_LIST && !only_user(&f, &f.user))
		f.user.name[0] = '\0';
	msg_put_u32(rp, kind_of(f.kind));
	msg_put_str(rp, here ? f.user.name : "");
	msg_put_str(rp, here ? f.to : "");
	msg_put_str(rp, f.kind == EXPAND_MOVED ? f.to : f.forward);
	msg_put_u64(rp, f.kind == EXPAND_LOCAL
			    ? recipient_room(book->settings, &f.user)
			    : UINT64_MAX);
	return ANSWER;
}

/* gecos up to the first comma, '&' being the login's name, as finger(1) has
 * it. */
static void
full_name(const struct user *u, char *out, size_t size)
{
	size_t n = 0;

	for (const char *c = u->gecos; *c != '\0' && *c != ','; c++) {
		const char *part = *c == '&' ? u->name : c;
		size_t k = *c == '&' ? strlen(u->name) : 1;
		for (size_t i = 0; i < k && n + 1 < size; i++)
			out[n++] = part[i];
	}
	out[n] = '\0';
}

enum answer
answer_lookup_vrfy(struct peer *p, struct msg *rq, struct msg *rp)
{
	char address[ADDR_MAX + 1], name[LOOKUP_NAME_MAX];
	struct found f;

	(void)p;
	msg_get_str(rq, address, sizeof(address));
	if (!msg_done(rq))
		return ANSWER_DROP;
	refresh();
	expand_find(book, address, &f);
	bool here = f.kind == EXPAND_LOCAL || f.kind == EXPAND_LIST;
	full_name(&f.user, name, sizeof(name));
	msg_put_u32(rp, kind_of(f.kind));
	msg_put_str(rp, f.kind == EXPAND_LOCAL ? name : "");
	msg_put_str(rp, here ? f.to : "");
	msg_put_str(rp, f.kind == EXPAND_MOVED ? f.to : f.forward);
	return ANSWER;
}

/* ---- people ---- */

struct people {
	struct view word[WORDS_MAX];
	unsigned words, n;
	struct msg *rp;
};

static bool
has_word(struct view name, struct view word)
{
	while (name.n > 0)
		if (fold_same(view_token(&name), word, true))
			return true;
	return false;
}

static bool
see_user(void *arg, const struct user *u)
{
	struct people *p = arg;
	char name[LOOKUP_NAME_MAX], to[ADDR_MAX + 1];
	struct user found;

	full_name(u, name, sizeof(name));
	for (unsigned i = 0; i < p->words; i++)
		if (!has_word(view_of(name), p->word[i]))
			return true;
	/* Only whom mail reaches under that name. */
	if (recipient_resolve(book->settings, book->users, u->name, &found,
		to) != RESOLVED_LOCAL)
		return true;
	msg_put_str(p->rp, name);
	msg_put_str(p->rp, to);
	return ++p->n < LOOKUP_PEOPLE_MAX;
}

enum answer
answer_lookup_people(struct peer *peer, struct msg *rq, struct msg *rp)
{
	struct view text = msg_get_view(rq, LOOKUP_NAME_MAX);
	struct people p = { .rp = rp };

	(void)peer;
	if (!msg_done(rq))
		return ANSWER_DROP;
	while (text.n > 0 && p.words < WORDS_MAX) {
		p.word[p.words] = view_token(&text);
		p.words += p.word[p.words].n > 0;
	}
	refresh();
	uint32_t at = rp->len;
	msg_put_u32(rp, 0);
	if (p.words > 0 && text.n == 0)
		passdb_each(book->users, see_user, &p);
	memcpy(rp->data + at, &p.n, sizeof(p.n));
	return ANSWER;
}

/* ---- members ---- */

static void
put_member(struct msg *rp, const struct alias_target *t)
{
	char name[LOOKUP_NAME_MAX] = "";
	struct found f;

	if (t->kind != TARGET_ADDRESS && t->kind != TARGET_USER) {
		msg_put_str(rp, "");
		msg_put_str(rp, list_address);
		return;
	}
	expand_find(book, t->text, &f);
	if (f.kind == EXPAND_LOCAL)
		full_name(&f.user, name, sizeof(name));
	msg_put_str(rp, name);
	msg_put_str(rp, t->text);
}

static void
make_list(const char *address)
{
	struct found f;

	expand_find(book, address, &f);
	expand_list(book, address, true, &list);
	view_copy(view_of(list.kind == EXPAND_LIST ? f.to : ""), list_address,
	    sizeof(list_address));
	list_made = now_ms();
}

enum answer
answer_lookup_members(struct peer *p, struct msg *rq, struct msg *rp)
{
	static char asked[ADDR_MAX + 1];
	char address[ADDR_MAX + 1];
	struct alias_target t;

	(void)p;
	msg_get_str(rq, address, sizeof(address));
	uint32_t first = msg_get_u32(rq);
	if (!msg_done(rq))
		return ANSWER_DROP;
	if (first == 0 || list_address[0] == '\0' ||
	    strcmp(asked, address) != 0 ||
	    now_ms() - list_made > LIST_KEPT_MS) {
		refresh();
		make_list(address);
		memcpy(asked, address, sizeof(asked));
	}
	uint32_t n = 0;
	if (list.kind == EXPAND_LIST && first < list.n)
		n = list.n - first;
	if (n > LOOKUP_MEMBERS_MAX)
		n = LOOKUP_MEMBERS_MAX;
	msg_put_u32(rp, kind_of(list.kind));
	msg_put_u32(rp, n);
	for (uint32_t i = 0; i < n; i++) {
		expansion_target(&list, first + i, &t);
		put_member(rp, &t);
	}
	return ANSWER;
}
