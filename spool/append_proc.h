#ifndef SPOOL_APPEND_PROC_H
#define SPOOL_APPEND_PROC_H
/*
 * The append process, a child of the deliver opener; see append_grant.h.
 */
#include <stdnoreturn.h>

/* adopt: where the channels of deliveries come from; after its end the process
 * finishes those it has, and ends.  ctl: for dotlocks; its end ends the process
 * once no answer is owed.  Takes both. */
noreturn void append_process(int adopt, int ctl);
/* Its parts: everything up to service_run(), and taking one channel. */
void append_start(int adopt, int ctl);
void append_adopt(int sock);
#endif
