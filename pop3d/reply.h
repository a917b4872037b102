#ifndef POP3D_REPLY_H
#define POP3D_REPLY_H
/*
 * Replies (RFC 1939 3, RFC 2449 8).  A line has at most 512 octets, CRLF
 * included; a longer text is cut.  Nothing of a client's own text goes in.
 * Formats are the English texts of lang_table.c; what is sent is in the
 * language of the session.
 */
#include "pop3d/session.h"

/* +OK text.  NEXT_COMMAND. */
enum next reply_ok(struct session *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* -ERR [code] text: the command was in order, but could not be done.  code is
 * NULL for none.  NEXT_COMMAND. */
enum next reply_err(struct session *, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* -ERR text: the command itself was wrong.  After `errors_max` of them the
 * session ends: NEXT_CLOSE. */
enum next reply_bad(struct session *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The lines of a multi-line reply, behind reply_ok(), and its end.  They are
 * for programs and in no language. */
void reply_line(struct session *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
enum next reply_end(struct session *);

/* Lines of which there may be millions: written where they are gathered, and
 * sent many at a time.  After reply_list_start() has said true the caller ends
 * with reply_list_end(), or, to end the session, with reply_list_free(). */
struct reply_list {
	struct session *s;
	char *buf;  /* owned */
	char *line; /* in it: the next one */
};
enum { REPLY_TEXT = 80 };
bool reply_list_start(struct reply_list *, struct session *);
/* The line "NUMBER TEXT": the text, at most REPLY_TEXT octets, goes where this
 * points, and the line is there when reply_text_end() says how long it is. */
char *reply_number(struct reply_list *, uint64_t number);
void reply_text_end(struct reply_list *, char *text, size_t n);
/* The line "NUMBER NUMBER". */
void reply_numbers(struct reply_list *, uint64_t first, uint64_t second);
enum next reply_list_end(struct reply_list *);
void reply_list_free(struct reply_list *);
#endif
