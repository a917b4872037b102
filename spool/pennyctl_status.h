#ifndef SPOOL_PENNYCTL_STATUS_H
#define SPOOL_PENNYCTL_STATUS_H
/* What the verbs of pennyctl(8) that are about the daemons share. */
#include <stdbool.h>
#include <stdint.h>

#include "spool/pennyctl_ask.h"

enum { CTL_AGE = 24 };

struct ctl_options {
	const char *only; /* -d: one daemon; NULL: both */
	bool json, watch; /* --json, -w */
	unsigned times;	  /* -n; 0: without end */
};
/* Reads --json and those of d:wn: that letters has.  The index of the first
 * argument behind them; -1: wrong usage. */
int ctl_options(
    int argc, char **argv, const char *letters, struct ctl_options *);
/* How long ago that was; "-" for 0. */
void ctl_age(int64_t since, char out[CTL_AGE]);
/* An exit code. */
int ctl_print_status(const struct ctl_where *, bool json);
#endif
