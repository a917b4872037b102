#ifndef SPOOL_HANDOUT_LOG_H
#define SPOOL_HANDOUT_LOG_H
/*
 * What the queue logs of a message, in the shapes that existing tools read.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/status.h"
#include "spool/envelope.h"

/* How one attempt at one recipient ended.  Times of day in microseconds; 0: it
 * did not come so far. */
struct attempt {
	enum status status; /* OK: somebody else answers for it now */
	bool failed;	    /* for good: it will never work */
	const char *text;   /* why not; may be "" */
	const char *dsn;    /* "4.4.1"; NULL: as the status says */
	const char *relay;  /* the host it went to; NULL: this one */
	bool lmtp;	    /* ... by LMTP */
	bool reply;	    /* text is that host's reply, not ours */
	bool expanded;	    /* OK: into other recipients (RFC 3461 5.2.7) */
	bool dsn_passed_on; /* OK: whoever has it now tells the sender what he
			     * wants to know (5.2.1, 5.2.7.2) */
	uint64_t held; /* not OK: only as that place is down (turns_tag) */
	int64_t active_us, began_us, opened_us;
};

/* ID: from=<a@b>, size=512, nrcpt=2 (queue active) */
void handout_log_active(const struct envelope *);
/* ID: to=<b@c>, orig_to=<b>, relay=local, delay=0.12, delays=0.1/0.01/0/0.01,
 * dsn=2.0.0, status=sent (delivered to mailbox) */
/* ... relay=mx.example.net[192.0.2.1]:25, ..., status=bounced (550 No) */
/* The domain of users who forward to commands and files; borrowed. */
void handout_log_domain(const char *);
void handout_log_attempt(
    const struct envelope *, unsigned rcpt, const struct attempt *);
/* Its enhanced status code (RFC 3463). */
const char *attempt_dsn(const struct attempt *);
/* Appends a duration with two digits that mean something: "0.12", "1.3", "30",
 * "0"; public for its test. */
void handout_log_delay(struct buf *out, int64_t us);
#endif
