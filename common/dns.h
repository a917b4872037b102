#ifndef COMMON_DNS_H
#define COMMON_DNS_H
/*
 * DNS messages (RFC 1035 4): one question, and what an answer says.  Pure; an
 * answer is hostile.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/network.h"

enum dns_type {
	DNS_A = 1,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_AAAA = 28,
	DNS_TLSA = 52
};
enum {
	DNS_NAME_MAX = 254, /* with its NUL, without the dot at the end */
	DNS_MESSAGE_MAX = 4096,
	DNS_QUERY_MAX = 12 + DNS_NAME_MAX + 1 + 4,
	DNS_RECORDS_MAX = 16 /* more of an answer are not looked at */
};

enum dns_result {
	DNS_FOUND,
	DNS_NONE,   /* there is no such name, or it has no such record */
	DNS_FAILED, /* the server cannot tell */
	DNS_FOREIGN /* this is no answer to that question: wait on */
};

struct dns_answer {
	unsigned n;
	/* A, AAAA */
	unsigned char address[DNS_RECORDS_MAX][ADDRESS_OCTETS];
	/* PTR, MX: as text, lower-case; only names that are valid domains; ""
	 * for the root, which an MX record of RFC 7505 has */
	char name[DNS_RECORDS_MAX][DNS_NAME_MAX];
	unsigned preference[DNS_RECORDS_MAX]; /* MX */
	struct dns_tlsa {
		unsigned char usage, selector, matching;
		const unsigned char *data; /* in the message */
		size_t n;
	} tlsa[DNS_RECORDS_MAX];
	uint32_t ttl; /* s, the least of them */
	bool cut;     /* there is more, which did not fit: ask by TCP */
	bool authentic; /* the server says that it has validated all of it */
	char alias[DNS_NAME_MAX]; /* the name is another's (CNAME), which is
				   * the last one that was told; "": no */
};

/* Writes the question; its octets, or 0: the name is none. */
size_t dns_query(unsigned char out[DNS_QUERY_MAX], unsigned id,
    const char *name, enum dns_type type);
/* Reads what came as the answer to that question. */
enum dns_result dns_parse(const unsigned char *p, size_t n, unsigned id,
    const char *name, enum dns_type type, struct dns_answer *out);

/* The name under which an address is looked up in zone ("in-addr.arpa",
 * "ip6.arpa", a blocklist's); zone NULL: the address' own.  False: too long. */
bool dns_reverse(const unsigned char address[ADDRESS_OCTETS], const char *zone,
    char out[DNS_NAME_MAX]);
#endif
