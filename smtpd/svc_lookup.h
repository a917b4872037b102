#ifndef SMTPD_SVC_LOOKUP_H
#define SMTPD_SVC_LOOKUP_H
/* The role lookup; what it answers is in smtpd/ask_lookup.h. */
#include "common/passdb.h"
#include "common/role.h"

void svc_lookup_main(struct role *r);
/* Whether the settings and the users fit together.  False: err is one line. */
bool lookup_check(const struct settings *, struct passdb *users, char *err,
    size_t size);
#endif
