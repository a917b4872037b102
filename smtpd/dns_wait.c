/* Questions to DNS servers that are waited for.  Runs in: sender. */
#define _GNU_SOURCE
#include "smtpd/dns_wait.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "common/msg.h"
#include "common/service.h"
#include "smtpd/dns_servers.h"
#include "smtpd/dns_stream.h"

enum {
	TRY_MS = 3000,	/* for one server's answer */
	TRIES = 3,	/* over all servers */
	TCP_MS = 10000, /* for the whole exchange */
	ALIASES_MAX = 8,
	MESSAGE_MAX = 65535
};

static struct dns_server servers[DNS_SERVERS_MAX];
static unsigned server_n;
static unsigned char message[MESSAGE_MAX];

struct question {
	const char *name;
	enum dns_type type;
	unsigned id;
	unsigned char octets[DNS_QUERY_MAX];
	size_t n;
};

void
dns_wait_init(const struct settings *s)
{
	server_n = dns_servers_find(s, servers);
}

static bool
wait_for(int sock, short events, int64_t until)
{
	struct pollfd p = { .fd = sock, .events = events };
	int n;

	do {
		int64_t left = until - now_ms();
		if (left <= 0)
			return false;
		n = poll(&p, 1, (int)left);
	} while (n == -1 && errno == EINTR);
	return n == 1;
}

static enum dns_result
by_udp(const struct dns_server *d, const struct question *q,
    struct dns_answer *out)
{
	int sock = dns_servers_connect(d, SOCK_DGRAM);
	enum dns_result r = DNS_FAILED;
	int64_t until = now_ms() + TRY_MS;

	if (sock == -1 ||
	    send(sock, q->octets, q->n, MSG_NOSIGNAL) != (ssize_t)q->n)
		goto out;
	do {
		if (!wait_for(sock, POLLIN, until))
			goto out;
		ssize_t n = recv(sock, message, sizeof(message), MSG_DONTWAIT);
		if (n == -1 && errno != EAGAIN)
			goto out; /* nobody listens there */
		r = n < 0 ? DNS_FOREIGN
			  : dns_parse(message, (size_t)n, q->id, q->name,
				q->type, out);
	} while (r == DNS_FOREIGN);
out:
	close_fd(&sock);
	return r == DNS_FOREIGN ? DNS_FAILED : r;
}

static enum dns_result
by_tcp(const struct dns_server *d, const struct question *q,
    struct dns_answer *out)
{
	struct dns_stream t;
	enum dns_stream_is is = DNS_STREAM_FAILED;
	enum dns_result r = DNS_FAILED;
	int64_t until = now_ms() + TCP_MS;

	if (dns_stream_open(&t, d, q->octets, q->n))
		is = dns_stream_go(&t);
	while (is == DNS_STREAM_WRITE || is == DNS_STREAM_READ)
		is = wait_for(t.sock, is == DNS_STREAM_WRITE ? POLLOUT : POLLIN,
			 until)
			 ? dns_stream_go(&t)
			 : DNS_STREAM_FAILED;
	if (is == DNS_STREAM_DONE) {
		/* What out points to must last. */
		memcpy(message, t.in, t.in_n);
		r = dns_parse(message, t.in_n, q->id, q->name, q->type, out);
	}
	dns_stream_close(&t);
	return r == DNS_FOREIGN ? DNS_FAILED : r;
}

static enum dns_result
ask(const char *name, enum dns_type type, struct dns_answer *out)
{
	struct question q = { .name = name, .type = type };
	enum dns_result r = DNS_FAILED;
	uint16_t id;

	for (unsigned i = 0; i < TRIES && r == DNS_FAILED; i++) {
		const struct dns_server *d = &servers[i % server_n];
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			break;
		q.id = id;
		q.n = dns_query(q.octets, id, name, type);
		if (q.n == 0)
			return DNS_NONE; /* no name of the DNS */
		memset(out, 0, sizeof(*out));
		r = by_udp(d, &q, out);
		if (out->cut)
			r = by_tcp(d, &q, out);
	}
	return r;
}

enum dns_result
dns_wait(const char *name, enum dns_type type, struct dns_answer *out)
{
	char at[DNS_NAME_MAX];
	bool authentic = true;
	enum dns_result r = DNS_NONE;

	if (!view_copy(view_of(name), at, sizeof(at))) {
		memset(out, 0, sizeof(*out));
		return DNS_NONE;
	}
	for (int i = 0; i <= ALIASES_MAX; i++) {
		r = ask(at, type, out);
		out->authentic = authentic = authentic && out->authentic;
		if (r != DNS_NONE || out->alias[0] == '\0')
			return r;
		memcpy(at, out->alias, sizeof(at));
	}
	return DNS_FAILED;
}
