#ifndef SMTPD_SMTPC_CONTENT_H
#define SMTPD_SMTPC_CONTENT_H
/*
 * The content of a queued message on its way out.  Its lines end in CRLF; what
 * else there is of CR and LF would be read as a line end by some and not by
 * others, so an LF alone becomes CRLF, a CR alone a blank.  All else leaves
 * octet for octet.  Runs in: sender.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/conn.h"

struct smtpc_content {
	int fd; /* borrowed */
	uint64_t offset, length;
	bool ascii; /* octets beyond it go as '?' */
	/* found by smtpc_content_scan */
	bool eight_bit;	 /* an octet beyond ASCII */
	bool header_utf8; /* in the header */
	bool strays;	 /* CR or LF alone, or no CRLF at the end */
	bool tls_optional; /* "TLS-Required: No" (RFC 8689 3) */
};

/* Looks at all of it.  False: it cannot be read. */
bool smtpc_content_scan(struct smtpc_content *);
/* Writes it for DATA: dots are stuffed; the line "." is not written.  False: it
 * cannot be read, and must not be ended as if it were whole. */
bool smtpc_content_data(const struct smtpc_content *, struct conn *);
/* Writes it as it is, for BDAT. */
bool smtpc_content_raw(const struct smtpc_content *, struct conn *);
#endif
