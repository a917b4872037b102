/*
 * Who is that recipient?  Runs in: lookup.
 *
 * The names of the users file are read, without hashes, while this is still
 * root; system users are asked for later, as anybody may.  A changed users file
 * is read again if its mode lets this role's group do so; otherwise that waits
 * for a reload, and until then deliver, which reads the file itself, knows a
 * new user earlier than we do.
 */
#include "smtpd/svc_lookup.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/service.h"
#include "smtpd/ask_lookup.h"
#include "smtpd/lookup_alias.h"
#include "smtpd/lookup_client.h"
#include "smtpd/resolver.h"
#include "spool/expand.h"
#include "spool/recipient.h"

static struct role *role;
static struct book book;

#define ANY                                                                    \
	(BIT(LOOKUP_RCPT) | BIT(LOOKUP_VRFY) | BIT(LOOKUP_CLIENT) |            \
	    BIT(LOOKUP_PEOPLE) | BIT(LOOKUP_MEMBERS))

static const struct request requests[] = {
	{ LOOKUP_RCPT, 4, 4 + ADDR_MAX, false, ANY, answer_lookup_rcpt,
	    "recipient" },
	{ LOOKUP_VRFY, 4, 4 + ADDR_MAX, false, ANY, answer_lookup_vrfy,
	    "verify" },
	{ LOOKUP_PEOPLE, 4, 4 + LOOKUP_NAME_MAX, false, ANY,
	    answer_lookup_people, "people" },
	{ LOOKUP_MEMBERS, 8, 8 + ADDR_MAX, false, ANY, answer_lookup_members,
	    "members" },
	{ LOOKUP_CLIENT, 4, 4 + ADDRESS_TEXT, false, ANY, answer_lookup_client,
	    "client" },
};
static const struct service service = {
	.name = "worker",
	.requests = requests,
	.n = NELEM(requests),
	.first = ANY,
};

static void
add_asker(int sock, const struct intro *in)
{
	if (in->kind == INTRO_WORKER)
		service_add(sock, &service, NULL);
	else
		close(sock);
}

static void
add_introducer(enum role_id from, int fd)
{
	if (from == ROLE_POOL)
		service_introductions(fd, add_asker);
	else
		close_fd(&fd);
}

/* What was in force stays so if the new users or aliases cannot be read. */
static void
new_settings(struct settings *s)
{
	char *err = NULL, *mistake = NULL;
	struct passdb *users = passdb_open(s, false, &err);
	struct aliases *aliases = aliases_open(s, &mistake);

	if (users == NULL)
		log_error("error: %s; the users read before stay in force",
		    err == NULL ? "out of memory" : err);
	if (mistake != NULL)
		log_error(
		    "error: %s; mail for names it may hold waits", mistake);
	if (users != NULL) {
		passdb_free(book.users);
		book.users = users;
	}
	if (aliases != NULL) {
		aliases_free(book.aliases);
		book.aliases = aliases;
	}
	free(err);
	free(mistake);
	lookup_alias_forget();
	lookup_client_settings(s);
	book.settings = s;
	settings_free(role->settings);
	role->settings = s;
}

/* RFC 5321 4.5.1: does an alias lead to somebody? */
static bool
postmaster_alias(const struct book *b)
{
	struct expansion *x = calloc(1, sizeof(*x));
	bool good = false;

	if (x == NULL)
		return false;
	expansion_init(x);
	expand_list(b, "postmaster", true, x);
	/* A list that cannot be read now may be later. */
	good = x->kind == EXPAND_LIST ? x->unknown < x->n
				      : x->kind == EXPAND_LATER && x->key[0];
	expansion_free(x);
	free(x);
	return good;
}

static bool
postmaster_check(const struct book *b, char *err, size_t size)
{
	if (recipient_postmaster_ok(b->settings, b->users) ||
	    postmaster_alias(b))
		return true;
	snprintf(err, size,
	    "postmaster %s: there is no such user, or it is uid 0, for whom "
	    "no file is written; name the user who reads postmaster's and "
	    "root's mail: postmaster USER, or an alias: root: USER",
	    b->settings->postmaster);
	return false;
}

bool
lookup_check(
    const struct settings *s, struct passdb *db, char *err, size_t size)
{
	char *mistake = NULL;
	struct book b = { s, db, aliases_open(s, &mistake) };
	bool good = b.aliases != NULL && mistake == NULL;

	if (!good)
		snprintf(err, size, "%s",
		    mistake == NULL ? "out of memory" : mistake);
	good = good && postmaster_check(&b, err, size);
	aliases_free(b.aliases);
	free(mistake);
	return good;
}

/* Has libc load and open whatever such a question takes. */
static void
open_book(struct role *r)
{
	char *err = NULL, why[512];

	book.settings = r->settings;
	book.users = passdb_open(r->settings, false, &err);
	if (book.users == NULL)
		role_failed(r, "%s", err == NULL ? "out of memory" : err);
	if (!lookup_check(r->settings, book.users, why, sizeof(why)))
		role_failed(r, "%s", why);
}

void
svc_lookup_main(struct role *r)
{
	char *mistake = NULL;

	role = r;
	open_book(r);
	lookup_client_settings(r->settings);
	resolver_init(r->settings);
	priv_drop(r, ROLE_LOOKUP, NULL);
	/* As whoever will read them again. */
	book.aliases = aliases_open(r->settings, &mistake);
	if (book.aliases == NULL || mistake != NULL)
		role_failed(
		    r, "%s", mistake == NULL ? "out of memory" : mistake);
	lookup_alias_init(&book);
	service_init();
	sandbox_enter(r, ROLE_LOOKUP);
	role_watch_master(r, add_introducer, new_settings);
	add_introducer(ROLE_POOL, r->peer[ROLE_POOL]);
	role_ready(r);
	service_run();
	log_flush();
	exit(0);
}
