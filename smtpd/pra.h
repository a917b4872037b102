#ifndef SMTPD_PRA_H
#define SMTPD_PRA_H
/*
 * The purported responsible address of a message (RFC 4407): who, by its
 * header, last sent it on.
 */
#include <stdbool.h>

#include "common/address.h"
#include "smtpd/header.h"

/* False: there is none, or not exactly one. */
bool pra_find(const struct header_scan *, struct address *out);
/* The only mailbox in a field's text: "Bob <bob@example.org> (comment)". */
bool pra_mailbox(struct view text, struct address *out);
#endif
