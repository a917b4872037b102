#ifndef SPOOL_RUNNER_JOB_H
#define SPOOL_RUNNER_JOB_H
/*
 * One order of deliver, carried out by a process that has become the user.
 */
#include <stdnoreturn.h>
#include <sys/types.h>

/* Takes the order from end, answers there, exits. */
noreturn void runner_job_main(uid_t uid, int end);
#endif
