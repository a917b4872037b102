#ifndef SPOOL_RUNNER_JOB_H
#define SPOOL_RUNNER_JOB_H
/*
 * One order of deliver, carried out by a process that has become the user.
 */
#include <stdnoreturn.h>
#include <sys/types.h>

#include "common/role.h"

/*
 * Takes the order from end, answers there, exits.  role: deliver's, with its
 * settings as they were when it began.
 *
 * What parses something of a user or of a message does so in a sandbox
 * (ROLE_READER, ROLE_FILER, ROLE_FEEDER).  An exec would keep it on, so before
 * a command is started a child of its own reads the source, and says no more
 * than whether the target stands there; who starts the command has seen the
 * order alone.
 */
noreturn void runner_job_main(const struct role *role, uid_t uid, int end);
#endif
