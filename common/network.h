#ifndef COMMON_NETWORK_H
#define COMMON_NETWORK_H
/*
 * Internet addresses and networks.  An address is 16 octets, IPv4 mapped
 * (RFC 4291 2.5.5.2), so that one comparison serves both.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "common/view.h"

enum { ADDRESS_OCTETS = 16, ADDRESS_TEXT = 46, NETWORK_TEXT = 50 };

struct network {
	unsigned char address[ADDRESS_OCTETS]; /* bits beyond the prefix: 0 */
	unsigned bits;			       /* of the mapped form: 0..128 */
};

struct networks {
	struct network *list; /* owned */
	unsigned n;
};

/* False, and out all zero: no internet address. */
bool address_of(
    const struct sockaddr_storage *, unsigned char out[ADDRESS_OCTETS]);
/* "192.0.2.1" or "2001:db8::1". */
void address_text(
    const unsigned char address[ADDRESS_OCTETS], char text[ADDRESS_TEXT]);
/* "192.0.2.1" or "2001:db8::1" as octets.  False, and out all zero: neither. */
bool address_read(struct view text, unsigned char out[ADDRESS_OCTETS]);
/* Clears what is not the customer's share of an address: IPv4 keeps all of it,
 * IPv6 its first 64 bits. */
void address_share(unsigned char address[ADDRESS_OCTETS]);

/* "192.0.2.0/24", "2001:db8::/32", or an address alone; bits outside of the
 * prefix must be 0.  False: it is none. */
bool network_parse(struct view text, struct network *out);
bool network_has(
    const struct network *, const unsigned char address[ADDRESS_OCTETS]);
/* Is the numeric address in one of them?  What is no address is in none. */
bool networks_match(const struct networks *, const char *address);
/* As network_parse() reads it. */
void network_text(const struct network *, char text[NETWORK_TEXT]);
#endif
