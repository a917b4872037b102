/* The PROXY header, networks, and rates by client. */
#include <string.h>

#include "common/network.h"
#include "common/proxy.h"
#include "common/rates.h"
#include "t/unit/tap.h"

#define SIGN "\r\n\r\n\0\r\nQUIT\n"
#define TEXT(s) s, sizeof(s) - 1

static const char a1[] = "PROXY TCP4 192.0.2.1 192.0.2.2 56324 25\r\n";

struct header {
	const char *name, *p;
	size_t n;
	enum proxy_state want;
	bool known;
};

static void
parse(const struct header *cases, size_t n)
{
	struct proxy_header h;
	size_t want;

	for (size_t i = 0; i < n; i++) {
		enum proxy_state st =
		    proxy_parse(cases[i].p, cases[i].n, &want, &h);
		ok(st == cases[i].want && h.known == cases[i].known, "%s",
		    cases[i].name);
	}
}

static void
headers_in_words(void)
{
	static const struct header cases[] = {
		{ "v1 IPv4", TEXT(a1), PROXY_DONE, true },
		{ "v1 IPv6", TEXT("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"),
		    PROXY_DONE, true },
		{ "v1 UNKNOWN", TEXT("PROXY UNKNOWN\r\n"), PROXY_DONE, false },
		{ "v1 UNKNOWN with more",
		    TEXT("PROXY UNKNOWN ffff::1 x 1 2 3 4 5\r\n"), PROXY_DONE,
		    false },
		{ "v1 with LF alone",
		    TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"), PROXY_BAD,
		    false },
		{ "v1 two blanks",
		    TEXT("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n"), PROXY_BAD,
		    false },
		{ "v1 port 65536",
		    TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n"),
		    PROXY_BAD, false },
		{ "v1 port with a leading zero",
		    TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n"), PROXY_BAD,
		    false },
		{ "v1 a field too many",
		    TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n"), PROXY_BAD,
		    false },
		{ "v1 a field too few",
		    TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n"), PROXY_BAD,
		    false },
		{ "v1 IPv6 address in TCP4", TEXT("PROXY TCP4 ::1 ::2 1 2\r\n"),
		    PROXY_BAD, false },
		{ "v1 IPv4 address in TCP6",
		    TEXT("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n"), PROXY_BAD,
		    false },
		{ "v1 lower case", TEXT("proxy TCP4 "), PROXY_BAD, false },
		{ "v1 begun", TEXT("PROXY TC"), PROXY_MORE, false },
		{ "another protocol", TEXT("EHLO x\r\n"), PROXY_BAD, false },
	};
	struct proxy_header h;
	size_t want;

	parse(cases, NELEM(cases));
	proxy_parse(a1, strlen(a1), &want, &h);
	ok(h.source[12] == 192 && h.source[15] == 1 && h.source[11] == 0xff &&
		h.destination[15] == 2 && h.source_port == 56324 &&
		h.destination_port == 25,
	    "what it says");
}

static void
headers_in_octets(void)
{
	static const struct header cases[] = {
		{ "v2 IPv4",
		    TEXT(SIGN "\x21\x11\0\x0c\xc0\0\2\1\xc0\0\2\2"
			      "\xdc\x04\0\x19"),
		    PROXY_DONE, true },
		{ "v2 IPv4 too short",
		    TEXT(SIGN "\x21\x11\0\x0b\xc0\0\2\1\xc0\0\2\2"
			      "\xdc\x04\0"),
		    PROXY_BAD, false },
		{ "v2 LOCAL", TEXT(SIGN "\x20\0\0\0"), PROXY_DONE, false },
		{ "v2 LOCAL with addresses",
		    TEXT(SIGN "\x20\x11\0\x0c\xc0\0\2\1\xc0\0\2\2"
			      "\xdc\x04\0\x19"),
		    PROXY_DONE, false },
		{ "v2 UNSPEC", TEXT(SIGN "\x21\0\0\0"), PROXY_DONE, false },
		{ "v2 command 2", TEXT(SIGN "\x22\0\0\0"), PROXY_BAD, false },
		{ "v2 version 1", TEXT(SIGN "\x11\0\0\0"), PROXY_BAD, false },
		{ "v2 longer than is taken", TEXT(SIGN "\x21\x11\xff\xff"),
		    PROXY_BAD, false },
		{ "v2 begun", TEXT("\r\n\r\n\0"), PROXY_MORE, false },
		{ "an empty line first", TEXT("\r\n\r\nEHLO"), PROXY_BAD,
		    false },
	};

	parse(cases, NELEM(cases));
}

