#ifndef SMTPD_SENDER_H
#define SMTPD_SENDER_H
/*
 * One request of the queue carried out: the way, the hosts, the connection,
 * and what became of each recipient.  Keeps the connection for the next one.
 * Runs in: sender.
 */
#include <stdbool.h>

#include "common/settings.h"
#include "common/tls_client.h"
#include "spool/ask_relay.h"

struct sender_means {
	const struct settings *settings;
	struct tls_client *tls;
	const char *secret; /* of the smarthost; "" = none */
	/* Connects to a Unix socket by its path; -1.  This process cannot: its
	 * root is empty. */
	int (*connect_local)(const char *path);
};
void sender_init(const struct sender_means *);
/* fd: of the content; borrowed. */
void sender_run(struct relay_request *, int fd, struct relay_answer *head);
/* Milliseconds until a kept connection is to be closed; -1: there is none. */
int sender_kept_ms(void);
/* Closes a kept connection, if any. */
void sender_end(void);
#endif
