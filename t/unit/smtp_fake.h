#ifndef T_UNIT_SMTP_FAKE_H
#define T_UNIT_SMTP_FAKE_H
/*
 * An SMTP session without sockets and without the other roles: the client is a
 * list of pieces of input, each of which is there only when the session waits
 * for it; the other roles are functions (smtp_fake_roles.h).
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

#include "t/unit/smtp_fake_roles.h"

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

/* How often `what` stands in it. */
__attribute__((unused)) static unsigned
count(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, what)) != NULL; p++)
		n++;
	return n;
}
#endif
