#ifndef SPOOL_SVC_QUEUE_H
#define SPOOL_SVC_QUEUE_H
/*
 * The role queue: takes messages from workers and users, keeps them on disk,
 * and hands them out.
 */
#include "common/role.h"

role_main svc_queue_main;
#endif
