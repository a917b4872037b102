#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H
/*
 * One SMTP session: what a worker knows about the client it serves.
 *
 *              HELO EHLO         MAIL            RCPT
 *   ST_NEW ---------------> ST_READY ---> ST_MAIL ---> ST_RCPT --+
 *     ^                        ^  ^                       |      | RCPT
 *     |  STARTTLS              |  |  RSET EHLO HELO       +<-----+
 *     +------------------------+  +-----------------------+
 *                                 |  DATA, BDAT LAST,     | BDAT
 *                                 |  whatever came of it  v
 *                                 +------------------- ST_BDAT
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/address.h"
#include "common/passdb.h"
#include "common/worker.h"
#include "smtpd/reply.h"
#include "smtpd/transaction.h"

enum state {
	ST_NEW = 1,   /* no HELO yet */
	ST_READY = 2, /* no mail transaction */
	ST_MAIL = 4,  /* a reverse-path, no forward-path yet */
	ST_RCPT = 8,  /* at least one forward-path */
	ST_BDAT = 16, /* a chunk of the content, more to come */
	ST_ANY = 31
};

enum {
	SMTP_LINE_MAX = 2048, /* octets of a command line, CRLF included: RFC
			       * 5321 4.5.3.1.4 wants 512, extensions add to
			       * it */
	SMTP_COUNTS = 32      /* rows of the command table, and one more */
};

struct session {
	struct worker *w;
	struct conn *c;
	const struct settings *set;
	enum state state;
	bool esmtp; /* EHLO, not HELO */
	bool tls;
	bool bare_lf;	   /* the command at hand ended in LF alone */
	bool lf_only;	   /* the client has sent no CR so far: a person whose
			    * program sends LF alone (spool/wire.h) */
	bool verbose;	   /* VERB */
	bool pipelined;	   /* commands have come in groups */
	bool spent;	   /* this process shall serve nobody else: it has
			    * seen secrets or nonsense */
	bool data_refused; /* what comes now may be content */
	const char *verb;  /* of the last command, for the log */
	int code;	   /* of the last reply */
	unsigned errors, auth_failures;
	uint64_t mails;	    /* MAIL commands, good or bad */
	bool lmtp;	    /* RFC 2033: the listener says so */
	bool each_answered; /* several replies to one command: LMTP's, to the
			     * end of data; none of them counts as an error */
	bool utf8_reply;     /* the reply at hand may be UTF-8 (RFC 6531
			      * 3.7.4.2) */
	char name[ADDR_DOMAIN_MAX + 1];	   /* of the client: "localhost",
					    * "unknown" */
	char client[ADDR_DOMAIN_MAX + 80]; /* "unknown[192.0.2.1]", for logs
					    * and trace */
	bool proved;	 /* to the queue, which local user this is */
	bool name_later; /* DNS could not tell the name */
	char listed[ADDR_DOMAIN_MAX + 1]; /* by that DNS blocklist, or "" */
	char original[400]; /* XFORWARD, as it stands in the log, or "" */
	char helo[ADDR_DOMAIN_MAX + 1]; /* harmless in header and log */
	char user[USER_NAME_MAX];	/* who authenticated, else "" */
	const char *mechanism;		/* and how */
	int right; /* channel to queue as that user, else -1; owned */
	struct transaction t;
	struct {
		unsigned good, all;
	} count[SMTP_COUNTS]; /* by row of the command table; the last for
			       * commands not in it */
};

/* The worker's session_serve (common/worker.h). */
bool smtp_session_serve(struct worker *);

/* Reads like conn_line or conn_some, and remembers how the client's lines end
 * (lf_only). */
typedef enum line_status conn_reader(struct conn *, size_t max, struct view *);
enum line_status session_read(
    struct session *s, conn_reader *reader, size_t max, struct view *out);
/* More input is there already: commands come in a group.  Does not look at the
 * socket. */
bool session_buffered(const struct session *);
/* Logs why a line or content could not be read, says 421 if there is somebody
 * to hear it, and ends the session. */
enum next session_broken(struct session *, enum line_status);
/* Handshake.  NEXT_LOST: it failed, and is logged. */
enum next session_start_tls(struct session *);
/* Something worth the while was done: the clock of session_timeout starts
 * anew. */
void session_progress(struct session *);
/* The queue's channel as whoever the client is. */
int session_queue(const struct session *);
/* "ESMTPSA" and so on, RFC 3848. */
const char *session_protocol(const struct session *);
/* Greets the client, or refuses it: at first, and after XCLIENT. */
enum next session_greet(struct session *);
/* Sets name and client from what the worker knows. */
void session_name_client(struct session *);
/* The listener is for those who submit (RFC 6409)? */
bool session_submission(const struct session *);
/* May the client know who is here (cmd_vrfy.c)? */
bool session_may_verify(const struct session *);
/* May it know what becomes of its messages: a user, or a client of this
 * host? */
bool session_may_watch(const struct session *);
/* May a password be sent over this connection? */
bool session_password_ok(const struct session *);

#endif
