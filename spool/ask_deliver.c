/* Asking for one message to be put into one mailbox.  Runs in: worker (smtpd)
 * and queue. */
#include "spool/ask_deliver.h"

#include <assert.h>
#include <stdio.h>
#include <sys/socket.h>

#include "common/msg.h"

enum {
	OPEN_WAIT = 60000,    /* ms; a user database may be slow */
	APPEND_WAIT = 540000, /* ms; a client waits 10 minutes for the reply
			       * to its data (RFC 5321 4.5.3.2.6) */
	OPEN_TRIES = 3	      /* of a mailbox that is replaced meanwhile */
};

static void
failed(struct delivery *d, enum status st, const char *text)
{
	d->status = st;
	snprintf(d->text, sizeof(d->text), "%s", text);
}

void
deliver_put_open(struct msg *m, const struct delivery *d)
{
	msg_start(m, DELIVER_OPEN);
	msg_put_str(m, d->recipient);
}

int
deliver_got_open(struct msg *m, struct delivery *d)
{
	int fd = -1;

	d->status = status_unpack(msg_get_u32(m));
	msg_get_str(m, d->user, sizeof(d->user));
	msg_get_str(m, d->text, sizeof(d->text));
	if (!msg_done(m) || (m->fd != -1) != (d->status == OK)) {
		failed(d, ERR_DOWN, "deliver's answer made no sense");
	} else {
		fd = m->fd;
		m->fd = -1;
	}
	close_fd(&m->fd);
	return fd;
}

void
deliver_put_append(struct msg *m, const struct delivery *d)
{
	assert(d->file != -1 || d->content.n <= MSG_INLINE_MAX);
	msg_start(m, d->file != -1 ? APPEND_FILE : APPEND_INLINE);
	msg_put_str(m, d->id);
	msg_put_str(m, d->sender);
	msg_put_str(m, d->original);
	if (d->file != -1) {
		msg_put_u64(m, d->offset);
		msg_put_u64(m, d->length);
		m->fd = d->file;
	} else {
		msg_put_view(m, d->content);
	}
}

void
deliver_got_append(struct msg *m, struct delivery *d)
{
	d->status = status_unpack(msg_get_u32(m));
	msg_get_str(m, d->text, sizeof(d->text));
	if (!msg_done(m) || m->fd != -1)
		failed(d, ERR_DOWN, "append's answer made no sense");
	close_fd(&m->fd);
}

static void
try_once(int sock, struct delivery *d)
{
	deliver_put_open(&scratch, d);
	if (!msg_call(sock, &scratch, OPEN_WAIT)) {
		shutdown(sock, SHUT_RDWR);
		failed(d, ERR_DOWN, "no answer from deliver");
		return;
	}
	int fd = deliver_got_open(&scratch, d);
	if (fd == -1)
		return;
	deliver_put_append(&scratch, d);
	if (msg_call_lent(fd, &scratch, APPEND_WAIT))
		deliver_got_append(&scratch, d);
	else
		failed(d, ERR_DOWN, "no answer from append");
	msg_wipe(&scratch);
	close_fd(&fd);
}

void
ask_deliver(int sock, struct delivery *d)
{
	int tries = 0;

	d->user[0] = '\0';
	do
		try_once(sock, d);
	while (d->status == ERR_CHANGED && ++tries < OPEN_TRIES);
}
