/*
 * Listening sockets.  Runs in: the master.
 */
#define _GNU_SOURCE
#include "common/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/listen_unix.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/view.h"

enum { PASSED_FIRST = 3, PASSED_MAX = 64 };

static int passed[PASSED_MAX];
static int passed_n = -1; /* not asked yet */

/* sd_listen_fds(3), without its library. */
static void
take_passed(void)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	unsigned long long v;

	if (passed_n != -1)
		return;
	passed_n = 0;
	if (pid == NULL || n == NULL ||
	    !view_number(view_of(pid), INT32_MAX, &v) || (pid_t)v != getpid() ||
	    !view_number(view_of(n), PASSED_MAX, &v))
		return;
	for (int i = 0; i < (int)v; i++) {
		int fd = PASSED_FIRST + i;
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) != -1 &&
		    listen_is_listening(fd))
			passed[passed_n++] = fd;
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

bool
listen_is_listening(int fd)
{
	int on = 0;
	socklen_t n = sizeof(on);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &n) == 0 && on;
}

static struct addrinfo *
resolve(const struct listener *l)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	struct addrinfo *ai = NULL;
	bool any = strcmp(l->address, "*") == 0;

	if (any)
		hints.ai_family = AF_INET6;
	if (getaddrinfo(any ? NULL : l->address, l->port, &hints, &ai) != 0)
		return NULL;
	return ai;
}

/* Does the socket have this listener's address?  A wildcard fits any. */
static bool
fits(int fd, const struct listener *l)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof(a);
	char host[64], port[16];

	if (l->local)
		return listen_unix_is(fd, l->address);
	if (getsockname(fd, (struct sockaddr *)&a, &n) == -1 ||
	    getnameinfo((struct sockaddr *)&a, n, host, sizeof(host), port,
		sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return false;
	if (strcmp(port, l->port) != 0)
		return false;
	return strcmp(l->address, "*") == 0 || strcmp(host, l->address) == 0 ||
	       strcmp(host, "::") == 0 || strcmp(host, "0.0.0.0") == 0;
}

void
listen_unused(const struct settings *s, bool let_go)
{
	for (int i = 0; i < passed_n; i++) {
		struct sockaddr_storage a;
		socklen_t n = sizeof(a);
		char host[64], port[16];
		bool used = let_go;
		for (unsigned l = 0; l < s->listener_n && !used; l++)
			used = fits(passed[i], &s->listeners[l]);
		if (!used &&
		    getsockname(passed[i], (struct sockaddr *)&a, &n) == 0 &&
		    getnameinfo((struct sockaddr *)&a, n, host, sizeof(host),
			port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) == 0)
			log_warn("warning: a socket was passed for %s port %s "
				 "that has no listen line: clients wait there "
				 "in vain",
			    host, port);
		if (let_go)
			close(passed[i]);
	}
	if (let_go)
		passed_n = 0;
}

static int
take_over(
    const struct listener *l, const struct settings *old, const int *old_fd)
{
	for (unsigned i = 0; old != NULL && i < old->listener_n; i++)
		if (strcmp(old->listeners[i].address, l->address) == 0 &&
		    strcmp(old->listeners[i].port, l->port) == 0)
			return fcntl(old_fd[i], F_DUPFD_CLOEXEC, 3);
	for (int i = 0; i < passed_n; i++)
		if (fits(passed[i], l))
			return fcntl(passed[i], F_DUPFD_CLOEXEC, 3);
	return -1;
}

static int
make_socket(const struct addrinfo *ai, bool any)
{
	int fd = socket(
	    ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, v6only = !any;

	if (fd == -1)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
	    (ai->ai_family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only,
		    sizeof(v6only)) == -1) ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) == -1 ||
	    listen(fd, LISTEN_BACKLOG) == -1) {
		int e = errno;
		close(fd);
		errno = e;
		return -1;
	}
	return fd;
}

/* A host without IPv6 gets 0.0.0.0 for "*". */
static int
make_any(const struct listener *l)
{
	struct listener v4 = *l;
	struct addrinfo *ai = resolve(l);
	int fd = ai == NULL ? -1 : make_socket(ai, true);

	if (ai != NULL)
		freeaddrinfo(ai);
	if (fd != -1 || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
		return fd;
	snprintf(v4.address, sizeof(v4.address), "0.0.0.0");
	ai = resolve(&v4);
	fd = ai == NULL ? -1 : make_socket(ai, false);
	if (ai != NULL)
		freeaddrinfo(ai);
	return fd;
}

static const char *
remedy(int e)
{
	return e == EADDRINUSE
		   ? "; another program listens there: ss -ltnp shows which"
	       : e == EACCES
		   ? "; ports below 1024 need root, or pass the socket "
		     "(systemd, inetd)"
	       : e == EADDRNOTAVAIL ? "; this host does not have that address"
				    : "";
}

bool
listen_all(const struct settings *s, const struct settings *old,
    const int *old_fd, int *fd, char *err, size_t size)
{
	char why[256] = "";
	unsigned i;

	take_passed();
	for (i = 0; i < s->listener_n; i++) {
		const struct listener *l = &s->listeners[i];
		bool any = strcmp(l->address, "*") == 0;
		fd[i] = take_over(l, old, old_fd);
		if (fd[i] == -1 && l->local) {
			fd[i] = listen_unix(l, why, sizeof(why));
		} else if (fd[i] == -1 && any) {
			fd[i] = make_any(l);
		} else if (fd[i] == -1) {
			struct addrinfo *ai = resolve(l);
			errno = EINVAL;
			fd[i] = ai == NULL ? -1 : make_socket(ai, false);
			if (ai != NULL)
				freeaddrinfo(ai);
		}
		if (fd[i] == -1)
			goto bad;
		/* epoll with several waiters needs accept not to block. */
		fcntl(fd[i], F_SETFL, fcntl(fd[i], F_GETFL) | O_NONBLOCK);
	}
	return true;
bad:
	if (s->listeners[i].local)
		snprintf(err, size, "listen on unix:%s: %s",
		    s->listeners[i].address, why);
	else
		snprintf(err, size, "listen on %s port %s: %s%s",
		    s->listeners[i].address, s->listeners[i].port,
		    strerror(errno), remedy(errno));
	while (i-- > 0)
		close_fd(&fd[i]);
	return false;
}

void
listen_inetd(struct settings *s, int fd, bool pop3)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof(a);
	char port[16] = "";
	struct listener one = { .type = pop3 ? LISTEN_POP3 : LISTEN_MX,
		.address = "*" };

	if (getsockname(fd, (struct sockaddr *)&a, &n) == 0 &&
	    (a.ss_family == AF_INET || a.ss_family == AF_INET6))
		getnameinfo((struct sockaddr *)&a, n, NULL, 0, port,
		    sizeof(port), NI_NUMERICSERV);
	for (unsigned i = 0; i < s->listener_n; i++)
		if (s->listeners[i].local
			? listen_unix_is(fd, s->listeners[i].address)
			: strcmp(s->listeners[i].port, port) == 0) {
			one = s->listeners[i];
			break;
		}
	if (one.port[0] == '\0' && !one.local)
		snprintf(one.port, sizeof(one.port), "%s",
		    port[0] == '\0' ? "0" : port);
	free(s->listeners);
	s->listeners = calloc(1, sizeof(one));
	if (s->listeners == NULL)
		abort();
	s->listeners[0] = one;
	s->listener_n = 1;
}
