#ifndef SPOOL_SVC_TERMINAL_H
#define SPOOL_SVC_TERMINAL_H
/* DELIVER_TERMINAL of ask_deliver.h.  Runs in: deliver. */
#include "common/service.h"
#include "spool/recipient.h"

/* From an address to a user, as deliver does it. */
typedef enum rcpt_resolved terminal_resolve(
    const char *address, struct user *, char *delivered_to);
/* log_fd: the child's channel to the log; borrowed. */
void terminal_init(terminal_resolve *resolve, int log_fd);
enum answer answer_terminal(struct peer *, struct msg *rq, struct msg *rp);
#endif
