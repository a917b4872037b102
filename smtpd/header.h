#ifndef SMTPD_HEADER_H
#define SMTPD_HEADER_H
/*
 * Looks at the header of a message (RFC 5322 2.2) while it passes by, in
 * pieces of any size, in constant memory.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/view.h"

struct header_scan {
	enum {
		HEADER_LINE, /* at the start of a line */
		HEADER_NAME,
		HEADER_VALUE,
		HEADER_DONE /* the body, or what is no header line */
	} state;
	char name[16]; /* start of the current field's name */
	size_t name_n;
	bool is_message_id;
	unsigned received; /* number of Received fields */
	bool date;	   /* there is one */
	bool message_id;
	char id[256]; /* of the message, "<...>"; may be cut */
	size_t id_n;
};

void header_init(struct header_scan *);
/* Takes content; lines may end in CRLF or LF. */
void header_scan(struct header_scan *, struct view piece);
#endif
