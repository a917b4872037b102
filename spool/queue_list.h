#ifndef SPOOL_QUEUE_LIST_H
#define SPOOL_QUEUE_LIST_H
/*
 * The queue as people and programs read it.  Runs in: pennyctl, sendmail.
 */
#include "spool/control_client.h"

enum queue_style {
	QUEUE_MAILQ,  /* as Postfix prints it, for what parses that */
	QUEUE_SHOW,   /* one message, with its content */
	QUEUE_JSON,   /* one object a line */
	QUEUE_COUNTS, /* messages by destination and age */
	QUEUE_QUIET   /* what could not be done only */
};

/* Asks, and prints the answer on standard output.  0 or an exit code of
 * sysexits.h.  *matched: messages. */
int queue_print(const struct control_from *, const char *question,
    enum queue_style, uint64_t *matched);
#endif
