#ifndef T_UNIT_SMTP_FAKE_ROLES_H
#define T_UNIT_SMTP_FAKE_ROLES_H
/*
 * The other roles of smtp_fake.h's session, which includes this.
 *
 * Users of example.org: alice, bob, carol (password: the name and "-pass"),
 * postmaster; busy, full, unsafe, gone, down, whose mailboxes are so; later,
 * who cannot be looked up; lost, who takes the role down.
 */

bool
ask_lookup_rcpt(int sock, const char *address, struct rcpt_answer *a)
{
	static const char *const users[] = { "alice", "bob", "carol",
		"postmaster", "j\xc3\xb6rg", "busy", "full", "unsafe", "gone", "down" };
	struct address addr;

	(void)sock;
	fake.lookups++;
	memset(a, 0, sizeof(*a));
	a->kind = RCPT_LATER;
	a->room = UINT64_MAX;
	if (address_parse_utf8(view_of(address), &addr) != ADDR_OK ||
	    strcmp(addr.local, "lost") == 0)
		return false;
	if (strcmp(addr.local, "later") == 0)
		return true;
	a->kind =
	    addr.domain[0] == '\0' || strcmp(addr.domain, "example.org") == 0
		? RCPT_UNKNOWN
		: RCPT_FOREIGN;
	if (a->kind == RCPT_UNKNOWN &&
	    (view_caseeqs(view_of(addr.local), "staff") ||
		view_caseeqs(view_of(addr.local), "nobody-list") ||
		view_caseeqs(view_of(addr.local), "sent-on"))) {
		a->kind = RCPT_LIST;
		snprintf(a->delivered_to, sizeof(a->delivered_to),
		    "%s@example.org", addr.local);
		if (addr.local[1] == 'e')
			strcpy(a->moved, "bob@elsewhere.example");
	}
	if (a->kind == RCPT_UNKNOWN &&
	    view_caseeqs(view_of(addr.local), "moved")) {
		a->kind = RCPT_MOVED;
		strcpy(a->moved, "bob@elsewhere.example");
	}
	for (size_t i = 0; i < NELEM(users); i++) {
		if (a->kind != RCPT_UNKNOWN ||
		    !view_caseeqs(view_of(addr.local), users[i]))
			continue;
		a->kind = RCPT_LOCAL;
		snprintf(a->user, sizeof(a->user), "%s", users[i]);
		snprintf(a->delivered_to, sizeof(a->delivered_to),
		    "%s@example.org", users[i]);
		break;
	}
	return true;
}

/* 192.0.2.25 is on a list, 192.0.2.26 has no name, DNS cannot tell that of
 * 192.0.2.27. */
bool
ask_lookup_client(int sock, const char *address, struct client_answer *a)
{
	(void)sock;
	memset(a, 0, sizeof(*a));
	a->kind = strcmp(address, "192.0.2.26") == 0   ? CLIENT_NAMELESS
		  : strcmp(address, "192.0.2.27") == 0 ? CLIENT_LATER
						       : CLIENT_NAMED;
	if (a->kind == CLIENT_NAMED)
		strcpy(a->name, "client.example.net");
	if (strcmp(address, "192.0.2.25") == 0)
		strcpy(a->listed, "bl.example.net");
	return true;
}

bool
ask_lookup_vrfy(int sock, const char *address, struct vrfy_answer *a)
{
	struct rcpt_answer r;
	bool good = ask_lookup_rcpt(sock, address, &r);

	memset(a, 0, sizeof(*a));
	a->kind = r.kind;
	if (r.kind == RCPT_LOCAL) {
		snprintf(a->name, sizeof(a->name), "Mr %s", r.user);
		snprintf(a->address, sizeof(a->address), "%s", r.delivered_to);
	}
	if (r.kind == RCPT_LIST)
		strcpy(a->address, r.delivered_to);
	strcpy(a->moved, r.moved);
	return good;
}

/* Two people are called Smith; one of them Ann. */
bool
ask_lookup_people(int sock, struct view text, struct person *a, unsigned *n)
{
	(void)sock;
	fake.lookups++;
	*n = 0;
	if (view_caseeqs(text, "smith")) {
		*n = 2;
		a[0] = (struct person){ "Ann Smith", "alice@example.org" };
		a[1] = (struct person){ "Bob \"x\" Smith", "bob@example.org" };
	} else if (view_caseeqs(text, "ann smith")) {
		*n = 1;
		a[0] = (struct person){ "Ann Smith", "alice@example.org" };
	}
	return true;
}

