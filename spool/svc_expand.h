#ifndef SPOOL_SVC_EXPAND_H
#define SPOOL_SVC_EXPAND_H
/*
 * The role expand: says what aliases lead to.  Runs in: expand, as the user of
 * lookup.
 */
#include <stdnoreturn.h>

#include "common/role.h"

noreturn void svc_expand_main(struct role *);
#endif
