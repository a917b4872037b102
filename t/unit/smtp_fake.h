#ifndef T_UNIT_SMTP_FAKE_H
#define T_UNIT_SMTP_FAKE_H
/*
 * An SMTP session without sockets and without the other roles: the client is a
 * list of pieces of input, each of which is there only when the session waits
 * for it; the other roles are the functions below.
 *
 * Users of example.org: alice, bob, carol (password: the name and "-pass"),
 * postmaster; busy, full, unsafe, gone, down, whose mailboxes are so; later,
 * who cannot be looked up; lost, who takes the role down.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/ask_auth.h"
#include "common/sasl_mech.h"
#include "common/buf.h"
#include "common/log.h"
#include "common/worker.h"
#include "smtpd/ask_lookup.h"
#include "smtpd/session.h"
#include "spool/ask_deliver.h"
#include "spool/ask_queue.h"

static struct {
	struct view in; /* not yet sent by the client */
	enum { BY_LINE, BY_OCTET, AT_ONCE, BY_MARK } mode;
	bool armed;	/* the session waits: the next piece may come */
	struct buf out; /* what the server wrote */
	unsigned writes, waits;
	unsigned stop_after; /* waits after which the server stops */
	bool tls;
	/* what was stored */
	unsigned delivered, queued;
	unsigned queued_rcpts;
	int queue_sock, spool_sock; /* on which channel it was asked */
	char id[QUEUE_ID_MAX], sender[ADDR_MAX + 1], rcpt[ADDR_MAX + 1];
	struct buf content;
	enum status queue_status, spool_status;
	FILE *spool;
	unsigned lookups, auths;
	unsigned terminals; /* that were to be written */
	bool too_many; /* messages: worker_message says no */
	char params[1200]; /* of MAIL, and of the first recipient */
} fake = { .out = { .max = 1 << 22 }, .content = { .max = 1 << 22 } };

static struct listener fake_listener;
static struct settings fake_settings;
static struct worker fake_worker;
static int fake_log = -1;

/* ---- the client ---- */

#define MARK "\036" /* BY_MARK: ends a piece, and is not sent */

static ssize_t
fake_read(struct conn *c, void *p, size_t n, short *events)
{
	size_t len = fake.in.n < n ? fake.in.n : n;
	const char *lf = len == 0 ? NULL : memchr(fake.in.p, '\n', len);

	(void)c;
	*events = 0;
	if (!fake.armed) {
		errno = EAGAIN;
		return -1;
	}
	fake.armed = false;
	if (fake.mode == BY_OCTET && len > 1)
		len = 1;
	const char *mark = len == 0 ? NULL : memchr(fake.in.p, MARK[0], len);
	if (fake.mode == BY_MARK && mark != NULL) {
		len = (size_t)(mark - fake.in.p);
		memcpy(p, fake.in.p, len);
		fake.in = (struct view){ mark + 1, fake.in.n - len - 1 };
		return (ssize_t)len;
	}
	if (fake.mode == BY_LINE && lf != NULL)
		len = (size_t)(lf - fake.in.p) + 1;
	if (len > 0)
		memcpy(p, fake.in.p, len);
	fake.in = (struct view){ fake.in.p + len, fake.in.n - len };
	return (ssize_t)len;
}

static ssize_t
fake_write(struct conn *c, const void *p, size_t n, short *events)
{
	(void)c;
	(void)events;
	fake.writes++;
	buf_add(&fake.out, p, n);
	return (ssize_t)n;
}

static bool
fake_pending(struct conn *c)
{
	(void)c;
	return false;
}

static void
fake_close(struct conn *c)
{
	(void)c;
}

static const struct conn_ops fake_ops = { fake_read, fake_write, fake_pending,
	fake_close };

/* ---- the worker and TLS ---- */

/* Called when the session waits for input. */
bool
worker_stop(void *worker)
{
	(void)worker;
	fake.armed = true;
	return fake.stop_after != 0 && ++fake.waits > fake.stop_after;
}

void
worker_announce(struct worker *w, const char *client, const char *port,
    const unsigned char key[16])
{
	(void)key;
	snprintf(w->client, sizeof(w->client), "%s", client);
	snprintf(w->client_port, sizeof(w->client_port), "%s", port);
}

bool
worker_message(struct worker *w)
{
	w->came = 9;
	return !fake.too_many;
}

