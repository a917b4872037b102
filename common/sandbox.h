#ifndef COMMON_SANDBOX_H
#define COMMON_SANDBOX_H
/*
 * The parts of a role's sandbox; sandbox_enter() is in role.h.
 */
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

/* The lists of a role, NULL at the end (sandbox_rules.c). */
const struct rule *const *sandbox_rules(enum role_id);
/* Builds the filter that sandbox_enter(.., as) will install, ahead of time. */
void sandbox_prepare(enum role_id as);
bool sandbox_landlock_missing(void);
bool sandbox_compiled_out(void); /* a sanitizer build */
#endif
