/* Whole reads and writes of regular files.  Runs in: every role with files. */
#include "common/file.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum status
file_read_at(int fd, void *p, size_t n, uint64_t at)
{
	char *to = p;

	while (n > 0) {
		ssize_t k = pread(fd, to, n, (off_t)at);
		if (k == 0)
			return ERR_CHANGED;
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return status_from_errno(errno);
		to += k;
		at += (uint64_t)k;
		n -= (size_t)k;
	}
	return OK;
}

enum status
file_write_at(int fd, const void *p, size_t n, uint64_t at)
{
	const char *from = p;

	while (n > 0) {
		ssize_t k = pwrite(fd, from, n, (off_t)at);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k == 0 ? ERR_IO : status_from_errno(errno);
		from += k;
		at += (uint64_t)k;
		n -= (size_t)k;
	}
	return OK;
}

enum status
file_flush(int fd)
{
	int rc;

	do
		rc = fdatasync(fd);
	while (rc == -1 && errno == EINTR);
	return rc == -1 ? status_from_errno(errno) : OK;
}

bool
file_has_size(int fd, uint64_t size)
{
	struct stat sb;

	return fstat(fd, &sb) == 0 && (uint64_t)sb.st_size == size;
}

enum status
file_cut(int fd, uint64_t size)
{
	int rc;

	do
		rc = ftruncate(fd, (off_t)size);
	while (rc == -1 && errno == EINTR);
	return rc == -1 ? status_from_errno(errno) : OK;
}

enum status
file_replace(int fd, const void *p, size_t n)
{
	struct stat sb;
	enum status st = file_write_at(fd, p, n, 0);

	if (st == OK && fstat(fd, &sb) == -1)
		st = status_from_errno(errno);
	if (st == OK && (uint64_t)sb.st_size > n)
		st = file_cut(fd, n);
	if (st != OK)
		file_cut(fd, 0);
	return st;
}
