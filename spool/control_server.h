#ifndef SPOOL_CONTROL_SERVER_H
#define SPOOL_CONTROL_SERVER_H
/*
 * The queue's socket for people (control.h).  Runs in: queue.
 */
#include "spool/queue.h"
#include "spool/sched.h"

/* Before the sandbox is entered.  Borrowed. */
void control_init(struct queue *, struct sched **);
/* The listening socket (taken), instead of the one before; -1: none. */
void control_listen(int fd);
/* Only the process that hands out the queue answers: to be called now and
 * then. */
void control_tick(void);
/* Closes all. */
void control_close(void);
#endif
