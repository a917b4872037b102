#ifndef SPOOL_DSN_TEXT_H
#define SPOOL_DSN_TEXT_H
/* The parts of a report (see dsn.h), each with lines that end in CRLF. */
#include "spool/dsn.h"

/* For people: what happened, in plain words. */
void dsn_text_people(struct buf *out, const struct dsn *);
/* For programs: RFC 3464 2, or with global RFC 6533 4.1. */
void dsn_text_status(struct buf *out, const struct dsn *, bool global);
/* The subject of the report. */
const char *dsn_text_subject(const struct dsn *);
/* Text of a field of the header, unfolded, if it is printable and short enough
 * for out; else out is "" and the answer false. */
bool dsn_text_field(
    struct view header, const char *name, char *out, size_t size);
#endif
