#ifndef SMTPD_PARAMS_H
#define SMTPD_PARAMS_H
/*
 * Parameters of MAIL and RCPT (RFC 5321 4.1.2: Mail-parameters), driven by a
 * table.
 */
#include <stdbool.h>

#include "common/view.h"
#include "smtpd/session.h"

struct param {
	const char *keyword;
	bool has_value;
	/* Takes the value.  False: the command was answered. */
	bool (*take)(struct session *, struct view value, enum next *next);
	bool utf8; /* the value may hold characters outside ASCII */
};

/* Takes all of v.  True: all is well.  False: the command was answered, and
 * *next says what is next. */
bool params_take(struct session *, struct view v, const struct param *table,
    size_t n, enum next *next);
/* Answers "501 5.5.4 KEYWORD: why"; false. */
bool param_bad(
    struct session *, struct view keyword, const char *why, enum next *next);
#endif
