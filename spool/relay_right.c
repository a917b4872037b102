/* The right to have mail sent on.  Runs in: queue. */
#include "spool/relay_right.h"

#include <sys/socket.h>

bool
relay_right(const struct settings *s, int fd)
{
	unsigned char octets[ADDRESS_OCTETS];
	char text[ADDRESS_TEXT];
	struct sockaddr_storage a = { 0 };
	socklen_t n = sizeof(a), type_n = sizeof(int);
	int type = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_n) == -1 ||
	    type != SOCK_STREAM ||
	    getpeername(fd, (struct sockaddr *)&a, &n) == -1 ||
	    !address_of(&a, octets))
		return false;
	address_text(octets, text);
	return networks_match(&s->relay_networks, text);
}
