/*
 * Filters that add up: what a process may do that was forked by one role and
 * became another is what the whole filters of both would let it do.
 */
#include "common/sandbox.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "t/unit/tap.h"

enum { CALLS = 1024, VALUES_MAX = 64 };

/* ---- the kernel's side: as much of BPF as filters are made of ---- */

static uint32_t
load(const struct seccomp_data *d, uint32_t at)
{
	uint32_t u = 0;

	if (at > sizeof(*d) - sizeof(u))
		abort();
	memcpy(&u, (const char *)d + at, sizeof(u));
	return u;
}

static uint32_t
run(const struct sandbox_filter *f, const struct seccomp_data *d)
{
	uint32_t a = 0;

	for (unsigned i = 0; i < f->n; i++) {
		const struct sock_filter *op = &f->op[i];
		switch (op->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			a = load(d, op->k);
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			i += a == op->k ? op->jt : op->jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			i += (a & op->k) != 0 ? op->jt : op->jf;
			break;
		case BPF_RET | BPF_K:
			return op->k;
		default:
			abort();
		}
	}
	abort(); /* ran off its end */
}

/* What the kernel does when two filters say that (seccomp(2)). */
static uint32_t
stricter(uint32_t a, uint32_t b)
{
	int32_t x = (int32_t)(a & SECCOMP_RET_ACTION_FULL);
	int32_t y = (int32_t)(b & SECCOMP_RET_ACTION_FULL);

	return y < x ? b : a;
}

/* ---- what is tried ---- */

static bool named[CALLS], conditional[CALLS]; /* in any role's list */
static uint32_t values[VALUES_MAX];
static unsigned value_n;
static uint32_t arch;

static void
add_value(uint32_t v)
{
	for (unsigned i = 0; i < value_n; i++)
		if (values[i] == v)
			return;
	if (value_n == VALUES_MAX)
		abort();
	values[value_n++] = v;
}

static void
collect(const struct rule *r)
{
	if (r->kind == RULE_NONE)
		return;
	if (r->nr >= CALLS)
		abort();
	named[r->nr] = true;
	if (r->kind != RULE_ARG && r->kind != RULE_WITHOUT)
		return;
	conditional[r->nr] = true;
	add_value(r->value);
}

static void
collect_all(void)
{
	add_value(0);
	add_value(~0u);
	for (enum role_id id = 0; id < ROLE__N; id++)
		for (const struct rule *const *l = sandbox_rules(id);
		     *l != NULL; l++)
			for (const struct rule *r = *l; r->kind != RULE_END;
			     r++)
				collect(r);
	named[CALLS - 1] = true; /* one that nobody knows */
}

/* True if both ways judge that call alike. */
static bool
alike(const struct sandbox_filter *outer, const struct sandbox_filter *whole,
    const struct sandbox_filter *rest, struct seccomp_data d)
{
	uint32_t o = run(outer, &d);
	uint32_t want = stricter(o, run(whole, &d));
	uint32_t is = stricter(o, run(rest, &d));

	if (want != is)
		printf("# call %d: %#x, not %#x\n", d.nr, is, want);
	return want == is;
}

static bool
call_alike(const struct sandbox_filter *outer,
    const struct sandbox_filter *whole, const struct sandbox_filter *rest,
    uint32_t nr)
{
	struct seccomp_data d = { .nr = (int)nr, .arch = arch };
	bool good = alike(outer, whole, rest, d);

	d.nr |= 0x40000000; /* x32 */
	good &= alike(outer, whole, rest, d);
	d.nr = (int)nr;
	for (unsigned arg = 0; arg < 4 && conditional[nr]; arg++)
		for (unsigned i = 0; i < value_n; i++) {
			memset(d.args, 0, sizeof(d.args));
			d.args[arg] = values[i];
			good &= alike(outer, whole, rest, d);
		}
	return good;
}

static bool
pair_alike(enum role_id as, enum role_id within)
{
	static struct sandbox_filter outer, whole, rest;

	if (!sandbox_build(&outer, within, ROLE__N) ||
	    !sandbox_build(&whole, as, ROLE__N) ||
	    !sandbox_build(&rest, as, within))
		return false;
	for (uint32_t nr = 0; nr < CALLS; nr++)
		if (named[nr] && !call_alike(&outer, &whole, &rest, nr))
			return false;
	return true;
}

static uint32_t
judge(const struct sandbox_filter *f, long nr, unsigned arg, uint64_t value)
{
	struct seccomp_data d = { .nr = (int)nr, .arch = arch };

	d.args[arg] = value;
	return run(f, &d);
}

static void
test_all_pairs(void)
{
	unsigned wrong = 0;

	for (enum role_id as = 0; as < ROLE__N; as++)
		for (enum role_id within = 0; within < ROLE__N; within++)
			if (!pair_alike(as, within)) {
				printf("# %s within %s\n", role_name(as),
				    role_name(within));
				wrong++;
			}
	ok(wrong == 0, "a difference and what it differs from are the whole");
}

/* The reason of it all, and that the test above tests something. */
static void
test_worker(void)
{
	static struct sandbox_filter pool, whole, rest;

	sandbox_build(&pool, ROLE_POOL, ROLE__N);
	sandbox_build(&whole, ROLE_WORKER, ROLE__N);
	sandbox_build(&rest, ROLE_WORKER, ROLE_POOL);
	ok(rest.n * 4 < whole.n, "a worker's own part is short: %u of %u",
	    rest.n, whole.n);
	ok(judge(&pool, SYS_clone, 0, 0) == SECCOMP_RET_ALLOW &&
		judge(&rest, SYS_clone, 0, 0) == SECCOMP_RET_KILL_PROCESS,
	    "the pool may fork, a worker may not");
	ok(judge(&rest, SYS_prctl, 0, PR_SET_NAME) == SECCOMP_RET_ALLOW &&
		judge(&rest, SYS_prctl, 0, PR_SET_DUMPABLE) ==
		    SECCOMP_RET_KILL_PROCESS,
	    "what the pool may always, a worker may under its condition");
	ok(judge(&pool, SYS_openat, 0, 0) == (SECCOMP_RET_ERRNO | EACCES),
	    "what fails in the pool fails in its workers");
	arch++;
	ok(judge(&rest, SYS_read, 0, 0) == SECCOMP_RET_KILL_PROCESS,
	    "no calls of another processor");
	arch--;
}

static void
test_too_long(void)
{
	static struct sandbox_filter f;

	ok(sandbox_build(&f, ROLE_DELIVER, ROLE__N) && f.n < SANDBOX_OPS,
	    "the longest list has room");
}

int
main(void)
{
	static struct sandbox_filter f;

	/* the processor that filters are for */
	sandbox_build(&f, ROLE_WORKER, ROLE__N);
	arch = f.op[1].k;
	collect_all();
	test_all_pairs();
	test_worker();
	test_too_long();
	return done_testing();
}
