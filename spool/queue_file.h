#ifndef SPOOL_QUEUE_FILE_H
#define SPOOL_QUEUE_FILE_H
/*
 * The few file operations of the queue that a system call does not do whole.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads up to n octets at offset, fewer only at the end.  -1: errno. */
ssize_t file_pread(int fd, void *p, size_t n, uint64_t offset);
/* Writes all at the file's offset.  False: errno. */
bool file_write(int fd, const void *p, size_t n);
/* Appends n octets from the start of `from` to fd, at fd's offset.  1: done, 0:
 * from has fewer, -1: errno. */
int file_append(int fd, int from, uint64_t n);
/* Renames, and never overwrites: EEXIST.  0, or -1 with errno. */
int file_move(int from_dir, const char *from, int to_dir, const char *to);
#endif
