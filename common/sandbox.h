#ifndef COMMON_SANDBOX_H
#define COMMON_SANDBOX_H
/*
 * The parts of a role's sandbox; sandbox_enter() is in role.h.
 */
#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/role.h"

enum rule_kind {
	RULE_NONE,    /* a call that this processor does not have */
	RULE_ALLOW,
	RULE_ERRNO,   /* fails with value */
	RULE_ARG,     /* allowed if argument arg equals value; else read on */
	RULE_WITHOUT, /* allowed if argument arg has none of value's bits */
	RULE_END
};
struct rule {
	enum rule_kind kind;
	uint32_t nr;
	unsigned arg;
	uint32_t value;
};

enum { SANDBOX_OPS = 1024 };
struct sandbox_filter {
	struct sock_filter op[SANDBOX_OPS];
	unsigned short n;
	bool overflow;
};

/* The lists of a role, NULL at the end (sandbox_rules.c). */
const struct rule *const *sandbox_rules(enum role_id);
/* Makes f the filter of a role.  within: the role whose filter the process is
 * under already, and of which the new one is to say only what differs: both
 * together are what both whole filters would be; ROLE__N: none.  False: it is
 * too long (sandbox_filter.c). */
bool sandbox_build(
    struct sandbox_filter *f, enum role_id as, enum role_id within);
/* Builds the filter that sandbox_enter(.., as) will install, ahead of time. */
void sandbox_prepare(enum role_id as);
bool sandbox_landlock_missing(void);
bool sandbox_compiled_out(void); /* a sanitizer build */
#endif
