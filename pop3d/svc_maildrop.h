#ifndef POP3D_SVC_MAILDROP_H
#define POP3D_SVC_MAILDROP_H
/*
 * The maildrop role: hands out mailboxes to authenticated sessions and commits
 * their deletions.  See ask_maildrop.h for what may be asked.
 */
#include "common/role.h"

void svc_maildrop_main(struct role *);
#endif
