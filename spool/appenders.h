#ifndef SPOOL_APPENDERS_H
#define SPOOL_APPENDERS_H
/*
 * The append processes of the deliver opener: started, replaced with back-off
 * when they die, chosen by user, so that all deliveries of one mailbox meet in
 * one process and share its flushes.  Which one it is is a matter of speed
 * only: the locks are what keeps deliveries apart.
 */
#include "common/role.h"
#include "common/service.h"
#include "common/status.h"
#include "spool/mailbox.h"

/* Finds a user and where the mailbox is; for dotlocks. */
typedef enum status appender_lookup(
    const char *name, struct user *u, struct mailbox_path *path);

/* Starts n of them; after service_init.  role is borrowed for good. */
void appenders_start(const struct role *role, unsigned n, appender_lookup *);
/* After a reload.  Those that are too many finish what they have. */
void appenders_resize(unsigned n);
/* Lets all end when they have finished what they have, then calls gone(). */
void appenders_stop(void (*gone)(void));
/* Gives channel (borrowed) to the process of that user.  OK, ERR_DOWN: there
 * is none now; ERR_BUSY: it does not keep up. */
enum status appenders_hand(const char *user, int channel);
#endif
