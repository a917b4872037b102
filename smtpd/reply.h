#ifndef SMTPD_REPLY_H
#define SMTPD_REPLY_H
/*
 * Replies (RFC 5321 4.2).  A handler ends in "return reply(...)": one reply to
 * each command.
 */
struct session;

/* What a command's handler wants next. */
enum next {
	NEXT_COMMAND,
	NEXT_CLOSE, /* the last reply was said: close */
	NEXT_LOST   /* the client is gone; there is nobody to reply to */
};

/* The one reply to a command: code, enhanced code (RFC 2034; NULL for those
 * that have none), one line of text in which whatever is not printable ASCII
 * becomes '?'.  Counts errors (5yz); one too many makes it a 421.  The result
 * is what the handler returns: NEXT_CLOSE after 221 and 421. */
enum next reply(struct session *, int code, const char *enhanced,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* A line before the last one of a multi-line reply. */
void reply_more(struct session *, int code, const char *enhanced,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The same as reply(), and logs that the command was rejected, in the shape
 * that log readers know.  to: the recipient; NULL: none. */
enum next reject(struct session *, const char *to, int code,
    const char *enhanced, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
#endif
