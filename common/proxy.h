#ifndef COMMON_PROXY_H
#define COMMON_PROXY_H
/*
 * The header that a proxy puts in front of a connection: the PROXY protocol,
 * versions 1 (a line of text) and 2 (binary), as published with HAProxy
 * (proxy-protocol.txt).  Pure.
 */
#include <stdbool.h>
#include <stddef.h>

enum {
	PROXY_V1_MAX = 107,   /* octets of a version 1 header, CRLF included */
	PROXY_MAX = 16 + 2048 /* of a version 2 header: more TLVs than this is
			       * no use of it that we know */
};

enum proxy_state {
	PROXY_MORE, /* the header is not complete */
	PROXY_DONE,
	PROXY_BAD /* this is no header: drop the connection */
};

struct proxy_header {
	/* False: the proxy speaks for itself (LOCAL), or does not know (UNKNOWN
	 * and families other than TCP): the connection's own addresses are
	 * true. */
	bool known;
	unsigned char source[16], destination[16]; /* IPv4 mapped */
	unsigned source_port, destination_port;
};

/* Looks at the first n octets that came.  PROXY_MORE: *want more octets belong
 * to the header for sure, 1 at least; whoever takes no more than that never
 * takes an octet that is behind it.  PROXY_DONE: all n are the header. */
enum proxy_state proxy_parse(
    const void *octets, size_t n, size_t *want, struct proxy_header *out);
#endif
