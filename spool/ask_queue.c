/* Asking the queue to take a message.  Runs in: worker (smtpd). */
#include "spool/ask_queue.h"

#include <stdio.h>
#include <string.h>

#include "common/msg.h"

enum {
	WAIT = 60000,	      /* ms */
	COMMIT_WAIT = 540000, /* a client waits 10 minutes for the reply to its
			       * data (RFC 5321 4.5.3.2.6) */
	RCPT_ROOM = 2 * (ADDR_MAX + 4)
};

static struct msg m; /* too large for the stack */

int
ask_queue_spool(int sock, enum status *st)
{
	int fd = -1;

	*st = ERR_DOWN;
	msg_start(&m, QUEUE_SPOOL);
	if (!msg_call(sock, &m, WAIT))
		return -1;
	enum status said = status_unpack(msg_get_u32(&m));
	if (msg_done(&m) && (m.fd != -1) == (said == OK)) {
		*st = said;
		fd = m.fd;
		m.fd = -1;
	}
	msg_wipe(&m);
	return fd;
}

/* Sends m and reads its answer. */
static enum status
ask(int sock, int timeout, struct deposit *d)
{
	enum status st = ERR_DOWN;

	if (m.bad) {
		snprintf(d->text, sizeof(d->text), "too long for a request");
		return ERR_INVALID;
	}
	snprintf(d->text, sizeof(d->text), "the queue does not answer");
	if (!msg_call(sock, &m, timeout))
		return st;
	st = status_unpack(msg_get_u32(&m));
	if (!msg_get_str(&m, d->text, sizeof(d->text)) || !msg_done(&m) ||
	    m.fd != -1) {
		snprintf(d->text, sizeof(d->text),
		    "the queue's answer made no sense");
		st = ERR_DOWN;
	}
	msg_wipe(&m);
	return st;
}

static enum status
ask_begin(int sock, struct deposit *d)
{
	msg_start(&m, QUEUE_BEGIN);
	msg_put_str(&m, d->id);
	msg_put_str(&m, d->sender);
	msg_put_str(&m, d->client);
	msg_put_str(&m, d->helo);
	msg_put_str(&m, d->protocol);
	return ask(sock, WAIT, d);
}

/* As many recipients as fit into one request; *from moves on. */
static enum status
ask_rcpt(int sock, struct deposit *d, unsigned *from)
{
	unsigned n = d->rcpt_n - *from;
	unsigned fit = (MSG_DATA_MAX - 4) / RCPT_ROOM;

	if (n > fit)
		n = fit;
	msg_start(&m, QUEUE_RCPT);
	msg_put_u32(&m, n);
	for (unsigned i = *from; i < *from + n; i++) {
		msg_put_str(&m, d->rcpt[i].recipient);
		msg_put_str(&m, d->rcpt[i].original);
	}
	*from += n;
	return ask(sock, WAIT, d);
}

static enum status
ask_commit(int sock, struct deposit *d)
{
	struct view none = { NULL, 0 };

	msg_start(&m, QUEUE_COMMIT);
	msg_put_u32(&m, d->spooled);
	msg_put_u64(&m, d->spooled ? d->length : d->content.n);
	msg_put_view(&m, d->spooled ? none : d->content);
	return ask(sock, COMMIT_WAIT, d);
}

enum status
ask_queue_deposit(int sock, struct deposit *d)
{
	enum status st = ask_begin(sock, d);
	unsigned sent = 0;

	while (st == OK && sent < d->rcpt_n)
		st = ask_rcpt(sock, d, &sent);
	if (st == OK)
		st = ask_commit(sock, d);
	return st;
}
