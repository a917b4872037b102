#ifndef SMTPD_HEADER_H
#define SMTPD_HEADER_H
/*
 * Looks at the header of a message (RFC 5322 2.2) while it passes by, in
 * pieces of any size, in constant memory.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/view.h"

/* Fields whose text is kept, the first that is not empty of each. */
enum header_kept {
	HEADER_RESENT_SENDER,
	HEADER_RESENT_FROM,
	HEADER_SENDER,
	HEADER_FROM,
	HEADER_SOLICITATION,
	HEADER_KEPT
};
enum { HEADER_TEXT_MAX = 1000 };

struct header_field {
	char text[HEADER_TEXT_MAX]; /* unfolded */
	size_t n;
	unsigned more; /* fields of that name behind it */
	bool cut;      /* it is longer than text */
};

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
	struct header_field kept[HEADER_KEPT];
	struct header_field *keeping; /* the field at hand is one of them */
	/* Between Resent-From and Resent-Sender was a Received field: they
	 * are not of the same resending (RFC 4407 2). */
	bool resent_apart;
};

struct view header_text(const struct header_scan *, enum header_kept);
void header_init(struct header_scan *);
/* Takes content; lines may end in CRLF or LF. */
void header_scan(struct header_scan *, struct view piece);
#endif
