/*
 * sendmail -bs: SMTP on standard input and output, passed on as it is.
 * Runs in: sendmail.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/msg.h"
#include "spool/sendmail.h"

enum { PIECE = 16384 };

/* Octets on their way from one descriptor to another. */
struct pipe_way {
	int from, to;
	size_t at, n;
	bool ended; /* there is no more to read */
	char p[PIECE];
};

static bool
would_wait(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* Reads where there is room, writes what there is.  False: the way is
 * broken. */
static bool
move(struct pipe_way *w, const struct pollfd *from, const struct pollfd *to)
{
	if (w->n == 0 && !w->ended && from->revents != 0) {
		ssize_t n = read(w->from, w->p, sizeof(w->p));
		if (n == 0)
			w->ended = true;
		else if (n > 0)
			w->n = (size_t)n;
		else if (!would_wait())
			return false;
		w->at = 0;
		return true;
	}
	if (w->n > 0 && to->revents != 0) {
		ssize_t n = write(w->to, w->p + w->at, w->n);
		if (n == -1)
			return would_wait();
		w->at += (size_t)n;
		w->n -= (size_t)n;
	}
	return true;
}

/* Which end of the way is waited for. */
static void
want(const struct pipe_way *w, struct pollfd *from, struct pollfd *to)
{
	*from = (struct pollfd){ .fd = w->n == 0 && !w->ended ? w->from : -1,
		.events = POLLIN };
	*to = (struct pollfd){ .fd = w->n > 0 ? w->to : -1, .events = POLLOUT };
}

/* The server's word is the last: it ends when the server closes. */
static int
pass_on(int sock)
{
	static struct pipe_way in, out;
	bool told = false;

	in = (struct pipe_way){ .from = STDIN_FILENO, .to = sock };
	out = (struct pipe_way){ .from = sock, .to = STDOUT_FILENO };
	while (!out.ended || out.n > 0) {
		struct pollfd p[4];
		want(&in, &p[0], &p[1]);
		want(&out, &p[2], &p[3]);
		if (poll(p, 4, -1) == -1 && errno != EINTR)
			return EX_OSERR;
		if (!move(&out, &p[2], &p[3]))
			return EX_IOERR;
		if (!move(&in, &p[0], &p[1])) {
			in.n = 0; /* the server reads no more */
			in.ended = true;
		}
		if (in.ended && in.n == 0 && !told) {
			shutdown(sock, SHUT_WR);
			told = true;
		}
	}
	return EX_OK;
}

int
sendmail_smtp(const struct sendmail *m)
{
	int sock, rc = smtp_connect(m, &sock);

	/* A reply that nobody reads is not to keep the other way waiting. */
	if (rc == 0 && fcntl(sock, F_SETFL, O_NONBLOCK) == -1)
		rc = EX_OSERR;
	if (rc == 0)
		rc = pass_on(sock);
	close_fd(&sock);
	return rc;
}
