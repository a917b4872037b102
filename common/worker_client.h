#ifndef COMMON_WORKER_CLIENT_H
#define COMMON_WORKER_CLIENT_H
/* Who is the client?  Parts of worker.c. */
#include "common/worker.h"

/* Sets w->client and its like from the socket. */
void client_meet(struct worker *w, int fd);
/* Reads the header of the PROXY protocol from w->conn, and believes it.
 * False: there was none; it is logged, and the connection is to be closed
 * without a word.  *known: w->client and key were changed. */
bool client_proxied(struct worker *w, unsigned char key[16], bool *known);
#endif
