#ifndef T_CRASH_DISK_H
#define T_CRASH_DISK_H
/*
 * A disk with a mailbox and its journal: records what a program writes to them,
 * and has any call fail.  What a crash could have left of them is for
 * t/crash/explore.h.
 *
 * The calls of the program under test come here because these definitions are
 * found before those of the C library.
 *
 * To use: define _GNU_SOURCE; disk_open(); disk_put() both files;
 * disk_record(true); run the program on disk.mbox and disk.state;
 * disk_record(false).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MBOX, JOURNAL, FILES };

struct image {
	char *p;
	size_t n;
};

struct op {
	int file;
	enum { OP_WRITE, OP_CUT, OP_FLUSH } what;
	uint64_t at; /* OP_CUT: the length */
	size_t n;
	char *data;
};

static struct {
	char dir[64];
	int state; /* the directory of both files */
	int mbox;  /* open for reading and writing */
	ino_t mbox_ino;
	bool recording;
	struct op *op;
	size_t n, cap;
	/* The fault: the fail_at-th call of these kinds (0: never). */
	unsigned fail_kinds, calls, fail_at;
	int fail_errno; /* 0: a short count */
} disk = { .state = -1, .mbox = -1 };

enum { /* kinds of calls */
	CALL_PREAD = 1,
	CALL_PWRITE = 2,
	CALL_FLUSH = 4,
	CALL_CUT = 8,
	CALL_RESERVE = 16,
	CALL_OPEN = 32,
	CALL_STAT = 64,
	CALL_LOCK = 128,
	CALL_NAME = 256, /* renaming, linking, unlinking */
	CALL_MEMORY = 512
};

/* ---- calls ---- */

static void
disk_op(int fd, int what, uint64_t at, const void *p, size_t n)
{
	struct stat sb;

	if (!disk.recording || fstat(fd, &sb) == -1 || !S_ISREG(sb.st_mode))
		return;
	if (disk.n == disk.cap) {
		disk.cap = disk.cap == 0 ? 64 : disk.cap * 2;
		disk.op = realloc(disk.op, disk.cap * sizeof(*disk.op));
		if (disk.op == NULL)
			abort();
	}
	struct op *o = &disk.op[disk.n++];
	*o = (struct op){ .file = sb.st_ino == disk.mbox_ino ? MBOX : JOURNAL,
		.at = at,
		.n = n };
	o->what = what;
	if (n > 0) {
		o->data = malloc(n);
		if (o->data == NULL)
			abort();
		memcpy(o->data, p, n);
	}
}

/* Shall this call fail? */
static bool
disk_fault(unsigned kind)
{
	if ((disk.fail_kinds & kind) == 0 || ++disk.calls != disk.fail_at)
		return false;
	errno = disk.fail_errno;
	return true;
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (disk_fault(CALL_PWRITE)) {
		if (disk.fail_errno != 0)
			return -1;
		n = (n + 1) / 2;
	}
	ssize_t k = syscall(SYS_pwrite64, fd, p, n, at);
	if (k > 0)
		disk_op(fd, OP_WRITE, (uint64_t)at, p, (size_t)k);
	return k;
}

ssize_t
pread(int fd, void *p, size_t n, off_t at)
{
	if (disk_fault(CALL_PREAD)) {
		if (disk.fail_errno != 0)
			return -1;
		n = (n + 1) / 2;
	}
	return syscall(SYS_pread64, fd, p, n, at);
}

ssize_t __pread_chk(int fd, void *p, size_t n, off_t at, size_t size);
ssize_t
__pread_chk(int fd, void *p, size_t n, off_t at, size_t size)
{
	if (n > size)
		abort();
	return pread(fd, p, n, at);
}

static int
disk_flush(int fd)
{
	if (disk_fault(CALL_FLUSH) && disk.fail_errno != 0)
		return -1;
	disk_op(fd, OP_FLUSH, 0, NULL, 0);
	return 0; /* the file system under the test need not do anything */
}

int
fdatasync(int fd)
{
	return disk_flush(fd);
}

int
fsync(int fd)
{
	return disk_flush(fd);
}

int
ftruncate(int fd, off_t size)
{
	if (disk_fault(CALL_CUT) && disk.fail_errno != 0)
		return -1;
	int rc = (int)syscall(SYS_ftruncate, fd, size);
	if (rc == 0)
		disk_op(fd, OP_CUT, (uint64_t)size, NULL, 0);
	return rc;
}

int
fallocate(int fd, int mode, off_t at, off_t n)
{
	struct stat sb;

	if (disk_fault(CALL_RESERVE) && disk.fail_errno != 0)
		return -1;
	int rc = (int)syscall(SYS_fallocate, fd, mode, at, n);
	/* What counts of it is the length. */
	if (rc == 0 && fstat(fd, &sb) == 0)
		disk_op(fd, OP_CUT, (uint64_t)sb.st_size, NULL, 0);
	return rc;
}

