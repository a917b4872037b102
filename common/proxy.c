/* The PROXY protocol's header.  Pure.  Runs in: worker. */
#include "common/proxy.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/network.h"
#include "common/view.h"

static const unsigned char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

enum {
	V2_HEAD = 16,	 /* signature, version and command, family, length */
	V2_LOCAL = 0x20, /* version 2, command LOCAL */
	V2_PROXY = 0x21,
	V2_TCP4 = 0x11,
	V2_TCP6 = 0x21,
	V2_TCP4_LEN = 12,
	V2_TCP6_LEN = 36
};

/* ---- version 1: "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n" ---- */

static bool
take_port(struct view v, unsigned *out)
{
	unsigned long long port;

	/* Without leading zeros, as the specification wants it. */
	if (!view_number(v, 65535, &port) || (v.n > 1 && v.p[0] == '0'))
		return false;
	*out = (unsigned)port;
	return true;
}

static bool
take_address(struct view v, bool v6, unsigned char out[16])
{
	bool colon = v.n > 0 && memchr(v.p, ':', v.n) != NULL;

	return colon == v6 && address_read(v, out);
}

static bool
parse_text(struct view line, struct proxy_header *out)
{
	bool found;
	struct view word[6] = { { NULL, 0 } };
	size_t n = 0;

	while (n < NELEM(word)) {
		word[n++] = view_split(&line, ' ', &found);
		if (!found)
			break;
	}
	if (n < 2 || !view_eqs(word[0], "PROXY"))
		return false;
	/* What is behind it is not to be looked at. */
	if (view_eqs(word[1], "UNKNOWN"))
		return true;
	bool v6 = view_eqs(word[1], "TCP6");
	out->known = n == 6 && line.n == 0 && !found &&
		     (v6 || view_eqs(word[1], "TCP4")) &&
		     take_address(word[2], v6, out->source) &&
		     take_address(word[3], v6, out->destination) &&
		     take_port(word[4], &out->source_port) &&
		     take_port(word[5], &out->destination_port);
	return out->known;
}

static enum proxy_state
parse_v1(const char *p, size_t n, size_t *want, struct proxy_header *out)
{
	static const char head[] = "PROXY ";
	size_t least = n < strlen(head) ? n : strlen(head);

	if (memcmp(p, head, least) != 0)
		return PROXY_BAD;
	if (p[n - 1] != '\n') {
		*want = 1; /* its end is known when it is there */
		return n < PROXY_V1_MAX ? PROXY_MORE : PROXY_BAD;
	}
	if (n < 2 || p[n - 2] != '\r')
		return PROXY_BAD;
	return parse_text((struct view){ p, n - 2 }, out) ? PROXY_DONE
							  : PROXY_BAD;
}

/* ---- version 2 ---- */

static void
set_v4(unsigned char out[16], const unsigned char *p)
{
	memset(out, 0, 10);
	memset(out + 10, 0xff, 2);
	memcpy(out + 12, p, 4);
}

static unsigned
get_u16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* TLVs behind the addresses are not looked at. */
static bool
take_binary(const unsigned char *p, size_t len, struct proxy_header *out)
{
	const unsigned char *a = p + V2_HEAD;

	if (p[12] == V2_LOCAL)
		return true;
	if (p[13] == V2_TCP4) {
		if (len < V2_TCP4_LEN)
			return false;
		set_v4(out->source, a);
		set_v4(out->destination, a + 4);
		a += 8;
	} else if (p[13] == V2_TCP6) {
		if (len < V2_TCP6_LEN)
			return false;
		memcpy(out->source, a, 16);
		memcpy(out->destination, a + 16, 16);
		a += 32;
	} else {
		return true; /* UNSPEC, UDP, UNIX */
	}
	out->source_port = get_u16(a);
	out->destination_port = get_u16(a + 2);
	out->known = true;
	return true;
}

static enum proxy_state
parse_v2(
    const unsigned char *p, size_t n, size_t *want, struct proxy_header *out)
{
	size_t least = n < sizeof(signature) ? n : sizeof(signature);

	if (memcmp(p, signature, least) != 0)
		return PROXY_BAD;
	if (n < V2_HEAD) {
		*want =
		    sizeof(signature) > n ? sizeof(signature) - n : V2_HEAD - n;
		return PROXY_MORE;
	}
	size_t len = get_u16(p + 14);
	if ((p[12] != V2_LOCAL && p[12] != V2_PROXY) ||
	    V2_HEAD + len > PROXY_MAX || n > V2_HEAD + len)
		return PROXY_BAD;
	if (n < V2_HEAD + len) {
		*want = V2_HEAD + len - n;
		return PROXY_MORE;
	}
	return take_binary(p, len, out) ? PROXY_DONE : PROXY_BAD;
}

enum proxy_state
proxy_parse(
    const void *octets, size_t n, size_t *want, struct proxy_header *out)
{
	const unsigned char *p = octets;

	memset(out, 0, sizeof(*out));
	*want = 1;
	if (n == 0)
		return PROXY_MORE;
	enum proxy_state st = p[0] == 'P' ? parse_v1(octets, n, want, out)
					  : parse_v2(p, n, want, out);
	if (st != PROXY_DONE)
		memset(out, 0, sizeof(*out));
	return st;
}
