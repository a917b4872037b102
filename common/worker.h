#ifndef COMMON_WORKER_H
#define COMMON_WORKER_H
/*
 * What a worker is when it has accepted a client: a process that may read and
 * write that one socket, ask questions on its channels, and nothing else.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/ask_auth.h"
#include "common/conn.h"
#include "common/role.h"
#include "common/settings.h"

struct worker {
	const struct settings *settings;
	const struct listener *listener; /* on which the client came */
	struct tls_server *tls;          /* NULL: no certificate */
	int chan[ROLE__N]; /* question channel to each role; -1: none so far.
			    * worker_channel() gives them. */
	uint32_t given;    /* BIT()s of roles: no use asking the pool again */
	int ctl;           /* to the pool */
	bool inetd;
	uint32_t slot;     /* number of this worker; unique while it lives */
	uint64_t served;   /* sessions before this one */
	/* Numeric address of the client, for logs and limits; as a trusted
	 * proxy announced it, if there was one.  "local": a Unix socket;
	 * "unknown": not a socket. */
	char client[64];
	char client_port[8];
	char local[64];    /* the address the client came to */
	char peer[64];     /* the other end of the connection: rights by address
			    * are this one's, whatever was announced */
	bool local_user;   /* it is a Unix socket, and local_uid is at its
			    * other end */
	uid_t local_uid;
	bool over_limit;   /* the pool said: too many from this address */
	bool too_fast;     /* ... and that it is how often it came or sent, */
	unsigned came;     /* namely so many times of late */
	char user[64];     /* who has logged in, for the title; else "" */
	bool asked, refused; /* the pool's answer is waited for; it said no */
	unsigned late;	     /* answers that were not waited for any more */
	bool end_soon;     /* an order to end came meanwhile */
	bool stopping;     /* this process serves nobody after this client */
	bool finishing;    /* the server stops: end when no transaction is
			    * under way (RFC 5321 3.8) */
	struct conn conn;
};

/*
 * Serves one client on w->conn, which is open and plain, from greeting to end
 * (implicit TLS included), logs connect and disconnect, and closes the
 * connection.  Returns true when this process may serve another client: this
 * one neither authenticated, nor used TLS, nor misbehaved, and all channels
 * are in order.  smtpd/session.c and pop3d/session.c each have one.
 */
typedef bool session_serve(struct worker *w);

/* For conn.stop: reads what the pool has to say.  True when the session must
 * end at its next command (421; RFC 5321 3.8): over the limit, or the grace
 * time is near its end. */
bool worker_stop(void *worker);
/* The channel to ask that role on, for which the pool is asked the first time;
 * it uses scratch.  -1: there is none, and a question on it fails, as it does
 * when the role has gone. */
int worker_channel(struct worker *, enum role_id);
/* For questions to auth about the client. */
static inline struct auth_client
worker_auth_client(struct worker *w)
{
	return (struct auth_client){ worker_channel(w, ROLE_AUTH), w->conn.fd,
		w->client };
}
/* A trusted client says that it speaks for another (XCLIENT): from now on that
 * one counts.  key: 16 octets, IPv4 mapped. */
void worker_announce(struct worker *, const char *client, const char *port,
    const unsigned char key[16]);
/* One more message from this client: false if it sends too many. */
bool worker_message(struct worker *);
/* What the pool counts, if somebody may ask it (pool_control.h). */
enum worker_event {
	WORKER_MESSAGE,	     /* a message was taken */
	WORKER_LOGIN,	     /* a user has logged in */
	WORKER_AUTH_FAILURE, /* ... or has not */
	WORKER_EVENT__N
};
void worker_event(struct worker *, enum worker_event);
/* A user has logged in: counts it, and shows who it is with the next title. */
void worker_login(struct worker *, const char *user);
/* Shows in ps what the worker does: "smtpd: worker 192.0.2.1 DATA alice".  */
void worker_title(struct worker *, const char *what);
#endif
