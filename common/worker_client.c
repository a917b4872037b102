/*
 * Who is the client?  Runs in: worker.
 *
 * An internet socket has an address.  At a Unix socket the kernel says which
 * user is at the other end.  On a listener with "proxy" a trusted proxy says
 * whose connection it is passing on, before the client's first octet: that goes
 * into logs and limits, and gives no right.
 */
#define _GNU_SOURCE
#include "common/worker_client.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/log.h"
#include "common/network.h"
#include "common/proxy.h"

enum { PROXY_TIMEOUT = 5000 }; /* ms: it is sent with the connection */

/* As 16 octets, IPv4 mapped, and as text. */
static void
describe(const struct sockaddr_storage *a, unsigned char raw[ADDRESS_OCTETS],
    char text[ADDRESS_TEXT], char port[8])
{
	const struct sockaddr_in *in = (const void *)a;
	const struct sockaddr_in6 *in6 = (const void *)a;
	bool internet = address_of(a, raw);

	snprintf(text, ADDRESS_TEXT, "unknown");
	if (internet)
		address_text(raw, text);
	snprintf(port, 8, "%u",
	    !internet ? 0u
		      : ntohs(a->ss_family == AF_INET ? in->sin_port
						      : in6->sin6_port));
}

static void
meet_local(struct worker *w, int fd)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);

	snprintf(w->client, sizeof(w->client), "local");
	snprintf(w->local, sizeof(w->local), "local");
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) == -1)
		return;
	w->local_user = true;
	w->local_uid = cred.uid;
}

void
client_meet(struct worker *w, int fd)
{
	struct sockaddr_storage a = { 0 };
	socklen_t n = sizeof(a);
	unsigned char octets[16];
	char port[8];
	int on = 1;

	w->local_user = false;
	w->local_uid = (uid_t)-1;
	if (getpeername(fd, (struct sockaddr *)&a, &n) == -1)
		a.ss_family = AF_UNSPEC;
	describe(&a, octets, w->client, w->client_port);
	if (a.ss_family == AF_UNIX && w->listener->local)
		meet_local(w, fd);
	snprintf(w->peer, sizeof(w->peer), "%s", w->client);
	if (w->local_user)
		return;
	a = (struct sockaddr_storage){ 0 };
	n = sizeof(a);
	if (getsockname(fd, (struct sockaddr *)&a, &n) == -1)
		a.ss_family = AF_UNSPEC;
	describe(&a, octets, w->local, port);
	/* A client that vanished without a word is noticed in the end. */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/* ---- PROXY ---- */

/* Takes the header off the socket and nothing behind it: what follows may be a
 * TLS handshake, before which everything that was buffered is forgotten. */
static bool
read_header(struct conn *c, struct proxy_header *h, const char **why)
{
	static char octets[PROXY_MAX];
	size_t n = 0, want = 1;
	int64_t until = 0;
	enum line_status ls;
	enum proxy_state st;

	while ((st = proxy_parse(octets, n, &want, h)) == PROXY_MORE) {
		ssize_t got = recv(c->fd, octets + n, want, MSG_DONTWAIT);
		*why = "it closed before it sent one";
		if (got == 0 || (got == -1 && errno != EAGAIN))
			return false;
		if (got > 0) {
			n += (size_t)got;
			continue;
		}
		ls = conn_wait(c, POLLIN, &until);
		*why = ls == LINE_TIMEOUT ? "it sent none in time"
					  : "this session was to end";
		if (ls != LINE_OK)
			return false;
	}
	*why = "what it sent is none";
	return st == PROXY_DONE;
}

bool
client_proxied(struct worker *w, unsigned char key[16], bool *known)
{
	struct proxy_header h;
	const char *why = "";
	int timeout = w->conn.timeout_ms;

	*known = false;
	if (!networks_match(&w->settings->proxy_networks, w->peer)) {
		log_warn("warning: connection to a PROXY listener from [%s], "
			 "which is not in proxy_networks",
		    w->peer);
		return false;
	}
	w->conn.timeout_ms = PROXY_TIMEOUT;
	bool good = read_header(&w->conn, &h, &why);
	w->conn.timeout_ms = timeout;
	if (!good) {
		log_warn(
		    "warning: no PROXY header from [%s]: %s", w->peer, why);
		return false;
	}
	if (!h.known)
		return true;
	*known = true;
	memcpy(key, h.source, 16);
	address_text(h.source, w->client);
	address_text(h.destination, w->local);
	snprintf(w->client_port, sizeof(w->client_port), "%u", h.source_port);
	log_info(
	    "proxy [%s] announces [%s]:%s", w->peer, w->client, w->client_port);
	return true;
}
