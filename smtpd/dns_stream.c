/* Questions to DNS servers by TCP.  Runs in: lookup, sender. */
#include "smtpd/dns_stream.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/msg.h"

bool
dns_stream_open(struct dns_stream *t, const struct dns_server *d,
    const unsigned char *query, size_t n)
{
	assert(n <= DNS_QUERY_MAX);
	*t = (struct dns_stream){ .sock = dns_servers_connect(d, SOCK_STREAM) };
	t->out[0] = (unsigned char)(n >> 8);
	t->out[1] = (unsigned char)n;
	memcpy(t->out + 2, query, n);
	t->out_n = n + 2;
	return t->sock != -1;
}

void
dns_stream_close(struct dns_stream *t)
{
	close_fd(&t->sock);
	free(t->in);
	t->in = NULL;
}

/* Has the call moved nothing, but may later? */
static bool
later(ssize_t n)
{
	return n == -1 && (errno == EAGAIN || errno == EINTR);
}

static enum dns_stream_is
go_write(struct dns_stream *t)
{
	while (t->sent < t->out_n) {
		ssize_t n = send(t->sock, t->out + t->sent, t->out_n - t->sent,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (later(n))
			return DNS_STREAM_WRITE;
		if (n <= 0)
			return DNS_STREAM_FAILED;
		t->sent += (size_t)n;
	}
	return DNS_STREAM_READ;
}

/* Reads at most what is missing of the n octets at p, of which have are there.
 */
static enum dns_stream_is
fill(struct dns_stream *t, unsigned char *p, size_t have, size_t n)
{
	while (have < n) {
		ssize_t r = recv(t->sock, p + have, n - have, MSG_DONTWAIT);
		if (later(r))
			return DNS_STREAM_READ;
		if (r <= 0)
			return DNS_STREAM_FAILED;
		have += (size_t)r;
		t->got += (size_t)r;
	}
	return DNS_STREAM_DONE;
}

enum dns_stream_is
dns_stream_go(struct dns_stream *t)
{
	enum dns_stream_is is = go_write(t);

	if (is != DNS_STREAM_READ)
		return is;
	if (t->got < sizeof(t->length)) {
		is = fill(t, t->length, t->got, sizeof(t->length));
		if (is != DNS_STREAM_DONE)
			return is;
	}
	if (t->in == NULL) {
		t->in_n = (size_t)t->length[0] << 8 | t->length[1];
		t->in = t->in_n == 0 ? NULL : malloc(t->in_n);
		if (t->in == NULL)
			return DNS_STREAM_FAILED;
	}
	return fill(t, t->in, t->got - sizeof(t->length), t->in_n);
}
