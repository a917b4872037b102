/*
 * Which system calls each role may make.  Data, to be read.
 */
#define _GNU_SOURCE
#include "common/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "common/view.h"

#define ALLOW(call)                                                            \
	{                                                                      \
		RULE_ALLOW, __NR_##call, 0, 0                                  \
	}
#define FAIL(call, e)                                                          \
	{                                                                      \
		RULE_ERRNO, __NR_##call, 0, (e)                                \
	}
#define IF(call, a, v)                                                         \
	{                                                                      \
		RULE_ARG, __NR_##call, (a), (v)                                \
	}
#define WITHOUT(call, a, bits)                                                 \
	{                                                                      \
		RULE_WITHOUT, __NR_##call, (a), (bits)                         \
	}
#define END                                                                    \
	{                                                                      \
		RULE_END, 0, 0, 0                                              \
	}

/* clang-format off */

/* Every role: channels, memory that is never executable, time, its end. */
static const struct rule base[] = {
	ALLOW(sendmsg), ALLOW(recvmsg), ALLOW(sendto), ALLOW(recvfrom),
	ALLOW(epoll_create1), ALLOW(epoll_ctl), ALLOW(epoll_pwait), ALLOW(ppoll),
#ifdef __NR_epoll_wait
	ALLOW(epoll_wait),
#endif
#ifdef __NR_poll
	ALLOW(poll),
#endif
	ALLOW(read), ALLOW(write), ALLOW(readv), ALLOW(writev), ALLOW(close),
	WITHOUT(mmap, 2, PROT_EXEC), WITHOUT(mprotect, 2, PROT_EXEC),
	ALLOW(munmap), ALLOW(mremap), ALLOW(brk), ALLOW(madvise),
	ALLOW(clock_gettime), ALLOW(gettimeofday), ALLOW(getrandom),
	ALLOW(getpid), ALLOW(gettid),
	ALLOW(futex),            /* OpenSSL's and libc's once-only code */
	ALLOW(rt_sigreturn), ALLOW(rt_sigprocmask), ALLOW(rt_sigaction),
	ALLOW(restart_syscall), ALLOW(exit), ALLOW(exit_group),
	ALLOW(fstat), ALLOW(lseek),
	IF(fcntl, 1, F_GETFL), IF(fcntl, 1, F_SETFL),
	IF(prctl, 0, PR_SET_NAME), IF(prctl, 0, PR_SET_PDEATHSIG),
	/* glibc's fstat before 2.33 and on some processors */
	WITHOUT(newfstatat, 3, ~0x1000u), /* AT_EMPTY_PATH only, see below */
	/* libc reads configuration lazily (locale, zone, NSS): it must do
	 * without. */
	FAIL(openat, EACCES), FAIL(faccessat, EACCES), FAIL(readlinkat, EACCES),
#ifdef __NR_open
	FAIL(open, EACCES), FAIL(access, EACCES), FAIL(readlink, EACCES),
#endif
	FAIL(uname, EPERM), FAIL(sysinfo, EPERM), FAIL(ioctl, ENOTTY),
	FAIL(sched_getaffinity, EPERM), FAIL(getrusage, EPERM),
	END
};

/* One client: accept it, know its address, talk to it. */
static const struct rule worker[] = {
	ALLOW(accept4), ALLOW(shutdown),
	ALLOW(epoll_create1),    /* its own set: listening sockets, pool */
	ALLOW(getpeername), ALLOW(getsockname), ALLOW(getsockopt),
	ALLOW(setsockopt),       /* TCP_NODELAY, keep-alive */
	ALLOW(pread64),          /* the mbox (pop3d), large content (smtpd) */
	ALLOW(pwrite64), ALLOW(ftruncate),
	IF(fcntl, 1, F_OFD_SETLK), /* pop3d: the mbox is locked while scanned */
	ALLOW(clock_nanosleep),  /* between two tries of that lock */
	END
};

/* Forks workers and makes their channels. */
static const struct rule pool[] = {
	ALLOW(clone), ALLOW(set_robust_list), ALLOW(wait4), ALLOW(socketpair),
#ifdef __NR_fork
	ALLOW(fork),
#endif
#ifdef __NR_rseq
	ALLOW(rseq),
#endif
	ALLOW(kill),             /* a worker that broke the protocol */
	ALLOW(prlimit64), ALLOW(prctl), ALLOW(seccomp), /* the worker's own
				  * sandbox is entered after the fork */
	ALLOW(close_range),      /* a worker keeps only what is its own */
	END
};

/* Nothing: it signs what it is asked to. */
static const struct rule key[] = {
	ALLOW(mlock), ALLOW(munlock), ALLOW(dup),
	END
};

/* Nothing: it computes. */
static const struct rule crypt_proc[] = {
	ALLOW(epoll_create1),
	END
};

