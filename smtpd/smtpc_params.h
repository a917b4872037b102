#ifndef SMTPD_SMTPC_PARAMS_H
#define SMTPD_SMTPC_PARAMS_H
/*
 * Which parameters of MAIL and RCPT go on to a server, and whether it can take
 * the message at all.  Pure.  Runs in: sender.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "smtpd/smtp_reply.h"
#include "spool/ask_relay.h"

/* What the server's EHLO offers. */
enum {
	CAP_PIPELINING = 1,
	CAP_SIZE = 2,
	CAP_8BITMIME = 4,
	CAP_SMTPUTF8 = 8,
	CAP_DSN = 16,
	CAP_CHUNKING = 32,
	CAP_STARTTLS = 64,
	CAP_REQUIRETLS = 128,
	CAP_AUTH = 256,
	CAP_ESMTP = 512 /* it knew EHLO */
};

struct smtpc_caps {
	unsigned bits;
	unsigned long long size_max; /* 0: not told */
	char auth[256];		     /* mechanisms */
};

/* What a message needs. */
struct smtpc_needs {
	uint64_t size;
	bool eight_bit, header_utf8;
	/* What is known of a form of it in ASCII (smtpc_content.h): its size,
	 * and why there is none; NULL: there is one. */
	uint64_t ascii_size;
	const char *ascii_stuck;
	bool require_tls; /* RFC 8689; of a report, as far as that can be */
	/* It is from <>: nobody would hear that it did not arrive, so it is
	 * never refused for what may as well be left out or replaced. */
	bool report;
};

/* One line of an EHLO reply, the first excepted. */
void smtpc_caps_line(struct smtpc_caps *, struct view line);
/* Is that keyword in the parameters of a record?  *value: what it has. */
bool smtpc_param(struct view params, const char *keyword, struct view *value);
/* Whether this server can take it.  False: r says why never. */
bool smtpc_can_take(const struct smtpc_caps *, const struct relay_request *,
    const struct smtpc_needs *, struct smtp_reply *r);
/* Adds " SIZE=1234 BODY=8BITMIME ...". */
void smtpc_mail_params(const struct smtpc_caps *, struct view params,
    const struct smtpc_needs *, bool utf8, struct buf *out);
void smtpc_rcpt_params(
    const struct smtpc_caps *, struct view params, struct buf *out);
/* Does an address of it, or its header, need SMTPUTF8 (RFC 6531)?  An address
 * that has a form in ASCII, as only its domain is none, does not. */
bool smtpc_needs_utf8(
    const struct relay_request *, const struct smtpc_needs *);
/* Must it go in ASCII, as the server takes nothing else (RFC 6152 3)? */
bool smtpc_seven_bit(const struct smtpc_caps *, const struct smtpc_needs *);
#endif