int
openat(int dir, const char *name, int flags, ...)
{
	va_list ap;

	va_start(ap, flags);
	int mode = (flags & O_CREAT) != 0 ? va_arg(ap, int) : 0;
	va_end(ap);
	if (disk_fault(CALL_OPEN) && disk.fail_errno != 0)
		return -1;
	return (int)syscall(SYS_openat, dir, name, flags, mode);
}

int
fstat(int fd, struct stat *sb)
{
	if (disk_fault(CALL_STAT) && disk.fail_errno != 0)
		return -1;
	return (int)syscall(SYS_newfstatat, fd, "", sb, AT_EMPTY_PATH);
}

int
fstatat(int dir, const char *name, struct stat *sb, int flags)
{
	if (disk_fault(CALL_STAT) && disk.fail_errno != 0)
		return -1;
	return (int)syscall(SYS_newfstatat, dir, name, sb, flags);
}

/* Only taking a lock can fail. */
int
fcntl(int fd, int cmd, ...)
{
	va_list ap;

	va_start(ap, cmd);
	void *arg = va_arg(ap, void *);
	va_end(ap);
	if (cmd == F_OFD_SETLK &&
	    ((const struct flock *)arg)->l_type != F_UNLCK &&
	    disk_fault(CALL_LOCK) && disk.fail_errno != 0)
		return -1;
	return (int)syscall(SYS_fcntl, fd, cmd, arg);
}

int
renameat(int from, const char *a, int to, const char *b)
{
	if (disk_fault(CALL_NAME) && disk.fail_errno != 0)
		return -1;
	return (int)syscall(SYS_renameat2, from, a, to, b, 0);
}

int
linkat(int from, const char *a, int to, const char *b, int flags)
{
	if (disk_fault(CALL_NAME) && disk.fail_errno != 0)
		return -1;
	return (int)syscall(SYS_linkat, from, a, to, b, flags);
}

int
unlinkat(int dir, const char *name, int flags)
{
	if (disk_fault(CALL_NAME) && disk.fail_errno != 0)
		return -1;
	return (int)syscall(SYS_unlinkat, dir, name, flags);
}

/* A sanitizer has an allocator of its own. */
#ifndef __SANITIZE_ADDRESS__
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *
malloc(size_t n)
{
	return disk_fault(CALL_MEMORY) ? NULL : __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	return disk_fault(CALL_MEMORY) ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
	return disk_fault(CALL_MEMORY) ? NULL : __libc_realloc(p, n);
}
#endif

/* ---- files ---- */

__attribute__((unused)) static void
disk_open(void)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	snprintf(disk.dir, sizeof(disk.dir), "%s/pennypost-XXXXXX", base);
	if (mkdtemp(disk.dir) == NULL)
		abort();
	disk.state = open(disk.dir, O_RDONLY | O_DIRECTORY);
	disk.mbox = openat(disk.state, "mbox", O_RDWR | O_CREAT | O_EXCL, 0600);
	struct stat sb;
	if (disk.mbox == -1 || fstat(disk.mbox, &sb) == -1)
		abort();
	disk.mbox_ino = sb.st_ino;
}

__attribute__((unused)) static void
disk_forget(void)
{
	for (size_t i = 0; i < disk.n; i++)
		free(disk.op[i].data);
	free(disk.op);
	disk.op = NULL;
	disk.n = disk.cap = 0;
}

__attribute__((unused)) static void
disk_close(void)
{
	DIR *d = opendir(disk.dir);
	struct dirent *e;

	if (d == NULL)
		abort();
	while ((e = readdir(d)) != NULL)
		unlinkat(disk.state, e->d_name, 0);
	closedir(d);
	close(disk.mbox);
	close(disk.state);
	rmdir(disk.dir);
	disk_forget();
}

__attribute__((unused)) static void
disk_record(bool on)
{
	if (on)
		disk_forget();
	disk.recording = on;
}

static int
disk_fd(int file)
{
	return file == MBOX
		   ? dup(disk.mbox)
		   : openat(disk.state, "journal", O_RDWR | O_CREAT, 0600);
}

/* Makes a file be this. */
__attribute__((unused)) static void
disk_put(int file, struct image i)
{
	int fd = disk_fd(file);

	if (fd == -1 || syscall(SYS_ftruncate, fd, 0) != 0 ||
	    syscall(SYS_pwrite64, fd, i.p, i.n, 0) != (long)i.n)
		abort();
	close(fd);
}

/* The caller frees p. */
__attribute__((unused)) static struct image
disk_get(int file)
{
	int fd = disk_fd(file);
	struct stat sb;

	if (fd == -1 || fstat(fd, &sb) == -1)
		abort();
	struct image i = { malloc((size_t)sb.st_size + 1), (size_t)sb.st_size };
	if (i.p == NULL || syscall(SYS_pread64, fd, i.p, i.n, 0) != (long)i.n)
		abort();
	close(fd);
	return i;
}
#endif