/* Forks children that drop to another user and enter a sandbox. */
static const struct rule forks[] = {
	ALLOW(clone), ALLOW(set_robust_list), ALLOW(wait4), ALLOW(kill),
#ifdef __NR_fork
	ALLOW(fork),
#endif
#ifdef __NR_rseq
	ALLOW(rseq),
#endif
	ALLOW(socketpair), ALLOW(pipe2), ALLOW(close_range),
	ALLOW(epoll_create1), ALLOW(signalfd4), ALLOW(getppid),
	ALLOW(chroot), ALLOW(chdir), ALLOW(umask),
	ALLOW(setgroups), ALLOW(getgroups), ALLOW(setresuid), ALLOW(setresgid),
	ALLOW(getresuid), ALLOW(getresgid), ALLOW(setuid), ALLOW(setreuid),
	ALLOW(capget), ALLOW(prctl), ALLOW(prlimit64), ALLOW(seccomp),
	ALLOW(landlock_create_ruleset), ALLOW(landlock_restrict_self),
	ALLOW(getuid), ALLOW(geteuid), ALLOW(getgid), ALLOW(getegid),
	END
};

/* Reads files by name: the users file, and what NSS needs for the system's
 * users, sockets of nscd and systemd's user database among it. */
static const struct rule reads_files[] = {
	ALLOW(openat), ALLOW(newfstatat), ALLOW(faccessat), ALLOW(readlinkat),
	ALLOW(statx), ALLOW(getdents64), ALLOW(pread64), ALLOW(uname),
#ifdef __NR_open
	ALLOW(open), ALLOW(access), ALLOW(readlink), ALLOW(stat), ALLOW(lstat),
#endif
	IF(socket, 0, 1 /* AF_UNIX */), ALLOW(connect), ALLOW(getsockopt),
	ALLOW(setsockopt), ALLOW(getpeername), ALLOW(getsockname),
	ALLOW(ioctl), ALLOW(prctl), ALLOW(getuid), ALLOW(geteuid), ALLOW(getegid),
	ALLOW(mmap), ALLOW(mprotect), /* NSS loads modules: executable */
	ALLOW(fcntl), ALLOW(getrusage), ALLOW(sched_getaffinity),
	ALLOW(sysinfo), ALLOW(statfs), ALLOW(fstatfs), ALLOW(flock),
	ALLOW(timerfd_create), ALLOW(timerfd_settime), ALLOW(getresuid),
	ALLOW(getresgid), ALLOW(clock_nanosleep), ALLOW(prlimit64),
	END
};

/* Opens mailboxes as their owner, makes state directories, takes locks. */
static const struct rule opens_mailboxes[] = {
	ALLOW(setfsuid), ALLOW(setfsgid),
	ALLOW(mkdirat), ALLOW(fchownat), ALLOW(fchown), ALLOW(fchmod),
	ALLOW(fchmodat), ALLOW(unlinkat), ALLOW(renameat), ALLOW(renameat2),
	ALLOW(linkat), ALLOW(pwrite64), ALLOW(ftruncate), ALLOW(fsync),
	ALLOW(fdatasync), ALLOW(pwritev), ALLOW(preadv),
	ALLOW(fallocate),        /* room for a journal, before it is needed */
	ALLOW(sync_file_range),  /* a hint while a mailbox is compacted */
#ifdef __NR_mkdir
	ALLOW(mkdir), ALLOW(unlink), ALLOW(rename),
#endif
	END
};

/* Moves what is left of a mailbox, with a journal. */
static const struct rule updates[] = {
	ALLOW(fallocate),        /* room for the journal, before it begins */
	ALLOW(sync_file_range),  /* starts writing early */
	END
};

/* Writes mailboxes that it was handed. */
static const struct rule append[] = {
	ALLOW(pread64), ALLOW(pwrite64), ALLOW(pwritev), ALLOW(preadv),
	ALLOW(ftruncate), ALLOW(fsync), ALLOW(fdatasync),
	IF(fcntl, 1, F_OFD_SETLK),
	IF(fcntl, 1, F_OFD_GETLK), /* does a session wait for the mailbox? */
	ALLOW(newfstatat),       /* is it still the file of that name? */
	ALLOW(epoll_create1), ALLOW(clock_nanosleep),
	END
};

/* Files in its own directory, which is its root: records are made, flushed,
 * renamed, marked, removed.  No name is followed out of it, nothing is forked:
 * its publishers were before. */
