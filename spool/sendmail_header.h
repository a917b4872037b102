#ifndef SPOOL_SENDMAIL_HEADER_H
#define SPOOL_SENDMAIL_HEADER_H
/*
 * The header of a message that a program of this host hands in: what is in it,
 * whom it names as recipients, and the header as it leaves: without Bcc and
 * Resent-Bcc, folded lines and all, and with what is missing.
 *
 *	struct mail_header h;
 *	mail_header_init(&h);
 *	while (!mail_header_feed(&h, octets, at_end)) ...;
 *	mail_header_recipients(&h, each, arg);
 *	mail_header_print(&h, &what_to_add, &out);
 *	... then mail_header_body(&h), and the rest of the input
 *
 * Octets have lines that end in CRLF (sendmail_input.h).  The header ends at an
 * empty line, or where a line is neither a field nor its continuation: a
 * message without any header is one.  A first line "From ..." is a mailbox'
 * separator and is left out.
 *
 * Pure, bounded, and what is parsed is hostile.
 */
#include <stdbool.h>

#include "common/buf.h"
#include "common/view.h"

enum { MAIL_HEADER_MAX = 1024 * 1024 }; /* octets */

struct mail_header {
	struct buf in; /* all that was fed */
	size_t line;   /* begin of the line that is looked at next */
	size_t field;  /* begin of the field at hand */
	size_t end;    /* of the last field */
	size_t body;   /* what is behind the header */
	bool in_field;
	bool done;
	bool too_long;
	bool from, date, message_id; /* there are such fields */
	bool resent; /* there is a Resent- field: RFC 5322 3.6.6 */
	bool resent_from, resent_date, resent_message_id;
};

void mail_header_init(struct mail_header *);
/* True: the header has ended.  too_long: it has not, and is too long. */
bool mail_header_feed(struct mail_header *, struct view, bool at_end);
/* What was fed and is no header. */
struct view mail_header_body(const struct mail_header *);
/* Calls each() for every list of addresses in To, Cc, Bcc; where there are
 * Resent- fields, in those instead (RFC 5322 3.6.6: the others are history). */
void mail_header_recipients(const struct mail_header *,
    void (*each)(void *arg, struct view list), void *arg);

/* Values for fields that are missing; no line ends in them. */
struct mail_header_add {
	const char *from, *date, *message_id;
	const char *origin; /* the domain of addresses without one, in the
			     * fields of people; NULL: they stay as they are */
};
/* The header as it leaves, and the empty line. */
void mail_header_print(const struct mail_header *,
    const struct mail_header_add *, struct buf *out);
void mail_header_free(struct mail_header *);

/* "Name <address>" for a From field: quoted, or encoded (RFC 2047) where it
 * must be; the address alone where the name cannot be used. */
void mail_from_print(
    struct view name, const char *address, char *out, size_t size);
#endif
