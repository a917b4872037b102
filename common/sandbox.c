/*
 * The sandbox of each role: resource limits, no_new_privs, Landlock, and a
 * seccomp filter that kills.  Runs in: every role, once, at its start.
 *
 * A role's filter is one array; each row that is not plain reading and writing
 * says why it is there.  Harmless calls that libraries try on their own get an
 * errno, all others kill the process.
 */
#define _GNU_SOURCE
#include "common/role.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/log.h"
#include "common/sandbox.h"
#include "common/view.h"

/* Sanitizers need calls of their own at any time: no filter in such builds. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#if SANITIZED
/* The leak checker attaches to its process like a debugger, which a role does
 * not allow any more: at its exit the checker would only complain. */
static bool entered;
int __lsan_is_turned_off(void);
int
__lsan_is_turned_off(void)
{
	return entered;
}
#endif

/* What is in force in this process, its parents' filters included, ends in the
 * filter of this role. */
static enum role_id in_force = ROLE__N;
/* The filter that was built last, and for which role: the pool builds that of
 * its workers once, before it forks them. */
static struct sandbox_filter built;
static enum role_id built_for = ROLE__N;

void
sandbox_prepare(enum role_id as)
{
	if (!sandbox_build(&built, as, in_force))
		fatal("seccomp filter too long");
	built_for = as;
}

static void
seccomp_enter(enum role_id as)
{
	if (built_for != as)
		sandbox_prepare(as);
	struct sock_fprog p = { built.n, built.op };
	if (!SANITIZED &&
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p) == -1)
		fatal("seccomp: %s; the kernel needs CONFIG_SECCOMP_FILTER",
		    strerror(errno));
	in_force = as;
	built_for = ROLE__N; /* the next one adds to this one */
}

/*
 * No path at all, no TCP port, no abstract socket, no signal outside: for the
 * roles that are handed everything.  As far as the kernel knows how; the
 * numbers are those of its ABI, of which older headers know less.
 */
static void
landlock_enter(enum role_id as)
{
	struct {
		uint64_t fs, net, scoped;
	} rules = { .fs = (1ULL << 13) - 1 };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1u);
	size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;

	if (abi < 1)
		return; /* the master has logged it */
	if (abi >= 2)
		rules.fs |= 1ULL << 13; /* REFER */
	if (abi >= 3)
		rules.fs |= 1ULL << 14; /* TRUNCATE by path */
	if (abi >= 5)
		rules.fs |= 1ULL << 15; /* IOCTL_DEV */
	if (abi >= 4 && as != ROLE_RELAY)
		rules.net = 3; /* bind, connect TCP */
	if (abi >= 6)
		rules.scoped = 3; /* abstract unix sockets, signals */
	int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	if (fd == -1 || syscall(SYS_landlock_restrict_self, fd, 0) == -1)
		fatal("landlock: %s", strerror(errno));
	close(fd);
}

bool
sandbox_landlock_missing(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1u) < 1;
}

bool
sandbox_compiled_out(void)
{
	return SANITIZED;
}

static void
limit(int what, rlim_t value)
{
	struct rlimit l = { value, value }, now;

	if (getrlimit((__rlimit_resource_t)what, &now) == 0 &&
	    now.rlim_max < value)
		l.rlim_cur = l.rlim_max = now.rlim_max;
	if (setrlimit((__rlimit_resource_t)what, &l) == -1)
		fatal("setrlimit: %s", strerror(errno));
}

static void
limits_enter(const struct role *r, enum role_id as)
{
	bool forks = as == ROLE_POOL || as == ROLE_AUTH || as == ROLE_DELIVER ||
		     as == ROLE_MAILDROP || as == ROLE_RELAY;

	limit(RLIMIT_CORE, 0);
	if (!forks && r->root)
		limit(RLIMIT_NPROC, 0);
	if (as == ROLE_WORKER) {
		/* Not small: the kernel refuses to pass a descriptor when
		 * those under way for all processes of this uid are more than
		 * this number, and each login passes one. */
		limit(RLIMIT_NOFILE, 65536);
		/* The one file that it writes is the queue's, for content. */
		limit(RLIMIT_FSIZE,
		    r->pop3 ? 0
			    : (rlim_t)r->settings->message_size_max + 65536);
	}
	if (!SANITIZED &&
	    (as == ROLE_WORKER || as == ROLE_CRYPT || as == ROLE_KEY))
		limit(RLIMIT_AS, r->pop3 && as == ROLE_WORKER
				     ? (rlim_t)2 << 30
				     : (rlim_t)512 << 20);
}

void
sandbox_enter(const struct role *r, enum role_id as)
{
#if SANITIZED
	entered = true;
#endif
	limits_enter(r, as);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		fatal("no_new_privs: %s", strerror(errno));
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		fatal("not dumpable: %s", strerror(errno));
	/* Credentials have changed, which forgets it.  A worker outlives its
	 * pool until its session ends; all others go with their parent. */
	if (as != ROLE_WORKER)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (as == ROLE_POOL || as == ROLE_KEY || as == ROLE_APPEND ||
	    as == ROLE_CRYPT || as == ROLE_RELAY)
		landlock_enter(as); /* workers inherit the pool's, senders the
				     * relay's */
	seccomp_enter(as);
}
