#ifndef COMMON_CLIENTS_H
#define COMMON_CLIENTS_H
/*
 * How many workers serve each client address: IPv4 by address, IPv6 by /64,
 * which is what one customer has.  Addresses are 16 octets, IPv4 mapped.
 */
#include <stdbool.h>

/* What is counted as one client. */
void clients_key(const unsigned char address[16], unsigned char key[16]);
/* Room for max at a time. */
bool clients_init(unsigned max);
/* One more: how many there are now with it. */
unsigned clients_enter(const unsigned char address[16]);
/* One less of an address that was entered. */
void clients_leave(const unsigned char address[16]);
#endif
