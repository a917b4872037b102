/* Internet addresses and networks.  Runs in: every role. */
#include "common/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff,
	0xff };

static bool
is_mapped(const unsigned char address[ADDRESS_OCTETS])
{
	return memcmp(address, mapped, sizeof(mapped)) == 0;
}

bool
address_of(const struct sockaddr_storage *a, unsigned char out[ADDRESS_OCTETS])
{
	const struct sockaddr_in *in = (const void *)a;
	const struct sockaddr_in6 *in6 = (const void *)a;

	memset(out, 0, ADDRESS_OCTETS);
	if (a->ss_family == AF_INET) {
		memcpy(out, mapped, sizeof(mapped));
		memcpy(out + sizeof(mapped), &in->sin_addr, 4);
	} else if (a->ss_family == AF_INET6) {
		memcpy(out, &in6->sin6_addr, ADDRESS_OCTETS);
	}
	return a->ss_family == AF_INET || a->ss_family == AF_INET6;
}

void
address_text(
    const unsigned char address[ADDRESS_OCTETS], char text[ADDRESS_TEXT])
{
	bool v4 = is_mapped(address);

	if (inet_ntop(v4 ? AF_INET : AF_INET6,
		v4 ? address + sizeof(mapped) : address, text,
		ADDRESS_TEXT) == NULL)
		text[0] = '\0';
}

/* Whether all bits from number `from` on are 0; clears them. */
static bool
clear_from(unsigned char address[ADDRESS_OCTETS], unsigned from)
{
	bool zero = true;

	for (unsigned i = from; i < 8 * ADDRESS_OCTETS; i++) {
		unsigned char bit = (unsigned char)(0x80 >> i % 8);
		zero = zero && (address[i / 8] & bit) == 0;
		address[i / 8] &= (unsigned char)~bit;
	}
	return zero;
}

void
address_share(unsigned char address[ADDRESS_OCTETS])
{
	if (!is_mapped(address))
		clear_from(address, 64);
}

bool
address_read(struct view text, unsigned char out[ADDRESS_OCTETS])
{
	char word[ADDRESS_TEXT];

	memset(out, 0, ADDRESS_OCTETS);
	if (!view_copy(text, word, sizeof(word)))
		return false;
	if (inet_pton(AF_INET, word, out + sizeof(mapped)) == 1)
		memcpy(out, mapped, sizeof(mapped));
	else if (inet_pton(AF_INET6, word, out) != 1)
		return false;
	return true;
}

bool
network_parse(struct view text, struct network *out)
{
	unsigned long long bits;
	bool slash;
	struct view rest = text;
	struct view address = view_split(&rest, '/', &slash);

	memset(out, 0, sizeof(*out));
	if (!address_read(address, out->address))
		return false;
	bool v4 = memchr(address.p, ':', address.n) == NULL;
	bits = v4 ? 32 : 128;
	if (slash && !view_number(rest, bits, &bits))
		return false;
	out->bits = (unsigned)bits + (v4 ? 96 : 0);
	return clear_from(out->address, out->bits);
}

bool
network_has(
    const struct network *n, const unsigned char address[ADDRESS_OCTETS])
{
	struct network a = { .bits = n->bits };

	memcpy(a.address, address, ADDRESS_OCTETS);
	clear_from(a.address, n->bits);
	/* ::/0 holds no IPv4 address. */
	return is_mapped(n->address) == is_mapped(address) &&
	       memcmp(a.address, n->address, ADDRESS_OCTETS) == 0;
}

bool
networks_match(const struct networks *n, const char *address)
{
	unsigned char a[ADDRESS_OCTETS];

	if (!address_read(view_of(address), a))
		return false;
	for (unsigned i = 0; i < n->n; i++)
		if (network_has(&n->list[i], a))
			return true;
	return false;
}

void
network_text(const struct network *n, char text[NETWORK_TEXT])
{
	char address[ADDRESS_TEXT];
	unsigned less = is_mapped(n->address) ? 96 : 0;

	address_text(n->address, address);
	(void)snprintf(text, NETWORK_TEXT, "%s/%u", address, n->bits - less);
}
