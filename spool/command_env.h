#ifndef SPOOL_COMMAND_ENV_H
#define SPOOL_COMMAND_ENV_H
/*
 * The environment of a command: HOME, LOGNAME, USER, SHELL, PATH, and of the
 * message SENDER, RECIPIENT, LOCAL, DOMAIN, EXTENSION, ORIGINAL_RECIPIENT and
 * QUEUE_ID.  In the values that come from the message, what a shell could take
 * for more than text is replaced by '_'.  Pure.
 */
#include "spool/order.h"

enum { COMMAND_ENV_MAX = 16, COMMAND_ENV_SIZE = 8192 };

struct command_env {
	char *envp[COMMAND_ENV_MAX + 1];
	unsigned n;
	size_t used;
	char space[COMMAND_ENV_SIZE];
};
/* False: it does not fit. */
bool command_env(struct command_env *, const struct order *);
#endif
