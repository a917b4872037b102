/*
 * A role's list of system calls as a program for the kernel (seccomp, BPF).
 * Runs in: every role, once, at its start; pool, for its workers.
 *
 * Filters add up: a process is held by its own and by all that it inherited.
 * The kernel walks through a whole filter for each system call number there is
 * when it is installed, and compiles it, which costs more than a fork.  So a
 * filter says only what those before it do not say already.
 */
#include "common/sandbox.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#else
#error "add this processor's AUDIT_ARCH_ constant"
#endif

/* ---- instructions ---- */

static void
add(struct sandbox_filter *f, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	if (f->n == SANDBOX_OPS)
		f->overflow = true;
	else
		f->op[f->n++] = (struct sock_filter){ code, jt, jf, k };
}

static void
add_return(struct sandbox_filter *f, uint32_t action)
{
	add(f, BPF_RET | BPF_K, 0, 0, action);
}

static void
load_arg(struct sandbox_filter *f, unsigned arg)
{
	/* The low half: all that we look at are ints. */
	add(f, BPF_LD | BPF_W | BPF_ABS, 0, 0,
	    (uint32_t)(offsetof(struct seccomp_data, args) + 8 * arg));
}

static void
load_nr(struct sandbox_filter *f)
{
	add(f, BPF_LD | BPF_W | BPF_ABS, 0, 0,
	    offsetof(struct seccomp_data, nr));
}

static void
add_rule(struct sandbox_filter *f, const struct rule *r)
{
	const uint16_t equal = BPF_JMP | BPF_JEQ | BPF_K;

	switch (r->kind) {
	case RULE_NONE:
	case RULE_END:
		break;
	case RULE_ALLOW:
		add(f, equal, 0, 1, r->nr);
		add_return(f, SECCOMP_RET_ALLOW);
		break;
	case RULE_ERRNO:
		add(f, equal, 0, 1, r->nr);
		add_return(f, SECCOMP_RET_ERRNO | r->value);
		break;
	case RULE_ARG: /* allowed if that argument has that value */
		add(f, equal, 0, 4, r->nr);
		load_arg(f, r->arg);
		add(f, equal, 0, 1, r->value);
		add_return(f, SECCOMP_RET_ALLOW);
		load_nr(f);
		break;
	case RULE_WITHOUT: /* allowed if that argument has none of the bits */
		add(f, equal, 0, 4, r->nr);
		load_arg(f, r->arg);
		add(f, BPF_JMP | BPF_JSET | BPF_K, 1, 0, r->value);
		add_return(f, SECCOMP_RET_ALLOW);
		load_nr(f);
		break;
	}
}

/* ---- walking through a role's lists ---- */

struct place {
	const struct rule *const *list;
	const struct rule *r;
};

static struct place
begin(enum role_id as)
{
	const struct rule *const *lists = sandbox_rules(as);

	return (struct place){ lists, *lists };
}

/* NULL at the end. */
static const struct rule *
next(struct place *p)
{
	while (*p->list != NULL && p->r->kind == RULE_END)
		p->r = *++p->list;
	return *p->list == NULL ? NULL : p->r++;
}

static const struct rule *
next_of(struct place *p, uint32_t nr)
{
	const struct rule *r;

	while ((r = next(p)) != NULL)
		if (r->kind != RULE_NONE && r->nr == nr)
			break;
	return r;
}

static bool
same(const struct rule *a, const struct rule *b)
{
	return a->kind == b->kind && a->arg == b->arg && a->value == b->value;
}

/* What is asked of both about that call is the same, and so are the answers:
 * up to a rule without a condition. */
static bool
same_verdict(enum role_id a, enum role_id b, uint32_t nr)
{
	struct place pa = begin(a), pb = begin(b);
	const struct rule *ra, *rb;

	do {
		ra = next_of(&pa, nr);
		rb = next_of(&pb, nr);
		if (ra == NULL || rb == NULL)
			return ra == rb;
		if (!same(ra, rb))
			return false;
	} while (ra->kind == RULE_ARG || ra->kind == RULE_WITHOUT);
	return true;
}

/* ---- filters ---- */

static void
add_all(struct sandbox_filter *f, enum role_id as)
{
	struct place p = begin(as);
	const struct rule *r;

	while ((r = next(&p)) != NULL)
		add_rule(f, r);
	add_return(f, SECCOMP_RET_KILL_PROCESS);
}

/* What as says of that call, and the end for all else that it may be. */
static void
add_call(struct sandbox_filter *f, enum role_id as, uint32_t nr)
{
	struct place p = begin(as);
	const struct rule *r;

	while ((r = next_of(&p, nr)) != NULL)
		add_rule(f, r);
	add(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, nr);
	add_return(f, SECCOMP_RET_KILL_PROCESS);
}

/* Calls that within does not know end the process there. */
static void
add_difference(struct sandbox_filter *f, enum role_id as, enum role_id within)
{
	struct place p = begin(within);
	const struct rule *r;

	while ((r = next(&p)) != NULL) {
		if (r->kind == RULE_NONE || same_verdict(as, within, r->nr))
			continue;
		struct place first = begin(within);
		if (next_of(&first, r->nr) == r) /* each call once */
			add_call(f, as, r->nr);
	}
	add_return(f, SECCOMP_RET_ALLOW);
}

bool
sandbox_build(struct sandbox_filter *f, enum role_id as, enum role_id within)
{
	f->n = 0;
	f->overflow = false;
	add(f, BPF_LD | BPF_W | BPF_ABS, 0, 0,
	    offsetof(struct seccomp_data, arch));
	add(f, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ARCH);
	add_return(f, SECCOMP_RET_KILL_PROCESS);
	load_nr(f);
	if (within == ROLE__N)
		add_all(f, as);
	else
		add_difference(f, as, within);
	return !f->overflow;
}
