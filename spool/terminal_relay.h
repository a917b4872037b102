#ifndef SPOOL_TERMINAL_RELAY_H
#define SPOOL_TERMINAL_RELAY_H
/* QUEUE_TERMINAL and QUEUE_LOCAL of ask_queue.h.  Runs in: queue. */
#include "common/service.h"

/* Asks deliver; who is the user who asks, as the queue knows it. */
enum answer terminal_relay(
    struct peer *, const char *who, struct msg *rq, struct msg *rp);
/* Is fd a client's connection to a Unix socket of ours?  Then who is "uid N".
 * A worker cannot make such a socket: it is accepted from a listener, or it
 * has no name. */
bool terminal_local_client(int fd, char *who, size_t size);
#endif
