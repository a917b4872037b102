#ifndef SMTPD_SVC_LOOKUP_H
#define SMTPD_SVC_LOOKUP_H
/* The role lookup; what it answers is in smtpd/ask_lookup.h. */
#include "common/role.h"

void svc_lookup_main(struct role *r);
#endif
