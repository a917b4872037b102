/* DNS questions and answers; the names under which addresses are looked up. */
#include "common/dns.h"

#include <string.h>

#include "t/unit/tap.h"

static unsigned char m[1024];
static struct dns_answer a;

/* The question for name, made an answer with that flags and count of records;
 * returns its octets. */
static size_t
begin(const char *name, enum dns_type type, unsigned code, unsigned records)
{
	size_t n = dns_query(m, 0x1234, name, type);

	m[2] = 0x81;
	m[3] = (unsigned char)code;
	m[7] = (unsigned char)records;
	return n;
}

static size_t
add(size_t n, const void *p, size_t len)
{
	memcpy(m + n, p, len);
	return n + len;
}
#define ADD(n, s) add((n), (s), sizeof(s) - 1)

static void
answers(void)
{
	size_t n = begin("x.example", DNS_A, 0, 2);

	n = ADD(n, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1");
	n = ADD(n, "\xc0\x0c\0\1\0\1\0\0\0\x0a\0\4\xc0\0\2\2");
	ok(dns_parse(m, n, 0x1234, "X.example", DNS_A, &a) == DNS_FOUND &&
		a.n == 2 && a.ttl == 10 && a.address[1][15] == 2 &&
		a.address[1][11] == 0xff,
	    "two addresses");
	ok(dns_parse(m, n, 0x1235, "x.example", DNS_A, &a) == DNS_FOREIGN,
	    "another id");
	ok(dns_parse(m, n, 0x1234, "y.example", DNS_A, &a) == DNS_FOREIGN,
	    "another name");
	ok(dns_parse(m, n, 0x1234, "x.example", DNS_AAAA, &a) == DNS_FOREIGN,
	    "another type");
	for (size_t i = 0; i < n; i++) {
		enum dns_result r =
		    dns_parse(m, i, 0x1234, "x.example", DNS_A, &a);
		if (r != DNS_FOREIGN && r != DNS_FAILED &&
		    !(r == DNS_FOUND && a.n == 1))
			ok(false, "cut at %zu", i);
	}
	m[2] = 1;
	ok(dns_parse(m, n, 0x1234, "x.example", DNS_A, &a) == DNS_FOREIGN,
	    "a question is no answer");
	n = begin("x.example", DNS_A, 3, 0);
	ok(dns_parse(m, n, 0x1234, "x.example", DNS_A, &a) == DNS_NONE,
	    "NXDOMAIN");
	n = begin("x.example", DNS_A, 2, 0);
	ok(dns_parse(m, n, 0x1234, "x.example", DNS_A, &a) == DNS_FAILED,
	    "SERVFAIL");
	n = begin("x.example", DNS_A, 0, 0);
	ok(dns_parse(m, n, 0x1234, "x.example", DNS_A, &a) == DNS_NONE,
	    "no record");
	m[2] |= 2;
	ok(dns_parse(m, n, 0x1234, "x.example", DNS_A, &a) == DNS_FAILED,
	    "cut off: proves nothing");
}

static void
names(void)
{
	const char *q = "1.2.0.192.in-addr.arpa";
	size_t n = begin(q, DNS_PTR, 0, 2);

	/* An alias (RFC 2317), and a name that is compressed. */
	n = ADD(n, "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\2\xc0\x0c");
	n = ADD(n, "\xc0\x0c\0\x0c\0\1\0\0\0\x3c\0\x0e\4MAIL\7example\0");
	ok(dns_parse(m, n, 0x1234, q, DNS_PTR, &a) == DNS_FOUND && a.n == 1 &&
		strcmp(a.name[0], "mail.example") == 0,
	    "a name behind an alias, in lower case");
	n = begin(q, DNS_PTR, 0, 1);
	n = ADD(n, "\xc0\x0c\0\x0c\0\1\0\0\0\x3c\0\x09\7a]\r\nb.c\0");
	ok(dns_parse(m, n, 0x1234, q, DNS_PTR, &a) != DNS_FOUND,
	    "a name with a line end in it is none");
	n = begin(q, DNS_PTR, 0, 1);
	n = ADD(n, "\xc0\x0c\0\x0c\0\1\0\0\0\x3c\0\2\xc0\x40");
	ok(dns_parse(m, n, 0x1234, q, DNS_PTR, &a) != DNS_FOUND,
	    "a pointer that leads forward or to itself");
	n = begin(q, DNS_PTR, 0, 1);
	n = ADD(n, "\xc0\x0c\0\x0c\0\1\0\0\0\x3c\0\4\x3f"
		   "abc");
	ok(dns_parse(m, n, 0x1234, q, DNS_PTR, &a) != DNS_FOUND,
	    "a label longer than the record");
}

static void
questions(void)
{
	static const char *const bad[] = { "", ".", "a..b", ".a",
		"0123456789012345678901234567890123456789012345678901234567"
		"890123.a" };
	unsigned char address[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 1 };
	char name[DNS_NAME_MAX];

	for (size_t i = 0; i < NELEM(bad); i++)
		ok(dns_query(m, 1, bad[i], DNS_A) == 0, "\"%.10s\"", bad[i]);
	ok(dns_reverse(address, NULL, name) &&
		strcmp(name, "1.2.0.192.in-addr.arpa") == 0,
	    "IPv4");
	ok(dns_reverse(address, "bl.example", name) &&
		strcmp(name, "1.2.0.192.bl.example") == 0,
	    "in a list");
	memcpy(address, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	ok(dns_reverse(address, NULL, name) &&
		strcmp(name, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
			     "8.b.d.0.1.0.0.2.ip6.arpa") == 0,
	    "IPv6");
}

int
main(void)
{
	answers();
	names();
	questions();
	return done_testing();
}
