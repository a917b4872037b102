/* The environment of a command.  Runs in: a child of deliver's runner, as the
 * user. */
#include "spool/command_env.h"

#include <string.h>

/* Postfix' list: nothing in it means anything to a shell. */
static const char harmless[] = "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyz"
			       "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

static bool
add(struct command_env *e, const char *name, struct view value, bool clean)
{
	size_t n = strlen(name), room = sizeof(e->space) - e->used;
	char *p = e->space + e->used;

	if (e->n == COMMAND_ENV_MAX || n + value.n + 2 > room ||
	    (value.n > 0 && memchr(value.p, '\0', value.n) != NULL))
		return false;
	memcpy(p, name, n);
	p[n] = '=';
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];
		p[n + 1 + i] = clean && strchr(harmless, c) == NULL ? '_' : c;
	}
	p[n + 1 + value.n] = '\0';
	e->envp[e->n++] = p;
	e->envp[e->n] = NULL;
	e->used += n + value.n + 2;
	return true;
}

bool
command_env(struct command_env *e, const struct order *o)
{
	const char *shell = o->user.shell;
	struct view rcpt = view_of(o->delivered_to), local = rcpt;
	const char *at = strrchr(o->delivered_to, '@');
	struct view domain = view_of(at == NULL ? "" : at + 1);

	if (at != NULL)
		local.n = (size_t)(at - o->delivered_to);
	e->n = 0;
	e->used = 0;
	return add(e, "HOME", view_of(o->user.home), false) &&
	       add(e, "LOGNAME", view_of(o->user.name), false) &&
	       add(e, "USER", view_of(o->user.name), false) &&
	       add(e, "SHELL", view_of(shell[0] == '\0' ? "/bin/sh" : shell),
		   false) &&
	       add(e, "PATH", view_of("/usr/local/bin:/usr/bin:/bin"), false) &&
	       add(e, "SENDER", view_of(o->run.sender), true) &&
	       add(e, "RECIPIENT", rcpt, true) &&
	       add(e, "LOCAL", local, true) && add(e, "DOMAIN", domain, true) &&
	       add(e, "EXTENSION", view_of(o->extension), true) &&
	       add(e, "ORIGINAL_RECIPIENT", view_of(o->run.original), true) &&
	       add(e, "QUEUE_ID", view_of(o->run.id), true);
}
