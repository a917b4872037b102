#ifndef SMTPD_SMTPC_CONTENT_H
#define SMTPD_SMTPC_CONTENT_H
/*
 * The content of a queued message on its way out.  Its lines end in CRLF; what
 * else there is of CR and LF would be read as a line end by some and not by
 * others, so an LF alone becomes CRLF, a CR alone a blank.  All else leaves
 * octet for octet, but for a server that takes 7 bits only.  Runs in: sender.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/conn.h"

enum smtpc_form {
	SMTPC_AS_IS,
	SMTPC_CONVERTED, /* what is not ASCII is encoded (seven_bit.h) */
	SMTPC_ASCII	 /* it goes as '?' */
};

struct smtpc_content {
	int fd; /* borrowed */
	uint64_t offset, length;
	enum smtpc_form form; /* how it is written */
	/* found by smtpc_content_scan */
	bool eight_bit;	 /* an octet beyond ASCII */
	bool header_utf8; /* in the header */
	bool strays;	 /* CR or LF alone, or no CRLF at the end */
	bool tls_optional; /* "TLS-Required: No" (RFC 8689 3) */
	/* found by smtpc_content_convertible */
	bool looked;
	const char *stuck;	   /* why it cannot be converted, or NULL */
	uint64_t converted_length; /* octets of it then */
};

/* Looks at all of it.  False: it cannot be read. */
bool smtpc_content_scan(struct smtpc_content *);
/* Finds out, once, whether it can be converted.  False: it cannot be read. */
bool smtpc_content_convertible(struct smtpc_content *);
/* Writes it for DATA: dots are stuffed; the line "." is not written.  False: it
 * cannot be read, and must not be ended as if it were whole. */
bool smtpc_content_data(const struct smtpc_content *, struct conn *);
/* Writes it as it is (SMTPC_AS_IS), for BDAT. */
bool smtpc_content_raw(const struct smtpc_content *, struct conn *);
#endif
