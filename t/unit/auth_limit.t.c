/* Networks, and failed logins by address. */
#define _GNU_SOURCE
#include "common/auth_limit.h"

#include <stdio.h>
#include <string.h>

#include "t/unit/client_at.h"
#include "t/unit/tap.h"

enum { MAX = 3, WINDOW = 1000 };

static void
test_networks(void)
{
	static const struct {
		const char *net, *in, *out, *text;
	} good[] = {
		{ "127.0.0.0/8", "127.255.0.1", "128.0.0.1", "127.0.0.0/8" },
		{ "192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1/32" },
		{ "::1", "::1", "::2", "::1/128" },
		{ "2001:db8::/33", "2001:db8:7fff::1",
		    "2001:db8:8000::", "2001:db8::/33" },
		{ "0.0.0.0/0", "255.1.2.3", "2001:db8::1", "0.0.0.0/0" },
		{ "::/0", "2001:db8::1", "192.0.2.1", "::/0" },
		{ "::ffff:192.0.2.0/120", "192.0.2.255", "192.0.3.0",
		    "192.0.2.0/24" },
	};
	static const char *const bad[] = { "", "/", "x", "192.0.2.1/33",
		"192.0.2.1/24", "192.0.2.0/", "192.0.2.0/-1", "192.0.2.0/8 ",
		"1.2.3", "::1/129", "::1/127", "192.0.2.0/24/24", "::g" };

	for (size_t i = 0; i < NELEM(good); i++) {
		struct network n, in, out;
		char text[NETWORK_TEXT];
		bool read = network_parse(view_of(good[i].net), &n) &&
			    network_parse(view_of(good[i].in), &in) &&
			    network_parse(view_of(good[i].out), &out);
		network_text(&n, text);
		ok(read && network_has(&n, in.address) &&
			!network_has(&n, out.address) &&
			strcmp(text, good[i].text) == 0,
		    "%s: %s", good[i].net, text);
	}
	for (size_t i = 0; i < NELEM(bad); i++) {
		struct network n;
		ok(!network_parse(view_of(bad[i]), &n), "\"%s\"", bad[i]);
	}
}

static struct origin
origin_at(const char *address)
{
	struct network n;
	struct origin o = { .kind = ORIGIN_COUNTED };

	if (!network_parse(view_of(address), &n))
		abort();
	memcpy(o.key, n.address, sizeof(o.key));
	address_share(o.key);
	return o;
}

static unsigned
tries(const struct origin *o, const struct settings *s, int64_t now)
{
	unsigned n = 0;

	while (n < 100 && !auth_limit_reached(o, s, now)) {
		auth_limit_count(o, s, now);
		n++;
	}
	return n;
}

static void
test_limit(void)
{
	struct settings s = { .auth_address_failures = MAX,
		.auth_address_window = WINDOW };
	struct origin a = origin_at("192.0.2.1"), b = origin_at("192.0.2.2");
	struct origin c = origin_at("2001:db8::1"),
		      d = origin_at("2001:db8::ffff:1"),
		      e = origin_at("2001:db8:0:1::1");
	struct origin none = { .kind = ORIGIN_COUNTED };

	ok(tries(&a, &s, 5000) == MAX, "as many tries as allowed");
	ok(tries(&b, &s, 5000) == MAX, "the neighbour has his own");
	ok(auth_limit_reached(&a, &s, 5000 + WINDOW - 1), "until the end");
	ok(tries(&a, &s, 5000 + WINDOW) == MAX, "and again after it");
	ok(tries(&c, &s, 5000) == MAX && tries(&d, &s, 5000) == 0,
	    "one /64 is one");
	ok(tries(&e, &s, 5000) == MAX, "another /64 is another");
	ok(tries(&none, &s, 5000) == MAX, "no address is one address");
	a.kind = ORIGIN_EXEMPT;
	ok(tries(&a, &s, 5000 + WINDOW) == 100, "exempt");
	a.kind = ORIGIN_GONE;
	ok(tries(&a, &s, 5000 + WINDOW) == 0, "nobody there");
	s.auth_address_failures = 0;
	ok(tries(&b, &s, 5000) == 100, "0: no limit");
}

/* More addresses than there are places: the last ones are kept. */
static void
test_many(void)
{
	struct settings s = { .auth_address_failures = MAX,
		.auth_address_window = WINDOW };
	unsigned first = 0, last = 0;
	char text[ADDRESS_TEXT];

	for (unsigned i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u", i / 256, i % 256);
		struct origin o = origin_at(text);
		tries(&o, &s, 100);
	}
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u", i / 256, i % 256);
		struct origin o = origin_at(text);
		*(i < 20000 - 8192 ? &first : &last) +=
		    auth_limit_reached(&o, &s, 100);
	}
	ok(first == 0 && last == 8192, "%u, %u of 20000 are remembered", first,
	    last);
}

static void
test_origin(void)
{
	struct network exempt, proxy;
	struct settings s = { .auth_exempt = { &exempt, 1 } };
	struct origin o;
	int fd = client_at("127.0.0.77"), pipe_end[2], pair[2];

	network_parse(view_of("127.0.0.78"), &exempt);
	origin_of(fd, "192.0.2.9", &s, &o);
	ok(o.kind == ORIGIN_COUNTED && strcmp(o.text, "127.0.0.77") == 0,
	    "the kernel says %s", o.text);
	network_parse(view_of("127.0.0.64/26"), &exempt);
	origin_of(fd, "192.0.2.9", &s, &o);
	ok(o.kind == ORIGIN_EXEMPT, "an exempt one");
	network_parse(view_of("127.0.0.77"), &proxy);
	s.proxy_networks = (struct networks){ &proxy, 1 };
	origin_of(fd, "192.0.2.9", &s, &o);
	ok(o.kind == ORIGIN_COUNTED && strcmp(o.text, "192.0.2.9") == 0,
	    "a proxy is believed: %s", o.text);
	origin_of(fd, "unknown", &s, &o);
	ok(o.kind == ORIGIN_EXEMPT, "as far as it says something");
	int fresh = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	origin_of(fresh, "", &s, &o);
	ok(o.kind == ORIGIN_GONE, "a socket without a client");
	if (pipe(pipe_end) == -1 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == -1)
		abort();
	static const unsigned char zero[ADDRESS_OCTETS];
	origin_of(pipe_end[0], "192.0.2.9", &s, &o);
	ok(o.kind == ORIGIN_COUNTED && memcmp(o.key, zero, sizeof(zero)) == 0,
	    "a pipe");
	origin_of(pair[0], "", &s, &o);
	ok(o.kind == ORIGIN_COUNTED && memcmp(o.key, zero, sizeof(zero)) == 0,
	    "a local socket");
}

int
main(void)
{
	test_networks();
	test_limit();
	test_many();
	test_origin();
	return done_testing();
}
