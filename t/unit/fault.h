#ifndef T_UNIT_FAULT_H
#define T_UNIT_FAULT_H
/*
 * Makes the N-th file operation of a test program fail, end short, or be the
 * last thing that its process does.  Included by one .c file per program; it
 * defines the C library's functions over again, for all code in the program.
 *
 *	fault_arm(FAULT_ERROR, 3, ENOSPC);  the third operation from here fails
 *	... what is tested ...
 *	bool came = fault_disarm();         false: there were fewer than three
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum fault_kind {
	FAULT_NONE,
	FAULT_ERROR, /* fails with err */
	FAULT_SHORT, /* a write or copy does half */
	FAULT_DIE    /* the process ends before it, as if by kill -9 */
};

static struct {
	enum fault_kind kind;
	long left; /* operations until it comes */
	int err;
	bool came;
	bool stays;	/* every later one fails, too */
	char trace[64]; /* what was called, a letter each */
	unsigned trace_n;
} fault;

__attribute__((unused)) static void
fault_arm(enum fault_kind kind, long nth, int err)
{
	fault.kind = kind;
	fault.left = nth;
	fault.err = err;
	fault.came = false;
}

__attribute__((unused)) static bool
fault_disarm(void)
{
	fault.kind = FAULT_NONE;
	fault.stays = false;
	return fault.came;
}

__attribute__((unused)) static void
fault_trace(void)
{
	fault.trace_n = 0;
	fault.trace[0] = '\0';
}

/* Called by each operation.  True: it must fail, errno is set. */
static bool
fault_now(char letter, size_t *n)
{
	if (fault.trace_n < sizeof(fault.trace) - 1) {
		fault.trace[fault.trace_n++] = letter;
		fault.trace[fault.trace_n] = '\0';
	}
	if (fault.kind == FAULT_NONE || --fault.left > 0 ||
	    (fault.left < 0 && !fault.stays))
		return false;
	fault.came = true;
	if (fault.kind == FAULT_DIE)
		syscall(SYS_exit_group, 0);
	if (fault.kind == FAULT_SHORT) {
		if (n != NULL && *n > 1)
			*n /= 2;
		return false;
	}
	errno = fault.err;
	return true;
}

#define FAULTY(letter, type, name, params, nth, ...)                           \
	type fault_##name params __asm__(#name);                               \
	type fault_##name params                                               \
	{                                                                      \
		if (fault_now(letter, nth))                                    \
			return -1;                                             \
		return (type)syscall(SYS_##name, __VA_ARGS__);                 \
	}

FAULTY('s', int, fsync, (int fd), NULL, fd)
FAULTY('d', int, fdatasync, (int fd), NULL, fd)
FAULTY('t', int, ftruncate, (int fd, off_t n), NULL, fd, n)
FAULTY('l', int, linkat, (int d, const char *a, int e, const char *b, int f),
    NULL, d, a, e, b, f)
FAULTY('u', int, unlinkat, (int d, const char *a, int f), NULL, d, a, f)
FAULTY('r', int, renameat2,
    (int d, const char *a, int e, const char *b, unsigned f), NULL, d, a, e, b,
    f)
FAULTY('m', int, mkdirat, (int d, const char *a, mode_t m), NULL, d, a, m)
FAULTY('w', ssize_t, write, (int fd, const void *p, size_t n), &n, fd, p, n)
FAULTY('c', ssize_t, copy_file_range,
    (int a, off_t *ao, int b, off_t *bo, size_t n, unsigned f), &n, a, ao, b,
    bo, n, f)

ssize_t fault_pwrite(int fd, const void *p, size_t n, off_t at) __asm__(
    "pwrite");
ssize_t
fault_pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (fault_now('w', &n))
		return -1;
	return syscall(SYS_pwrite64, fd, p, n, at);
}

ssize_t fault_pread(int fd, void *p, size_t n, off_t at) __asm__("pread");
ssize_t
fault_pread(int fd, void *p, size_t n, off_t at)
{
	if (fault_now('p', &n))
		return -1;
	return syscall(SYS_pread64, fd, p, n, at);
}

int fault_openat(int d, const char *name, int flags, ...) __asm__("openat");
int
fault_openat(int d, const char *name, int flags, ...)
{
	va_list ap;

	va_start(ap, flags);
	int mode = va_arg(ap, int);
	va_end(ap);
	if (fault_now('o', NULL))
		return -1;
	return (int)syscall(SYS_openat, d, name, flags, mode);
}
#endif
