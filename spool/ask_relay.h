#ifndef SPOOL_ASK_RELAY_H
#define SPOOL_ASK_RELAY_H
/*
 * One message to recipients of one destination elsewhere.  Runs in: queue (it
 * asks) and sender (it answers).
 *
 * The queue has a channel to each of the relay's children, made as to deliver:
 * introduce(peer[ROLE_RELAY], INTRO_QUEUE).  Behind each channel is one child,
 * made for it, which ends when the channel does.  The relay makes at most
 * relay_processes of them; the one too many is closed at once, without an
 * answer.
 *
 *   queue --RELAY_SEND + fd--> child --SMTP--> the world
 *   queue <----outcomes------- child
 *
 * RELAY_SEND, with an fd of a regular file, open for reading: str nexthop
 *   (common/nexthop.h), str queue id, str sender ("" = <>), str parameters of
 *   MAIL as the record has them ("RET=HDRS ENVID=x"; may be ""), u64 offset and
 *   u64 length of the content in the file, then for each recipient str address,
 *   str parameters of RCPT as the record has them, up to the end.
 *   Content is as in a record: lines end in CRLF, no dot is stuffed.
 * Answer: u32 verdict, u32 bits (RELAY_B_*), str remote, u64 microseconds until
 *   MAIL could be said (DNS, connecting, TLS, EHLO), u64 of the rest, then for
 *   each recipient, in the same order: u32 outcome, u32 whether the text is the
 *   server's reply, str enhanced status code, str text.
 *
 * What was answered SENT was answered 2xx by the next server; no more is done
 * for it here.  If the child dies, or the answer does not come, nothing is
 * known and all are to be tried again.  An answer may take RELAY_WAIT_MAX.
 *
 * A child keeps its connection for the next message to the same nexthop, for
 * RELAY_KEEP_MS, so messages of one destination are best sent on the channel
 * that has just sent one there.
 *
 * The child ends a channel that was idle when the relay is to stop or has new
 * settings: it takes nothing more first (sending fails with EPIPE), so nothing
 * is lost in it.  RELAY_B_LAST: it will not take another one.  The queue has
 * then been given, or soon will be, a new introductions' channel.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/msg.h"
#include "common/nexthop.h"
#include "common/view.h"
#include "spool/ask_deliver.h"
#include "spool/envelope.h"

enum { RELAY_SEND = 1 };
enum {
	RELAY_RCPT_MAX = 100, /* recipients of one request */
	RELAY_TEXT_MAX = 400, /* octets of a text, its NUL included */
	RELAY_REMOTE_MAX = 320,
	RELAY_DSN_MAX = 12,  /* "5.123.123" */
	RELAY_KEEP_MS = 5000, /* an unused connection */
	/* The waits of RFC 5321 4.5.3.2 add up to more, if a server drips; what
	 * takes longer than this is taken for dead. */
	RELAY_WAIT_MAX = 60 * 60 * 1000
};

enum relay_outcome {
	RELAY_SENT,
	RELAY_DEFERRED, /* try again */
	RELAY_BOUNCED	/* will never work */
};

/* What the destination is like, for all messages to it. */
enum relay_verdict {
	RELAY_WORKS,
	RELAY_BUSY, /* it takes nothing at this moment: 421, 451 to the
		     * greeting; fewer at once may do */
	RELAY_DOWN  /* it was not reached, nor was any of its hosts */
};

enum {
	/* The server has DSN (RFC 3461): it was told of NOTIFY, RET, ENVID and
	 * ORCPT, and reports on those that are SENT. */
	RELAY_B_DSN = 1,
	/* No further request on this channel. */
	RELAY_B_LAST = 2,
	/* The connection was there already. */
	RELAY_B_REUSED = 4
};

struct relay_result {
	enum relay_outcome outcome;
	char dsn[RELAY_DSN_MAX];   /* "2.0.0", "4.4.1", "5.1.1": always fits the
				    * outcome */
	char text[RELAY_TEXT_MAX]; /* one line of printable ASCII or UTF-8:
				    * "250 2.0.0 Ok: queued as 1234", or our
				    * own: "connect to ...: refused" */
	bool remote;		   /* text is the server's reply */
};

struct relay_answer {
	enum relay_verdict verdict;
	uint32_t bits;
	char remote[RELAY_REMOTE_MAX]; /* "mx.example.org[192.0.2.1]:25", or
					* "none": no host was reached */
	int64_t setup_us, send_us;
	unsigned n;
	struct relay_result rcpt[RELAY_RCPT_MAX];
};

/* ---- the queue's side ---- */

/* Starts m.  The strings must be without NUL.  fd is borrowed; m->fd is it.
 * Then relay_put_rcpt for each recipient; false: it does not fit any more, and
 * nothing was added: what is in m may be sent, the others by another
 * request. */
void relay_put_send(struct msg *m, const char *nexthop, struct view id,
    struct view sender, struct view params, int fd, uint64_t offset,
    uint64_t length);
bool relay_put_rcpt(struct msg *m, struct view address, struct view params);
/* Reads the answer to a request with n recipients.  False: it made no sense;
 * the channel is useless. */
bool relay_got(struct msg *m, unsigned n, struct relay_answer *);

/* ---- the child's side ---- */

enum { RELAY_PARAMS_MAX = 1100 };

struct relay_rcpt {
	const char *address, *params; /* inside text */
	struct relay_result result;
};
struct relay_request {
	char nexthop[NEXTHOP_MAX];
	char id[QUEUE_ID_MAX];
	char sender[ENVELOPE_VALUE_MAX + 1];
	char params[RELAY_PARAMS_MAX];
	uint64_t offset, length;
	unsigned n;
	struct relay_rcpt rcpt[RELAY_RCPT_MAX];
	char text[MSG_DATA_MAX]; /* the recipients' strings */
};
/* Checks all of it; m->fd is left to the caller.  False: malformed. */
bool relay_read(struct msg *m, struct relay_request *);
/* Fills rp, which was started.  The outcomes are those in the recipients of the
 * request; head->rcpt and head->n do not count. */
void relay_put_answer(struct msg *rp, const struct relay_answer *head,
    const struct relay_request *);
#endif
