#ifndef SMTPD_SEND_H
#define SMTPD_SEND_H
/*
 * SEND, SOML and SAML (RFC 821 3.4): messages on the terminals of users, which
 * the queue writes to (spool/svc_terminal.h).
 */
#include <stdbool.h>

#include "common/view.h"
#include "smtpd/content.h"
#include "smtpd/session.h"

/* Has that user a terminal that takes messages? */
bool send_active(struct session *, const char *address);
/* The start of the message, which is all that is shown; borrowed until the next
 * call. */
struct view send_text(const struct content *);
/* Shows it to the user at that address, and logs that. */
bool send_to(struct session *, const char *address, const char *delivered_to,
    struct view text);
#endif
