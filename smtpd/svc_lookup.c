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
#include "smtpd/lookup_client.h"
#include "smtpd/resolver.h"
#include "spool/recipient.h"

static struct role *role;
static struct passdb *users;

static enum rcpt_kind
kind_of(enum rcpt_resolved r)
{
	switch (r) {
	case RESOLVED_LOCAL:
		return RCPT_LOCAL;
	case RESOLVED_UNKNOWN:
		return RCPT_UNKNOWN;
	case RESOLVED_FOREIGN:
		return RCPT_FOREIGN;
	case RESOLVED_LATER:
		break;
	}
	return RCPT_LATER;
}

static enum answer
answer_lookup_rcpt(struct peer *p, struct msg *rq, struct msg *rp)
{
	char address[ADDR_MAX + 1], delivered_to[ADDR_MAX + 1];
	struct user u;

	(void)p;
	msg_get_str(rq, address, sizeof(address));
	if (!msg_done(rq))
		return ANSWER_DROP;
	passdb_refresh(users);
	enum rcpt_resolved r =
	    recipient_resolve(role->settings, users, address, &u, delivered_to);
	msg_put_u32(rp, kind_of(r));
	msg_put_str(rp, r == RESOLVED_LOCAL ? u.name : "");
	msg_put_str(rp, r == RESOLVED_LOCAL ? delivered_to : "");
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

static enum answer
answer_lookup_vrfy(struct peer *p, struct msg *rq, struct msg *rp)
{
	char address[ADDR_MAX + 1], mailbox[ADDR_MAX + 1];
	char name[LOOKUP_NAME_MAX];
	struct user u;

	(void)p;
	msg_get_str(rq, address, sizeof(address));
	if (!msg_done(rq))
		return ANSWER_DROP;
	passdb_refresh(users);
	enum rcpt_resolved r =
	    recipient_resolve(role->settings, users, address, &u, mailbox);
	full_name(&u, name, sizeof(name));
	msg_put_u32(rp, kind_of(r));
	msg_put_str(rp, r == RESOLVED_LOCAL ? name : "");
	msg_put_str(rp, r == RESOLVED_LOCAL ? mailbox : "");
	return ANSWER;
}

#define ANY (BIT(LOOKUP_RCPT) | BIT(LOOKUP_VRFY) | BIT(LOOKUP_CLIENT))

static const struct request requests[] = {
	{ LOOKUP_RCPT, 4, 4 + ADDR_MAX, false, ANY, answer_lookup_rcpt,
	    "recipient" },
	{ LOOKUP_VRFY, 4, 4 + ADDR_MAX, false, ANY, answer_lookup_vrfy,
	    "verify" },
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

/* What was in force stays so if the new users cannot be read any more. */
static void
new_settings(struct settings *s)
{
	char *err = NULL;
	struct passdb *db = passdb_open(s, false, &err);

	if (db == NULL) {
		log_error("error: %s; the users read before stay in force",
		    err == NULL ? "out of memory" : err);
		free(err);
	} else {
		passdb_free(users);
		users = db;
	}
	lookup_client_settings(s);
	settings_free(role->settings);
	role->settings = s;
}

bool
lookup_check(
    const struct settings *s, struct passdb *db, char *err, size_t size)
{
	if (recipient_postmaster_ok(s, db))
		return true;
	snprintf(err, size,
	    "postmaster %s: there is no such user, or it is uid 0, for whom "
	    "no file is written; name the user who reads postmaster's and "
	    "root's mail: postmaster USER",
	    s->postmaster);
	return false;
}

void
svc_lookup_main(struct role *r)
{
	char *err = NULL, why[512];

	role = r;
	users = passdb_open(r->settings, false, &err);
	if (users == NULL)
		role_failed(r, "%s", err == NULL ? "out of memory" : err);
	/* Also has libc load and open whatever such a question takes. */
	if (!lookup_check(r->settings, users, why, sizeof(why)))
		role_failed(r, "%s", why);
	lookup_client_settings(r->settings);
	resolver_init(r->settings);
	priv_drop(r, ROLE_LOOKUP, NULL);
	service_init();
	sandbox_enter(r, ROLE_LOOKUP);
	role_watch_master(r, add_introducer, new_settings);
	add_introducer(ROLE_POOL, r->peer[ROLE_POOL]);
	role_ready(r);
	service_run();
	log_flush();
	exit(0);
}
