#ifndef POP3D_SESSION_H
#define POP3D_SESSION_H
/*
 * One POP3 session (RFC 1939) as the worker sees it.
 *
 *	AUTHORIZATION --PASS or AUTH, and the maildrop is ours--> TRANSACTION
 *	     |  QUIT, gone, timeout                                  |
 *	     v                                                       v
 *	    end: nothing is deleted <--gone, timeout, mailbox lost-- or
 *	                                  QUIT: UPDATE, by the maildrop role
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/ask_auth.h"
#include "common/conn.h"
#include "common/view.h"
#include "common/worker.h"
#include "pop3d/lang.h"
#include "pop3d/maildrop.h"

enum pop3_state { ST_AUTHORIZATION, ST_TRANSACTION };

enum next {
	NEXT_COMMAND, /* one reply was written; read on */
	NEXT_CLOSE    /* the session is over; session.why says why */
};

struct session {
	struct worker *w;
	struct conn *conn;
	enum pop3_state state;
	enum lang lang; /* of replies */
	bool utf8;      /* UTF-8 mode (RFC 6856 2.1) */
	struct maildrop drop; /* in TRANSACTION */
	bool user_known;      /* USER came, and PASS has not used it up */
	char user[AUTH_USER_MAX + 1];
	char login[AUTH_USER_MAX + 1];  /* who was tried last */
	const char *method;             /* how; NULL: nobody yet */
	char failed[AUTH_USER_MAX + 1]; /* who failed last, and how */
	const char *failed_method;
	char stamp[AUTH_STAMP_MAX + 1]; /* of the greeting; "": no APOP */
	char id[40];		       /* session=<...> of all its lines */
	int64_t started;	       /* now_ms() */
	int64_t commands, errors;
	int64_t auth_tries, auth_failures;
	bool plaintext_refused; /* a password was offered without TLS */
	bool authenticated;	/* at least once */
	bool tls_failed;
	size_t last; /* highest message accessed (RFC 1460); 0: none */
	uint64_t top_n, top_octets, retr_n, retr_octets;
	const char *why; /* how it ended; static text */
};

/* The worker's session_serve (common/worker.h). */
bool pop3_session_serve(struct worker *);

/* Passwords may be sent on this connection as it is now (RFC 2595 2.2). */
bool session_plaintext_ok(const struct session *);
/* Reads a line as conn_line() does; LINE_BARE_LF is LINE_OK here, as people at
 * a terminal send it. */
enum line_status session_line(struct session *, size_t max, struct view *out);
/* What to do when session_line() gave no line: answers what can be answered,
 * sets why. */
enum next session_no_line(struct session *, enum line_status);
/* TLS now; false: the handshake failed and why is set. */
bool session_starttls(struct session *);
/* RETR or DELE of message i (counted from 0) was carried out. */
void session_accessed(struct session *, size_t i);
/* The user has been let in: timeouts and names of TRANSACTION. */
void session_enter_transaction(struct session *);
#endif
