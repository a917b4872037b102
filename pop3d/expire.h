#ifndef POP3D_EXPIRE_H
#define POP3D_EXPIRE_H
/*
 * Retention on the server (RFC 2449 6.7): where `expire` is configured, the
 * messages that are older go at the next update of their owner's session, and
 * only then.
 */
#include <stddef.h>
#include <stdint.h>

#include "pop3d/maildrop.h"

/* Marks the messages whose From_ line says that they came more than so many
 * days before now (seconds since 1970); *n: how many.  The line names no time
 * zone that could be relied on, so that a message may stay a day longer, never
 * shorter.  Status as maildrop_read(). */
enum status expire_mark(
    struct maildrop *, int64_t days, int64_t now, size_t *n);
#endif
