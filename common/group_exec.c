/*
 * How a role begins: its environment, its descriptors, exec of this binary.
 * And the end of a configuration.  Runs in: the master, and its child until it
 * is the role.
 */
#define _GNU_SOURCE
#include "common/group.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fds.h"
#include "common/msg.h"

enum { TITLE_ROOM = 128 };

void
config_close_ports(struct config *c)
{
	for (unsigned i = 0; i < c->settings->listener_n; i++)
		close_fd(&c->listen_fd[i]);
}

void
config_release(struct config *c)
{
	if (c == NULL || --c->refs > 0)
		return;
	config_close_ports(c);
	settings_free(c->settings);
	free(c);
}

noreturn void
role_exec(const struct group_host *host, enum role_id id, int ctl)
{
	char name[64], arg[32], room[TITLE_ROOM + 8];
	char path[] = "PATH=/usr/bin:/bin";
	char *argv[] = { name, arg, NULL };
	/* glibc keeps small freed blocks in a cache of their own, where they
	 * hold pages that malloc_trim could give back: 80 KiB of each worker
	 * with TLS. */
	char malloc_env[] = "GLIBC_TUNABLES=glibc.malloc.tcache_count=0";
	/* Symbols that are bound when they are first used are bound again in
	 * each worker, in pages of its own. */
	char bind_env[] = "LD_BIND_NOW=1";
	char *envp[] = { path, room, bind_env, NULL, NULL, NULL };
	unsigned env_n = 3;
	char *tz = getenv("TZ");
	sigset_t none;
	char zone[128];

	snprintf(name, sizeof(name), "%s: %s", host->program, role_name(id));
	snprintf(arg, sizeof(arg), "--role=%s", role_name(id));
	memset(room, '.', sizeof(room) - 1);
	memcpy(room, "ROOM=", 5); /* for the title, see priv.c */
	room[sizeof(room) - 1] = '\0';
	if (tz != NULL &&
	    (size_t)snprintf(zone, sizeof(zone), "TZ=%s", tz) < sizeof(zone))
		envp[env_n++] = zone;
	if (id == ROLE_POOL)
		envp[env_n++] = malloc_env;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null == -1 || dup2(null, 0) == -1 || dup2(null, 1) == -1 ||
	    (host->inetd && dup2(null, 2) == -1))
		_exit(1);
	/* dup2 onto itself would leave CLOEXEC set. */
	if (ctl == ROLE_CTL_FD ? fcntl(ctl, F_SETFD, 0) == -1
			       : dup2(ctl, ROLE_CTL_FD) == -1)
		_exit(1);
	/* What whoever started us forgot to close is nobody's business. */
	fds_keep_only((int[]){ ROLE_CTL_FD, host->exe_fd }, 2);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* A process group of its own: the terminal's Ctrl-C is for the master,
	 * which lets sessions finish. */
	setpgid(0, 0);
	fexecve(host->exe_fd, argv, envp);
	_exit(127);
}
