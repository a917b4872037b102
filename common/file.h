#ifndef COMMON_FILE_H
#define COMMON_FILE_H
/*
 * Whole reads, writes and flushes of regular files at an offset: what a short
 * count or a signal leaves over is done, too.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

/* Reads n octets.  ERR_CHANGED: the file ends before. */
enum status file_read_at(int fd, void *p, size_t n, uint64_t at);
/* Writes n octets.  On failure any part may have been written. */
enum status file_write_at(int fd, const void *p, size_t n, uint64_t at);
/* Makes durable what was written, and the length. */
enum status file_flush(int fd);
/* A small file's whole new text, in place.  What was there is never cut to
 * nothing first: ext4 gives the block back then and takes a new one, which
 * costs a millisecond.  On failure the file is empty.  Nothing is flushed. */
enum status file_replace(int fd, const void *p, size_t n);
/* Has the file still that size?  Where it has not, a program that minds no lock
 * has written since it was looked at. */
bool file_has_size(int fd, uint64_t size);
/* Makes the file size octets long; nothing is flushed. */
enum status file_cut(int fd, uint64_t size);
#endif
