#ifndef SMTPD_SMTP_REPLY_H
#define SMTPD_SMTP_REPLY_H
/*
 * The reply of another server (RFC 5321 4.2), line by line.  Pure; what it says
 * is hostile: it is bounded, and its text is made one printable line.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/view.h"

enum {
	SMTP_REPLY_TEXT = 400,	 /* octets kept, NUL included */
	SMTP_REPLY_DSN = 12,
	SMTP_REPLY_LINES = 200,	 /* of one reply */
	SMTP_REPLY_OCTETS = 65536
};

struct smtp_reply {
	unsigned code;		  /* 200 to 599; 0: none yet */
	char dsn[SMTP_REPLY_DSN]; /* of its class always; "5.0.0" where the
				   * server said none */
	char text[SMTP_REPLY_TEXT]; /* "550 5.1.1 No such user" */
	unsigned lines;
	size_t octets, text_n;
};

enum smtp_reply_is {
	SMTP_REPLY_MORE,
	SMTP_REPLY_END,
	SMTP_REPLY_BAD /* no SMTP reply, or too much of one */
};

void smtp_reply_start(struct smtp_reply *);
/* One line, without its end.  *text: what is behind the code; borrowed. */
enum smtp_reply_is smtp_reply_line(
    struct smtp_reply *, struct view line, struct view *text);
/* Replaces it by words of ours. */
void smtp_reply_set(struct smtp_reply *, unsigned code, const char *dsn,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* An enhanced status code (RFC 3463) at the start of v, of that class: its
 * octets; 0: none. */
size_t smtp_reply_dsn(struct view v, char class);
#endif
