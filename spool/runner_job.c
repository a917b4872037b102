/* One order, carried out.  Runs in: a child of deliver's runner, as the user.
 */
#define _GNU_SOURCE
#include "spool/runner_job.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "spool/aliases.h"
#include "spool/command.h"
#include "spool/file_target.h"
#include "spool/forward_file.h"
#include "spool/order.h"

enum {
	ORDER_WAIT = 10000, /* ms */
	/* Exit statuses that no dying process has. */
	SAYS_YES = 40,
	SAYS_NO = 41
};

/* In a reader. */
static struct alias_target targets[FORWARD_TARGETS_MAX];
static const struct role *role;

/* ---- ORDER_FORWARD ---- */

static void
do_forward(const struct order *o, struct msg *m)
{
	char why[LOG_LINE_MAX];
	unsigned n = 0;
	enum status st = forward_read(
	    &o->user, targets, NELEM(targets), &n, why, sizeof(why));

	if (st == ERR_GONE && why[0] != '\0')
		log_warn("warning: %s", why);
	msg_start(m, ORDER_FORWARD);
	msg_put_u32(m, status_pack(st));
	msg_put_u32(m, n);
	for (unsigned i = 0; i < n; i++) {
		msg_put_u32(m, targets[i].kind);
		msg_put_str(m, targets[i].text);
	}
}

/* ---- ORDER_RUN ---- */

/* Does the owner's file say so at this moment?  ERR_GONE: no. */
static enum status
in_forward(const struct order *o, const struct alias_target *t)
{
	char why[LOG_LINE_MAX];
	unsigned n = 0;
	enum status st = forward_read(
	    &o->user, targets, NELEM(targets), &n, why, sizeof(why));

	for (unsigned i = 0; st == OK && i < n; i++)
		if (target_same(&targets[i], t))
			return OK;
	return st == OK ? ERR_GONE : st;
}

/* Does an alias of the administrator say so? */
static enum status
in_aliases(const struct order *o, const struct alias_target *t)
{
	static char text[sizeof(o->aliases)];
	struct settings s = *role->settings;
	char *err = NULL, *next = text;
	enum status st = ERR_IO;

	memcpy(text, o->aliases, sizeof(text));
	s.alias_file_n = s.virtual_file_n = 0;
	while (next != NULL && next[0] != '\0' &&
	       s.alias_file_n < ALIAS_FILES_MAX) {
		s.alias_files[s.alias_file_n++] = next;
		next = strchr(next, '\n');
		if (next != NULL)
			*next++ = '\0';
	}
	struct aliases *a = aliases_open(&s, &err);
	if (err != NULL)
		log_warn("warning: %s", err);
	if (a != NULL && aliases_have(a, t))
		st = OK;
	else if (a != NULL && !aliases_broken(a))
		st = ERR_GONE;
	aliases_free(a);
	free(err);
	return st;
}

/*
 * The same, asked of a child: the file is hostile, and who is about to start a
 * command cannot be in a sandbox.  ERR_IO: it cannot be known now.
 */
static enum status
in_source(const struct order *o, const struct alias_target *t)
{
	int status;

	log_flush();
	pid_t pid = fork();
	if (pid == 0) {
		sandbox_enter(role, ROLE_READER);
		enum status st = o->run.source == SOURCE_ALIASES
				     ? in_aliases(o, t)
				     : in_forward(o, t);
		log_flush();
		_exit(st == OK ? SAYS_YES : st == ERR_GONE ? SAYS_NO : 1);
	}
	if (pid == -1)
		return ERR_NOMEM;
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return ERR_IO;
	if (!WIFEXITED(status))
		return ERR_IO;
	return WEXITSTATUS(status) == SAYS_YES	? OK
	       : WEXITSTATUS(status) == SAYS_NO ? ERR_GONE
						: ERR_IO;
}

/* Somebody whose shell is none may not log in, and so may run nothing. */
static bool
shell_listed(const char *shell)
{
	bool found = false;
	const char *s;

	setusershell();
	while (!found && shell[0] != '\0' && (s = getusershell()) != NULL)
		found = strcmp(s, shell) == 0;
	endusershell();
	return found;
}

static void
feeder(void)
{
	sandbox_enter(role, ROLE_FEEDER);
}

static enum run_outcome
do_run(const struct order *o, char *code, char *text)
{
	struct alias_target t = { .kind = o->run.kind };

	view_copy(view_of(o->run.text), t.text, sizeof(t.text));
	enum status st = in_source(o, &t);
	if (st == ERR_GONE) {
		snprintf(code, RUN_CODE_MAX, "4.3.5");
		snprintf(text, DELIVER_TEXT_MAX, "not sent there any more");
		return RUN_STALE;
	}
	if (st != OK) {
		snprintf(code, RUN_CODE_MAX, "4.3.0");
		snprintf(text, DELIVER_TEXT_MAX, "%s", status_text(st));
		return RUN_LATER;
	}
	if (!o->shell_ok && !shell_listed(o->user.shell)) {
		log_warn("warning: user %s has no shell of /etc/shells, and so "
			 "may not have mail run commands or written to files",
		    o->user.name);
		snprintf(code, RUN_CODE_MAX, "5.7.1");
		snprintf(text, DELIVER_TEXT_MAX,
		    "this user may not forward to commands and files");
		return RUN_FAILED;
	}
	if (o->run.kind == TARGET_COMMAND)
		return order_command(o, feeder, code, text);
	sandbox_enter(role, ROLE_FILER);
	return file_target(o, code, text);
}

noreturn void
runner_job_main(const struct role *r, uid_t uid, int end)
{
	static struct msg m;
	static struct order o;
	struct pollfd p = { .fd = end, .events = POLLIN };
	char code[RUN_CODE_MAX], text[DELIVER_TEXT_MAX];

	role = r;
	if (poll(&p, 1, ORDER_WAIT) != 1 || msg_recv(end, &m) != 1 ||
	    !order_get(&m, &o) || o.user.uid != uid)
		_exit(1);
	if (m.type == ORDER_FORWARD) {
		sandbox_enter(role, ROLE_READER);
		do_forward(&o, &m);
	} else {
		enum run_outcome out = do_run(&o, code, text);
		msg_start(&m, ORDER_RUN);
		run_put_answer(&m, out, code, text);
	}
	m.fd = -1;
	log_flush();
	_exit(msg_send(end, &m) == 0 ? 0 : 1);
}
