/* Asking the queue to take a message.  Runs in: worker (smtpd). */
#include "spool/ask_queue.h"

#include <stdio.h>
#include <string.h>

#include "common/msg.h"
#include "spool/terminal_text.h"

enum {
	WAIT = 60000,	      /* ms */
	COMMIT_WAIT = 540000, /* a client waits 10 minutes for the reply to its
			       * data (RFC 5321 4.5.3.2.6) */
	RCPT_ROOM = 2 * (ADDR_MAX + 4),
	PARAMS_ROOM = 1024 + 4 /* ENVELOPE_PARAMS_MAX */
};

int
ask_queue_spool(int sock, enum status *st)
{
	int fd = -1;

	*st = ERR_DOWN;
	msg_start(&scratch, QUEUE_SPOOL);
	if (!msg_call(sock, &scratch, WAIT))
		return -1;
	enum status said = status_unpack(msg_get_u32(&scratch));
	if (msg_done(&scratch) && (scratch.fd != -1) == (said == OK)) {
		*st = said;
		fd = scratch.fd;
		scratch.fd = -1;
	}
	msg_wipe(&scratch);
	return fd;
}

/* Sends m and reads its answer. */
static enum status
ask(int sock, int timeout, struct deposit *d)
{
	enum status st = ERR_DOWN;

	if (scratch.bad) {
		snprintf(d->text, sizeof(d->text), "too long for a request");
		return ERR_INVALID;
	}
	snprintf(d->text, sizeof(d->text), "the queue does not answer");
	if (!msg_call(sock, &scratch, timeout))
		return st;
	st = status_unpack(msg_get_u32(&scratch));
	if (!msg_get_str(&scratch, d->text, sizeof(d->text)) ||
	    !msg_done(&scratch) || scratch.fd != -1) {
		snprintf(d->text, sizeof(d->text),
		    "the queue's answer made no sense");
		st = ERR_DOWN;
	}
	msg_wipe(&scratch);
	return st;
}

static enum status
ask_begin(int sock, struct deposit *d)
{
	msg_start(&scratch, QUEUE_BEGIN);
	msg_put_str(&scratch, d->id);
	msg_put_str(&scratch, d->sender);
	msg_put_str(&scratch, d->client);
	msg_put_str(&scratch, d->helo);
	msg_put_str(&scratch, d->protocol);
	if (d->params != NULL && d->params[0] != '\0')
		msg_put_str(&scratch, d->params);
	return ask(sock, WAIT, d);
}

static bool
has_params(const struct deposit *d)
{
	for (unsigned i = 0; i < d->rcpt_n; i++)
		if (d->rcpt[i].params != NULL)
			return true;
	return false;
}

/* As many recipients as fit into one request; *from moves on. */
static enum status
ask_rcpt(int sock, struct deposit *d, unsigned *from)
{
	unsigned n = d->rcpt_n - *from;
	bool params = has_params(d);
	unsigned fit =
	    (MSG_DATA_MAX - 4) / (RCPT_ROOM + (params ? PARAMS_ROOM : 0));

	if (n > fit)
		n = fit;
	msg_start(&scratch, params ? QUEUE_RCPT_PARAMS : QUEUE_RCPT);
	msg_put_u32(&scratch, n);
	for (unsigned i = *from; i < *from + n; i++) {
		msg_put_str(&scratch, d->rcpt[i].recipient);
		msg_put_str(&scratch, d->rcpt[i].original);
		if (params)
			msg_put_str(&scratch,
			    d->rcpt[i].params == NULL ? "" : d->rcpt[i].params);
	}
	*from += n;
	return ask(sock, WAIT, d);
}

static enum status
ask_commit(int sock, struct deposit *d)
{
	struct view none = { NULL, 0 };

	msg_start(&scratch, QUEUE_COMMIT);
	msg_put_u32(&scratch, d->spooled);
	msg_put_u64(&scratch, d->spooled ? d->length : d->content.n);
	msg_put_view(&scratch, d->spooled ? none : d->content);
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

static enum status
ask_about(int sock, uint32_t type, int client)
{
	char text[DELIVER_TEXT_MAX];
	enum status st = ERR_DOWN;

	msg_start(&scratch, type);
	scratch.fd = client;
	if (!msg_call_lent(sock, &scratch, WAIT))
		return st;
	st = status_unpack(msg_get_u32(&scratch));
	if (!msg_get_str(&scratch, text, sizeof(text)) || !msg_done(&scratch))
		st = ERR_DOWN;
	msg_wipe(&scratch);
	return st;
}

enum status
ask_queue_client(int sock, int client)
{
	return ask_about(sock, QUEUE_CLIENT, client);
}

enum status
ask_queue_local(int sock, int client)
{
	return ask_about(sock, QUEUE_LOCAL, client);
}

enum status
ask_queue_space(int sock, uint64_t size)
{
	struct deposit d;

	msg_start(&scratch, QUEUE_SPACE);
	msg_put_u64(&scratch, size);
	return ask(sock, WAIT, &d);
}

enum status
ask_queue_terminal(
    int sock, const char *recipient, const char *sender, struct view content)
{
	struct deposit d;

	if (content.n > TERMINAL_CONTENT)
		content.n = TERMINAL_CONTENT;
	msg_start(&scratch, QUEUE_TERMINAL);
	msg_put_str(&scratch, recipient);
	msg_put_str(&scratch, sender);
	msg_put_view(&scratch, content);
	return ask(sock, WAIT, &d);
}
