#ifndef SMTPD_DNS_STREAM_H
#define SMTPD_DNS_STREAM_H
/*
 * One question to a DNS server by TCP (RFC 1035 4.2.2), for an answer that was
 * cut by UDP.  It never waits: the caller does, as it likes, and bounds the
 * time.  Runs in: lookup, sender.
 *
 *	if (dns_stream_open(&t, server, query, n))
 *		while ((is = dns_stream_go(&t)) is not DONE or FAILED)
 *			wait until t.sock can be written or read, as it says
 *	dns_stream_close(&t);
 */
#include <stdbool.h>

#include "common/dns.h"
#include "smtpd/dns_servers.h"

enum dns_stream_is {
	DNS_STREAM_WRITE, /* call again when the socket can be written, */
	DNS_STREAM_READ,  /* or read */
	DNS_STREAM_DONE,  /* the message is there: in and in_n */
	DNS_STREAM_FAILED
};

struct dns_stream {
	int sock; /* owned; -1: none */
	unsigned char out[DNS_QUERY_MAX + 2], length[2];
	size_t out_n, sent, got; /* got: of length and in together */
	unsigned char *in;	 /* owned; NULL until its length is known */
	size_t in_n;
};

/* query is what dns_query() has written.  False: no connection, or no memory;
 * close it all the same. */
bool dns_stream_open(struct dns_stream *, const struct dns_server *,
    const unsigned char *query, size_t n);
enum dns_stream_is dns_stream_go(struct dns_stream *);
/* As often as wanted; also what is all zero but for a sock of -1. */
void dns_stream_close(struct dns_stream *);
#endif
