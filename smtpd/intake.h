#ifndef SMTPD_INTAKE_H
#define SMTPD_INTAKE_H
/*
 * The one message that is coming in, by DATA or in chunks by BDAT: from the
 * trace header to what became of it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/view.h"
#include "smtpd/session.h"

/* Begins the content of the transaction at hand. */
void intake_begin(struct session *);
void intake_add(struct session *, struct view piece);
/* Nothing that comes can be used any more; the rest is thrown away. */
void intake_fail(struct session *, enum status);
/* Waits for content.  *out has at most max octets.  As session_read. */
enum line_status intake_read(struct session *, size_t max, struct view *out);
/* Was something of it refused already?  Then *next answers the command. */
bool intake_refused(struct session *, enum next *next);
/* All of it came: answers, and ends the transaction. */
enum next intake_end(struct session *);
/* Forgets what came. */
void intake_drop(void);
/* The same, and gives back its memory. */
void intake_free(void);
#endif
