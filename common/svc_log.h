#ifndef COMMON_SVC_LOG_H
#define COMMON_SVC_LOG_H
#include "common/role.h"
#include "common/view.h"

/* The log role.  Those who write are introduced by the master (r->peer
 * [ROLE_MASTER]) and by each pool. */
role_main svc_log_main;

/* One record as it came over a channel ("LTAG\0TEXT\n", any octets at all) as
 * the line that is written, without time and host: "postfix/smtpd[12]: text".
 * Takes the record off *v.  False: it was none.  For tests. */
bool svc_log_line(struct view *v, pid_t pid, bool postfix, char *out,
    size_t size, int *level);
#endif
