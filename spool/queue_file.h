#ifndef SPOOL_QUEUE_FILE_H
#define SPOOL_QUEUE_FILE_H
/*
 * The few file operations of the queue that a system call does not do whole.
 */
#include <stdint.h>

#include "common/status.h"

/* Writes n octets of `from`, those from `start` on, into fd at offset at.
 * ERR_INVALID: from has fewer. */
enum status file_copy(
    int fd, uint64_t at, int from, uint64_t start, uint64_t n);
/* Renames, and never overwrites: EEXIST.  0, or -1 with errno. */
int file_move(int from_dir, const char *from, int to_dir, const char *to);
#endif
