#ifndef COMMON_SVC_AUTH_H
#define COMMON_SVC_AUTH_H
/* The role auth; what it answers is in common/ask_auth.h. */
#include "common/role.h"

void svc_auth_main(struct role *r);
#endif
