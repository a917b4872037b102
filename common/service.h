#ifndef COMMON_SERVICE_H
#define COMMON_SERVICE_H
/*
 * The loop of a role that answers on channels.
 *
 * A peer is one channel and what the role knows of the process behind it.
 * What a peer may ask is data: the table of its service, checked before any
 * handler runs.  One request is in flight per peer: while an answer is owed,
 * nothing more is read from it.  Peers are served round robin, one request a
 * turn.  A breach (unknown type, wrong size, out of order, fd where none is
 * allowed or none where one is needed, a request before the answer) closes that
 * channel, and nothing else happens.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/msg.h"

#define BIT(n) (1u << (n))

struct peer;

enum answer {
	ANSWER,       /* send rp, its fd too, and close that fd */
	ANSWER_NONE,  /* this request has no answer; read on */
	ANSWER_LATER, /* peer_answer() will be called for it */
	ANSWER_DROP   /* breach of the protocol: close the channel */
};

struct request {
	uint32_t type; /* below 32; also the type of the answer */
	uint32_t min, max; /* octets of fields */
	bool fd;           /* exactly one fd must come along; else none may */
	uint32_t then;     /* BIT()s of what may be asked next */
	/* rq->fd belongs to the caller unless the handler sets it to -1.  rp
	 * is started with rq's type.  The handler checks msg_done(rq). */
	enum answer (*answer)(struct peer *, struct msg *rq, struct msg *rp);
	const char *name; /* for the log */
};

struct service {
	const char *name; /* of whoever asks: "worker", "queue" */
	const struct request *requests;
	unsigned n;
	uint32_t first; /* BIT()s of what may be asked first */
	/* The channel is about to be closed: its end, or a breach.  Frees
	 * p->state and withdraws the right behind it.  May be NULL. */
	void (*gone)(struct peer *);
};

struct peer {
	int sock; /* owned */
	const struct service *service;
	uint32_t permitted; /* BIT()s of what may be asked now */
	uint32_t asked;     /* type of the request that waits for its answer */
	bool owes;          /* an answer is owed; nothing is read meanwhile */
	void *state;        /* the service's own */
	uint64_t id;        /* never used twice in this process */
	struct peer *prev, *next;
};

/* Takes sock.  The new peer lives until its channel ends.  NULL: no memory
 * (sock is closed). */
struct peer *service_add(int sock, const struct service *, void *state);
/* The peer with that id if it still lives.  For answers that come later: keep
 * the id, not the pointer. */
struct peer *service_find(uint64_t id);
/* Sends the owed answer (rp->type is set here; takes rp->fd). */
void peer_answer(struct peer *, struct msg *rp);
/* Closes the channel; calls gone. */
void peer_drop(struct peer *);

/* Other descriptors and clocks of the same loop.  A watch does not own fd. */
struct watch;
struct watch *watch_add(int fd, uint32_t epoll_events,
    void (*ready)(void *arg, uint32_t events), void *arg);
void watch_change(struct watch *, uint32_t epoll_events);
void watch_del(struct watch *); /* NULL is fine */

struct timer;
/* Calls due(arg) once, ms milliseconds from now. */
struct timer *timer_add(int64_t ms, void (*due)(void *arg), void *arg);
void timer_del(struct timer *); /* NULL is fine; not after due was called */
int64_t now_ms(void); /* monotonic */

/* Once before anything above. */
void service_init(void);
/* Runs until service_stop() was called and no peer is owed an answer. */
void service_run(void);
void service_stop(void);
/* Number of peers of that service. */
unsigned service_count(const struct service *);
#endif
