#ifndef SPOOL_JSON_H
#define SPOOL_JSON_H
/* JSON (RFC 8259) on standard output.  Runs in: pennyctl, sendmail. */
#include <stdbool.h>

#include "common/view.h"

/* What stands between the quotes; utf8: v is, else its octets beyond ASCII are
 * written by their numbers. */
void json_octets(struct view v, bool utf8);
/* A string, with its quotes. */
void json_text(struct view v);
#endif
