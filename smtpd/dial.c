/* Connecting to another host.  Runs in: sender. */
#define _GNU_SOURCE
#include "smtpd/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/msg.h"
#include "common/service.h"

/* Its length; both families have the octets of an address. */
static socklen_t
socket_address(const unsigned char address[ADDRESS_OCTETS], unsigned port,
    bool v4, struct sockaddr_storage *out)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)port) };

	memset(out, 0, sizeof(*out));
	memcpy(&in.sin_addr, address + 12, 4);
	memcpy(&in6.sin6_addr, address, ADDRESS_OCTETS);
	if (v4)
		memcpy(out, &in, sizeof(in));
	else
		memcpy(out, &in6, sizeof(in6));
	return v4 ? sizeof(in) : sizeof(in6);
}

static bool
bind_source(const struct settings *s, int sock, bool v4)
{
	const char *source = v4 ? s->relay_source4 : s->relay_source6;
	unsigned char octets[ADDRESS_OCTETS];
	struct sockaddr_storage ss;

	if (!address_read(view_of(source), octets))
		return true; /* none is set */
	socklen_t n = socket_address(octets, 0, v4, &ss);
	return bind(sock, (struct sockaddr *)&ss, n) == 0;
}

/* 0, or errno. */
static int
wait_connected(int sock, int64_t ms)
{
	struct pollfd p = { .fd = sock, .events = POLLOUT };
	int64_t until = now_ms() + ms;
	int n, e = 0;
	socklen_t len = sizeof(e);

	do {
		int64_t left = until - now_ms();
		n = left <= 0 ? 0 : poll(&p, 1, (int)left);
	} while (n == -1 && errno == EINTR);
	if (n == 0)
		return ETIMEDOUT;
	if (n == -1 || getsockopt(sock, SOL_SOCKET, SO_ERROR, &e, &len) == -1)
		return errno;
	return e;
}

int
dial(const struct settings *s, const unsigned char address[ADDRESS_OCTETS],
    unsigned port, char *why, size_t size)
{
	bool v4 = address[10] == 0xff && address[11] == 0xff;
	struct sockaddr_storage ss;
	socklen_t n = socket_address(address, port, v4, &ss);
	int sock = socket(v4 ? AF_INET : AF_INET6,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int e = 0;

	if (sock == -1 || !bind_source(s, sock, v4) ||
	    (connect(sock, (struct sockaddr *)&ss, n) == -1 &&
		errno != EINPROGRESS))
		e = errno;
	if (e == 0)
		e = wait_connected(sock, s->relay_connect_timeout);
	if (e == 0)
		return sock;
	snprintf(why, size, "%s", strerror(e));
	close_fd(&sock);
	return -1;
}
