#ifndef POP3D_POPLOG_H
#define POP3D_POPLOG_H
/*
 * The lines of a session in the log, in Dovecot's shapes, which fail2ban and
 * logwatch read.  Names that a client typed are cleaned.
 */
#include "common/status.h"
#include "pop3d/session.h"

/* The password was right. */
void poplog_login(const struct session *);
/* But the maildrop was not to be had. */
void poplog_no_maildrop(const struct session *, enum status, const char *text);
/* It cannot be read any more. */
void poplog_lost(const struct session *, enum status);
/* So many messages went because they were older than `expire`. */
void poplog_expired(const struct session *, size_t n);
/* The session was in TRANSACTION and is at its end: while the maildrop is still
 * open.  st: of the update, if there was one, else OK. */
void poplog_logout(
    const struct session *, bool update, enum status st, const char *text);
/* It ended in AUTHORIZATION. */
void poplog_no_login(const struct session *);
#endif