/* The list "staff" has one member more than an answer holds. */
bool
ask_lookup_members(int sock, const char *address, unsigned first,
    enum rcpt_kind *kind, struct person *a, unsigned *n)
{
	unsigned all =
	    view_casestarts(view_of(address), "staff") ? LOOKUP_MEMBERS_MAX + 1
						       : 0;

	(void)sock;
	fake.lookups++;
	*kind = RCPT_LIST;
	for (*n = 0; *n < LOOKUP_MEMBERS_MAX && first + *n < all; (*n)++) {
		a[*n].name[0] = '\0';
		snprintf(a[*n].address, sizeof(a[*n].address),
		    "m%u@example.org", first + *n);
	}
	return true;
}

static void
fake_keep(const char *id, const char *sender, const char *rcpt)
{
	snprintf(fake.id, sizeof(fake.id), "%s", id);
	snprintf(fake.sender, sizeof(fake.sender), "%s", sender);
	snprintf(fake.rcpt, sizeof(fake.rcpt), "%s", rcpt);
	buf_clear(&fake.content);
}

/* Reads length octets of the file; nothing if it has fewer. */
static void
fake_keep_file(int fd, uint64_t length)
{
	char piece[4096];
	uint64_t at = 0;
	ssize_t n;

	while ((n = pread(fd, piece, sizeof(piece), (off_t)at)) > 0) {
		buf_add(&fake.content, piece, (size_t)n);
		at += (uint64_t)n;
	}
	if (at != length)
		buf_clear(&fake.content);
}

void
ask_deliver(int sock, struct delivery *d)
{
	static const struct {
		const char *user;
		enum status st;
	} bad[] = { { "busy", ERR_BUSY }, { "full", ERR_QUOTA },
		{ "unsafe", ERR_UNSAFE }, { "gone", ERR_GONE },
		{ "down", ERR_DOWN } };

	(void)sock;
	d->status = OK;
	for (size_t i = 0; i < NELEM(bad); i++)
		if (view_casestarts(view_of(d->recipient), bad[i].user))
			d->status = bad[i].st;
	if (d->status != OK)
		return;
	fake.delivered++;
	fake_keep(d->id, d->sender, d->original);
	if (d->file == -1)
		buf_addv(&fake.content, d->content);
	else
		fake_keep_file(d->file, d->length);
}

int
ask_queue_spool(int sock, enum status *st)
{
	fake.spool_sock = sock;
	*st = fake.spool_status;
	if (*st != OK)
		return -1;
	if (fake.spool != NULL)
		fclose(fake.spool);
	fake.spool = tmpfile();
	return fake.spool == NULL ? -1 : dup(fileno(fake.spool));
}

enum status
ask_queue_space(int sock, uint64_t size)
{
	(void)sock;
	(void)size;
	return OK;
}

enum status
ask_queue_deposit(int sock, struct deposit *d)
{
	fake.queue_sock = sock;
	if (fake.queue_status != OK)
		return fake.queue_status;
	fake.queued++;
	fake.queued_rcpts = d->rcpt_n;
	fake_keep(d->id, d->sender, d->rcpt[0].recipient);
	snprintf(fake.params, sizeof(fake.params), "%s|%s",
	    d->params == NULL ? "" : d->params,
	    d->rcpt[0].params == NULL ? "" : d->rcpt[0].params);
	if (!d->spooled)
		buf_addv(&fake.content, d->content);
	else
		fake_keep_file(fileno(fake.spool), d->length);
	return OK;
}

/* bob is active, nobody else. */
enum status
ask_queue_terminal(int sock, const char *recipient, const char *sender,
    struct view content)
{
	(void)sock;
	(void)sender;
	fake.terminals += content.n > 0;
	return view_casestarts(view_of(recipient), "bob") ? OK : ERR_GONE;
}

enum status
ask_queue_client(int sock, int client)
{
	(void)sock;
	(void)client;
	return OK;
}

enum status
ask_queue_local(int sock, int client)
{
	(void)sock;
	(void)client;
	return OK;
}

enum auth_result
ask_auth_password(const struct auth_client *c, struct view user,
    struct view pass, const char *mechanism, char *user_out,
    size_t user_out_size, int *right)
{
	char want[300];

	(void)c;
	(void)mechanism;
	fake.auths++;
	*right = -1;
	user_out[0] = '\0';
	if (view_eqs(user, "later"))
		return AUTH_LATER;
	snprintf(want, sizeof(want), "%.*s-pass", (int)user.n, user.p);
	if (!view_eqs(pass, want))
		return AUTH_NO;
	view_copy(user, user_out, user_out_size);
	*right = dup(2);
	return AUTH_YES;
}

#define FAKE_RIGHT dup(2)
#include "t/unit/fake_exchange.h"
#endif
