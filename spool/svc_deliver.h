#ifndef SPOOL_SVC_DELIVER_H
#define SPOOL_SVC_DELIVER_H
/*
 * The deliver role's opener; see spool/ask_deliver.h for what may be asked.
 */
#include "common/role.h"

void svc_deliver_main(struct role *);
#endif
