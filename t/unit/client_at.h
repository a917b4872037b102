#ifndef T_UNIT_CLIENT_AT_H
#define T_UNIT_CLIENT_AT_H
/* A client's socket, as a server has it. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connected socket whose other end has that address; it lives on. */
static int
client_at(const char *address)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t n = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int c = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = inet_addr(address);
	if (bind(c, (struct sockaddr *)&a, n) == -1 ||
	    bind(l, (struct sockaddr *)&a, n) == -1 || listen(l, 1) == -1 ||
	    getsockname(l, (struct sockaddr *)&a, &n) == -1 ||
	    connect(c, (struct sockaddr *)&a, n) == -1)
		abort();
	int s = accept(l, NULL, NULL);
	close(l);
	return s;
}
#endif
