#ifndef SMTPD_SOLICIT_H
#define SMTPD_SOLICIT_H
/*
 * Solicitation class keywords, RFC 3865: "net.example:ADV,org.example:ADV".
 */
#include <stdbool.h>

#include "common/view.h"

/* Words joined by commas, at most 1000 octets (2.2). */
bool solicit_valid(struct view v);
/* The first word of list that is also in unwanted, without regard to case; both
 * may have blanks around their words.  Empty: none. */
struct view solicit_match(struct view list, struct view unwanted);
#endif