static const struct rule queue[] = {
	ALLOW(openat), ALLOW(newfstatat), ALLOW(getdents64),
	ALLOW(renameat2), ALLOW(linkat), ALLOW(unlinkat),
	ALLOW(pread64), ALLOW(pwrite64), ALLOW(copy_file_range),
	ALLOW(fsync), ALLOW(fdatasync),
#ifdef __NR_sync_file_range
	ALLOW(sync_file_range),
#endif
	ALLOW(utimensat),        /* tells the runner of a deposit */
	IF(fcntl, 1, F_OFD_SETLK), IF(fcntl, 1, F_DUPFD_CLOEXEC),
	IF(fcntl, 1, F_GETFD), IF(fcntl, 1, F_SETFD), /* fdopendir */
	ALLOW(socketpair),       /* its channels to deliver */
	ALLOW(getsockname), ALLOW(getsockopt), /* who a local client is */
	ALLOW(accept4),          /* its control socket: programs of this host */
	ALLOW(getpeername),      /* where a client is: relay_networks */
	ALLOW(fstatfs),          /* is there room for a message? */
	END
};

/* Asks DNS servers, by UDP and, for what was cut, by TCP. */
static const struct rule resolver[] = {
	IF(socket, 0, 2 /* AF_INET */), IF(socket, 0, 10 /* AF_INET6 */),
	END
};

/* Speaks to other hosts, and asks DNS servers.  It reads the content of a
 * message from a descriptor that it was handed. */
static const struct rule sender[] = {
	IF(socket, 0, 2 /* AF_INET */), IF(socket, 0, 10 /* AF_INET6 */),
	ALLOW(connect), ALLOW(bind), /* the source address */
	ALLOW(getsockopt), ALLOW(setsockopt), ALLOW(shutdown),
	ALLOW(pread64),
	END
};

/* Forks senders, and makes their channels. */
static const struct rule relay[] = {
	ALLOW(clone), ALLOW(set_robust_list), ALLOW(socketpair),
#ifdef __NR_fork
	ALLOW(fork),
#endif
#ifdef __NR_rseq
	ALLOW(rseq),
#endif
	ALLOW(prlimit64), ALLOW(prctl), ALLOW(seccomp), /* a sender's own
				  * sandbox is entered after the fork */
	ALLOW(close_range),      /* a sender keeps only what is its own */
	END
};

/* Connects to Unix sockets that the settings name. */
static const struct rule dialer[] = {
	IF(socket, 0, 1 /* AF_UNIX */), ALLOW(connect), ALLOW(getsockopt),
	END
};

/* As a user: opens that user's files for reading, and parses them. */
static const struct rule reader[] = {
	WITHOUT(openat, 2, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC),
	ALLOW(newfstatat), ALLOW(pread64),
	ALLOW(geteuid),          /* is a file its own? */
#ifdef __NR_open
	WITHOUT(open, 1, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC),
	ALLOW(stat), ALLOW(lstat),
#endif
	END
};

/* As a user: appends to a file of that user, under its locks. */
static const struct rule filer[] = {
	ALLOW(openat), ALLOW(newfstatat),
	ALLOW(pread64), ALLOW(pwrite64), ALLOW(pwritev),
	ALLOW(ftruncate), ALLOW(fsync), ALLOW(fdatasync),
	IF(fcntl, 1, F_OFD_SETLK), ALLOW(clock_nanosleep), /* waits for it */
	ALLOW(linkat), ALLOW(unlinkat), /* the dotlock */
	ALLOW(uname), ALLOW(kill), /* whose dotlock is it; does he live? */
#ifdef __NR_open
	ALLOW(open), ALLOW(stat), ALLOW(lstat), ALLOW(unlink),
#endif
	END
};

/* As a user: writes the message into a pipe, reads what the command says, and
 * waits for its end or brings it about. */
static const struct rule feeder[] = {
	ALLOW(pread64), ALLOW(wait4), ALLOW(kill),
	END
};

/* Connects to the system's log, again when that was restarted. */
static const struct rule logger[] = {
	IF(socket, 0, 1 /* AF_UNIX */), ALLOW(connect),
	ALLOW(getsockopt), ALLOW(setsockopt),
	END
};

static const struct rule *const lists[ROLE__N][8] = {
	[ROLE_LOG] = { logger, base },
	[ROLE_POOL] = { worker, pool, base },
	[ROLE_WORKER] = { worker, base },
	[ROLE_KEY] = { key, base },
	[ROLE_AUTH] = { reads_files, forks, base },
	[ROLE_LOOKUP] = { resolver, reads_files, base },
	[ROLE_QUEUE] = { queue, base },
	[ROLE_DELIVER] = { reads_files, opens_mailboxes, forks, base },
	[ROLE_MAILDROP] = { updates, reads_files, opens_mailboxes, forks, base },
	[ROLE_APPEND] = { append, base },
	[ROLE_CRYPT] = { crypt_proc, base },
	[ROLE_EXPAND] = { reads_files, base },
	[ROLE_RELAY] = { sender, relay, base },
	[ROLE_SENDER] = { sender, base },
	[ROLE_DIALER] = { dialer, base },
	[ROLE_READER] = { reader, base },
	[ROLE_FILER] = { filer, base },
	[ROLE_FEEDER] = { feeder, base },
};
/* clang-format on */

const struct rule *const *
sandbox_rules(enum role_id id)
{
	return lists[id];
}
