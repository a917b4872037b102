#ifndef SPOOL_RUNNER_JOB_H
#define SPOOL_RUNNER_JOB_H
/*
 * One order of deliver, carried out by a process that has become the user.
 */
#include <stdnoreturn.h>
#include <sys/types.h>

#include "common/settings.h"

/* Takes the order from end, answers there, exits.  settings: as they were when
 * deliver began. */
noreturn void runner_job_main(const struct settings *, uid_t uid, int end);
#endif
