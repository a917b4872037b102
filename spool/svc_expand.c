/*
 * What aliases lead to, for the queue.  Runs in: expand.
 *
 * It reads the administrator's files, lists among them that users may own, and
 * has no other right: its answers steer where the queue's mail goes, and
 * deliver looks for itself whether a command or a file stands in an alias.
 */
#include "spool/svc_expand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/service.h"
#include "spool/ask_expand.h"
#include "spool/expand.h"

static struct role *role;
static struct book book;
/* The list that was opened last, and for whom. */
static struct expansion list;
static uint64_t list_of;

static void
refresh(void)
{
	passdb_refresh(book.users);
	aliases_refresh(book.aliases, book.settings);
}

static void
put_found(struct msg *rp, const struct found *f)
{
	msg_put_u32(rp, f->kind);
	switch (f->kind) {
	case EXPAND_LOCAL:
		msg_put_str(rp, f->user.name);
		msg_put_str(rp, f->to);
		return;
	case EXPAND_LIST:
	case EXPAND_MOVED:
		msg_put_str(rp, f->to);
		break;
	default:
		msg_put_str(rp, f->why);
		break;
	}
	msg_put_str(rp, "");
}

static enum answer
answer_resolve(struct peer *p, struct msg *rq, struct msg *rp)
{
	char address[ADDR_MAX + 1];
	uint32_t n = msg_get_u32(rq);
	struct found f;

	(void)p;
	if (n == 0 || n > EXPAND_BATCH)
		return ANSWER_DROP;
	refresh();
	msg_put_u32(rp, n);
	for (uint32_t i = 0; i < n; i++) {
		if (!msg_get_str(rq, address, sizeof(address)))
			return ANSWER_DROP;
		expand_find(&book, address, &f);
		put_found(rp, &f);
	}
	return msg_done(rq) ? ANSWER : ANSWER_DROP;
}

static enum answer
answer_list_open(struct peer *p, struct msg *rq, struct msg *rp)
{
	char address[ADDR_MAX + 1];

	msg_get_str(rq, address, sizeof(address));
	if (!msg_done(rq))
		return ANSWER_DROP;
	refresh();
	free(p->state);
	p->state = strdup(address);
	if (p->state == NULL)
		return ANSWER_DROP;
	list_of = p->id;
	expand_list(&book, address, false, &list);
	bool good = list.kind == EXPAND_LIST;
	if (list.kind == EXPAND_ERROR || list.kind == EXPAND_LATER)
		log_warn("warning: <%s>: %s", address, list.why);
	msg_put_u32(rp, list.kind);
	msg_put_str(rp, list.why);
	msg_put_str(rp, list.kind == EXPAND_ERROR ? list.code : "");
	msg_put_str(rp, good ? list.owner : "");
	msg_put_str(rp, good ? list.key : "");
	msg_put_u32(rp, good ? list.n : 0);
	return ANSWER;
}

static enum answer
answer_list_page(struct peer *p, struct msg *rq, struct msg *rp)
{
	uint32_t first = msg_get_u32(rq), n = 0;
	struct alias_target t;
	size_t octets = 0;

	if (!msg_done(rq) || p->state == NULL)
		return ANSWER_DROP;
	/* Another channel has opened one meanwhile. */
	if (list_of != p->id) {
		list_of = p->id;
		expand_list(&book, p->state, true, &list);
	}
	while (list.kind == EXPAND_LIST && first + n < list.n &&
	       n < EXPAND_PAGE_MAX && octets < EXPAND_PAGE_OCTETS) {
		expansion_target(&list, first + n, &t);
		octets += strlen(t.text) + 8;
		n++;
	}
	msg_put_u32(rp, n);
	for (uint32_t i = 0; i < n; i++) {
		expansion_target(&list, first + i, &t);
		msg_put_u32(rp, t.kind);
		msg_put_str(rp, t.text);
	}
	return ANSWER;
}

#define ANY (BIT(EXPAND_RESOLVE) | BIT(EXPAND_LIST_OPEN))

static const struct request requests[] = {
	{ EXPAND_RESOLVE, 8, 4 + EXPAND_BATCH *(4 + ADDR_MAX), false, ANY,
	    answer_resolve, "resolve" },
	{ EXPAND_LIST_OPEN, 4, 4 + ADDR_MAX, false, ANY | BIT(EXPAND_LIST_PAGE),
	    answer_list_open, "list" },
	{ EXPAND_LIST_PAGE, 4, 4, false, ANY | BIT(EXPAND_LIST_PAGE),
	    answer_list_page, "list page" },
};

static void
gone(struct peer *p)
{
	free(p->state);
	p->state = NULL;
}

static const struct service service = {
	.name = "queue",
	.requests = requests,
	.n = NELEM(requests),
	.first = ANY,
	.gone = gone,
};

static void
add_asker(int sock, const struct intro *in)
{
	if (in->kind == INTRO_QUEUE)
		service_add(sock, &service, NULL);
	else
		close_fd(&sock);
}

static void
add_introducer(enum role_id from, int fd)
{
	if (from == ROLE_QUEUE)
		service_introductions(fd, add_asker);
	else
		close_fd(&fd);
}

/* With aliases that have a mistake, mail waits that may concern them. */
static struct aliases *
open_aliases(const struct settings *s)
{
	char *mistake = NULL;
	struct aliases *a = aliases_open(s, &mistake);

	if (mistake != NULL)
		log_error(
		    "error: %s; mail for names it may hold waits", mistake);
	free(mistake);
	return a;
}

/* What was in force stays so if something cannot be read any more. */
static void
new_settings(struct settings *s)
{
	char *err = NULL;
	struct passdb *users = passdb_open(s, false, &err);
	struct aliases *aliases = open_aliases(s);

	if (users == NULL)
		log_error("error: %s; the users read before stay in force",
		    err == NULL ? "out of memory" : err);
	free(err);
	if (aliases == NULL) {
		log_error("error: aliases: out of memory");
		passdb_free(users);
		settings_free(s);
		return;
	}
	if (users != NULL) {
		passdb_free(book.users);
		book.users = users;
	}
	list_of = 0;
	aliases_free(book.aliases);
	book.aliases = aliases;
	book.settings = s;
	settings_free(role->settings);
	role->settings = s;
}

/* The users, without hashes, are read while this is still root; aliases as
 * whoever will read them again. */
void
svc_expand_main(struct role *r)
{
	char *err = NULL;
	struct user u;

	role = r;
	expansion_init(&list);
	book.settings = r->settings;
	book.users = passdb_open(r->settings, false, &err);
	if (book.users == NULL)
		role_failed(r, "%s", err == NULL ? "out of memory" : err);
	priv_drop(r, ROLE_EXPAND, NULL);
	service_init();
	book.aliases = open_aliases(r->settings);
	if (book.aliases == NULL)
		role_failed(r, "aliases: out of memory");
	/* Has libc load and open whatever such a question takes. */
	(void)passdb_find(book.users, view_of("postmaster"), false, &u);
	sandbox_enter(r, ROLE_EXPAND);
	role_watch_master(r, add_introducer, new_settings);
	add_introducer(ROLE_QUEUE, r->peer[ROLE_QUEUE]);
	role_ready(r);
	service_run();
	log_flush();
	exit(0);
}