void
worker_event(struct worker *w, enum worker_event e)
{
	(void)w;
	(void)e;
}

void
worker_login(struct worker *w, const char *user)
{
	(void)w;
	(void)user;
}

void
worker_title(struct worker *w, const char *what)
{
	(void)w;
	(void)what;
}

enum line_status
conn_starttls(struct conn *c, struct tls_server *tls, const char **why)
{
	(void)tls;
	*why = "refused by the test";
	conn_discard(c);
	fake.tls = true;
	return fake.in.n > 0 ? LINE_OK : LINE_EOF;
}

bool
conn_is_tls(const struct conn *c)
{
	(void)c;
	return fake.tls;
}

bool
conn_tls_info(const struct conn *c, struct tls_info *info)
{
	(void)c;
	*info = (struct tls_info){ "TLSv1.3", "TLS_AES_256_GCM_SHA384", 256 };
	return fake.tls;
}

/* ---- the other roles ---- */

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

/* ---- one session ---- */

static void
fake_start(void)
{
	static char hostname[] = "mail.example.org", empty[] = "",
		    nothing[] = "";
	int pipe_fd[2], log_fd[2], big = 1 << 20;

	if (fake_log != -1)
		return;
	/* Always readable, so that the session never really waits. */
	if (pipe(pipe_fd) != 0 || write(pipe_fd[1], "x", 1) != 1 ||
	    socketpair(AF_UNIX, SOCK_DGRAM, 0, log_fd) != 0)
		abort();
	setsockopt(log_fd[0], SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	fake_log = log_fd[1];
	log_open(log_fd[0], "smtpd");
	fake_settings = (struct settings){ .hostname = hostname,
		.secrets = empty,
		.tls_client_ca = empty,
		.sasl_mechanisms = 1u << SASL_PLAIN | 1u << SASL_LOGIN,
		.command_timeout = 300000,
		.session_timeout = 3600000,
		.data_timeout = 180000,
		.errors_max = 20,
		.helo_required = true,
		.auth_failures_max = 3,
		.message_size_max = 100000,
		.mails_per_session = 1000,
		.no_soliciting = nothing,
		.recipients_max = 100 };
	memset(&fake_worker, 0, sizeof(fake_worker));
	fake_worker.settings = &fake_settings;
	fake_worker.listener = &fake_listener;
	fake_worker.ctl = pipe_fd[0];
	fake_worker.slot = 7;
	strcpy(fake_worker.client, "192.0.2.1");
	for (int i = 0; i < ROLE__N; i++)
		fake_worker.chan[i] = -1;
}

/* Runs a session over input; what smtp_session_serve returned. */
static bool
fake_session(struct view input)
{
	fake_start();
	fake.in = input;
	fake.armed = fake.tls = false;
	fake.writes = fake.waits = fake.delivered = fake.queued = 0;
	fake.lookups = fake.auths = fake.queued_rcpts = 0;
	buf_clear(&fake.out);
	buf_clear(&fake.content);
	conn_open(&fake_worker.conn, -1);
	fake_worker.conn.ops = &fake_ops;
	fake_worker.conn.stop_fd = fake_worker.ctl;
	fake_worker.conn.stop = worker_stop;
	fake_worker.conn.stop_arg = &fake_worker;
	log_gather(true);
	bool again = smtp_session_serve(&fake_worker);
	log_gather(false);
	return again;
}

/* The log since the last call, as text: "tag: line\n" each. */
__attribute__((unused)) static const char *
fake_log_text(void)
{
	static char text[65536];
	char piece[16384];
	size_t n = 0;
	ssize_t r;

	while ((r = recv(fake_log, piece, sizeof(piece), MSG_DONTWAIT)) > 0) {
		char *p = piece, *end = piece + r;
		while (p < end) {
			size_t tag = strlen(p);
			char *lf = memchr(
			    p + tag + 1, '\n', (size_t)(end - p) - tag - 1);
			if (lf == NULL)
				abort();
			n += (size_t)snprintf(text + n, sizeof(text) - n,
			    "%s: %.*s\n", p + 1,
			    (int)(lf - p - (ssize_t)tag - 1), p + tag + 1);
			p = lf + 1;
		}
	}
	text[n] = '\0';
	return text;
}
#endif
