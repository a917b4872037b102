#ifndef T_CRASH_FAULTS_H
#define T_CRASH_FAULTS_H
/* The ways in which a call may fail that who writes a mailbox must outlive. */
#include <errno.h>

#include "t/crash/disk.h"

static const struct fault {
	unsigned kind;
	int error; /* 0: a short count */
	const char *name;
} all_faults[] = {
	{ CALL_PREAD, EIO, "pread EIO" },
	{ CALL_PREAD, EINTR, "pread EINTR" },
	{ CALL_PREAD, 0, "pread short" },
	{ CALL_PWRITE, EIO, "pwrite EIO" },
	{ CALL_PWRITE, ENOSPC, "pwrite ENOSPC" },
	{ CALL_PWRITE, EDQUOT, "pwrite EDQUOT" },
	{ CALL_PWRITE, EINTR, "pwrite EINTR" },
	{ CALL_PWRITE, 0, "pwrite short" },
	{ CALL_FLUSH, EIO, "fsync EIO" },
	{ CALL_FLUSH, ENOSPC, "fsync ENOSPC" },
	{ CALL_FLUSH, EDQUOT, "fsync EDQUOT" },
	{ CALL_FLUSH, EINTR, "fsync EINTR" },
	{ CALL_CUT, EIO, "ftruncate EIO" },
	{ CALL_CUT, EINTR, "ftruncate EINTR" },
	{ CALL_RESERVE, ENOSPC, "fallocate ENOSPC" },
	{ CALL_RESERVE, EIO, "fallocate EIO" },
	{ CALL_RESERVE, EINTR, "fallocate EINTR" },
	{ CALL_OPEN, EIO, "openat EIO" },
	{ CALL_OPEN, ENOSPC, "openat ENOSPC" },
	{ CALL_OPEN, EMFILE, "openat EMFILE" },
	{ CALL_STAT, EIO, "fstat EIO" },
	{ CALL_LOCK, EIO, "fcntl EIO" },
	{ CALL_LOCK, ENOLCK, "fcntl ENOLCK" },
	{ CALL_LOCK, EINTR, "fcntl EINTR" },
	{ CALL_NAME, EIO, "renameat, linkat, unlinkat EIO" },
	{ CALL_NAME, ENOSPC, "renameat, linkat, unlinkat ENOSPC" },
	{ CALL_MEMORY, ENOMEM, "malloc" },
};
#endif