/* A header that never ends is given up at its longest. */
static void
endless(void)
{
	char text[200];
	struct proxy_header h;
	size_t want, n = 0;

	memset(text, 'x', sizeof(text));
	memcpy(text, "PROXY ", 6);
	while (proxy_parse(text, n, &want, &h) == PROXY_MORE)
		n += want;
	ok(n == PROXY_V1_MAX, "a line without end is given up at 107 octets");
	/* What was sent right behind the header is never asked for. */
	n = 0;
	while (proxy_parse(a1, n, &want, &h) == PROXY_MORE)
		n += want;
	ok(n == strlen(a1), "and a header's end is found exactly");
}

static void
networks(void)
{
	static const struct {
		const char *net, *address;
		bool in;
	} cases[] = {
		{ "192.0.2.0/24", "192.0.2.255", true },
		{ "192.0.2.0/24", "192.0.3.0", false },
		{ "192.0.2.0/25", "192.0.2.128", false },
		{ "192.0.2.7", "192.0.2.7", true },
		{ "192.0.2.7", "192.0.2.6", false },
		{ "0.0.0.0/0", "203.0.113.9", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "2001:db8::/32", "2001:db8:ffff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::1", "127.0.0.1", false },
		{ "::/0", "local", false },
		{ "::/0", "unknown", false },
	};
	static const char *const bad[] = { "192.0.2.0/33", "192.0.2.1/24",
		"2001:db8::1/32", "2001:db8::/129", "x", "", "/8", "192.0.2",
		"192.0.2.0/", "192.0.2.0/-1", "example.org" };
	struct network n;
	struct networks list = { &n, 1 };
	char text[NETWORK_TEXT];

	for (size_t i = 0; i < NELEM(cases); i++) {
		bool good = network_parse(view_of(cases[i].net), &n);
		bool in = networks_match(&list, cases[i].address);
		network_text(&n, text);
		bool again = network_parse(view_of(text), &n) &&
			     networks_match(&list, cases[i].address) == in;
		ok(good && in == cases[i].in && again, "%s is%s in %s",
		    cases[i].address, cases[i].in ? "" : " not", cases[i].net);
	}
	for (size_t i = 0; i < NELEM(bad); i++)
		ok(!network_parse(view_of(bad[i]), &n), "\"%s\" is no network",
		    bad[i]);
}

static void
rates(void)
{
	unsigned char a[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 1 };
	unsigned char b[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };
	unsigned char c[16] = { 0x20, 1, 0xd, 0xb8, [15] = 2 };
	unsigned most = 0, forgotten = 0;

	ok(rates_init(100), "a table");
	rates_count(RATE_CONNECTION, a, 1000, 60000);
	ok(rates_count(RATE_CONNECTION, a, 2000, 60000) == 2, "two of late");
	ok(rates_count(RATE_MESSAGE, a, 2000, 60000) == 1,
	    "messages are counted by themselves");
	ok(rates_count(RATE_CONNECTION, a, 60999, 60000) == 3 &&
		rates_count(RATE_CONNECTION, a, 61000, 60000) == 1,
	    "the window ends a minute after it began");
	rates_count(RATE_CONNECTION, b, 61000, 60000);
	ok(rates_count(RATE_CONNECTION, c, 61000, 60000) == 2,
	    "a /64 is one client");
	for (unsigned i = 0; i < 100000; i++) {
		unsigned char x[16] = { 0x20, 2, [5] = (unsigned char)(i >> 16),
			[6] = (unsigned char)(i >> 8), [7] = (unsigned char)i };
		unsigned n = rates_count(RATE_CONNECTION, x, 62000 + i, 60000);
		most = n > most ? n : most;
	}
	for (unsigned i = 0; i < 50; i++) {
		unsigned char x[16] = {
			0x20,
			2, [5] = 1, [6] = 0x86, [7] = (unsigned char)(0x9f - i)
		};
		forgotten +=
		    rates_count(RATE_CONNECTION, x, 162000, 60000) != 2;
	}
	ok(most == 1 && forgotten == 0,
	    "after 100,000 clients the last ones are remembered, none is "
	    "taken for another");
}

int
main(void)
{
	headers_in_words();
	headers_in_octets();
	endless();
	networks();
	rates();
	return done_testing();
}
