#ifndef SPOOL_TERMINAL_TEXT_H
#define SPOOL_TERMINAL_TEXT_H
/*
 * A message as it is shown on a terminal (RFC 821 3.4): who sent it, to whom,
 * its subject, and the start of its body.  A terminal obeys control characters,
 * so none of the message's is let through but line ends.  Pure.
 */
#include "common/buf.h"
#include "common/view.h"

enum {
	TERMINAL_MAX = 4096,	 /* octets that are shown */
	TERMINAL_LINES = 60,	 /* lines of the body */
	TERMINAL_CONTENT = 16384 /* octets of a message that are looked at */
};

/* who: the user whom the queue knows, sender: the reverse-path.  out has room
 * for TERMINAL_MAX octets; lines end in CRLF, as the terminal may be raw. */
void terminal_text(struct buf *out, struct view who, struct view sender,
    struct view recipient, struct view content);
#endif
