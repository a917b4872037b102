/* DNS servers.  Runs in: lookup, sender. */
#define _GNU_SOURCE
#include "smtpd/dns_servers.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/msg.h"

enum { DNS_PORT = 53 };

static unsigned
read_resolv_conf(struct dns_server out[DNS_SERVERS_MAX])
{
	char line[512];
	unsigned n = 0;
	FILE *f = fopen("/etc/resolv.conf", "re");

	while (f != NULL && n < DNS_SERVERS_MAX &&
	       fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		struct view rest = view_of(line);
		if (view_eqs(view_token(&rest), "nameserver") &&
		    address_read(view_token(&rest), out[n].address))
			out[n++].port = DNS_PORT;
	}
	if (f != NULL)
		fclose(f);
	return n;
}

unsigned
dns_servers_find(
    const struct settings *s, struct dns_server out[DNS_SERVERS_MAX])
{
	unsigned n = s->dns_server_n;

	memcpy(out, s->dns_servers, sizeof(s->dns_servers));
	if (n == 0)
		n = read_resolv_conf(out);
	if (n == 0) {
		address_read(view_of("127.0.0.1"), out[0].address);
		out[0].port = DNS_PORT;
		n = 1;
	}
	return n;
}

int
dns_servers_connect(const struct dns_server *d, int type)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)d->port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)d->port) };
	bool v4 = d->address[10] == 0xff && d->address[11] == 0xff;
	int sock = socket(
	    v4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (sock == -1)
		return -1;
	memcpy(&in.sin_addr, d->address + 12, 4);
	memcpy(&in6.sin6_addr, d->address, 16);
	if (connect(sock, v4 ? (struct sockaddr *)&in : (struct sockaddr *)&in6,
		v4 ? sizeof(in) : sizeof(in6)) == -1 &&
	    errno != EINPROGRESS)
		close_fd(&sock);
	return sock;
}
