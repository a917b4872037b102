#ifndef T_UNIT_DELIVER_ROLE_H
#define T_UNIT_DELIVER_ROLE_H
/* The deliver role with four append processes, for the tests of what it is
 * for: many clients at once, append processes counted, settings changed. */
#include "t/unit/chain_faults.h"
#include "t/unit/taken.h"

static void
deliver_start(void)
{
	struct rlimit all, size;

	chain_shared();
	getrlimit(RLIMIT_FSIZE, &all);
	size = all;
	size.rlim_cur = FILE_MAX; /* for the role, not for us */
	setrlimit(RLIMIT_FSIZE, &size);
	chain_start(&chain, 3, "append_processes 4\nmailbox_lock_wait 600ms\n");
	setrlimit(RLIMIT_FSIZE, &all);
}

static unsigned
wait_all(void)
{
	unsigned good = 0;
	int how;

	while (wait(&how) > 0)
		good += how == 0;
	return good;
}

/* Forked from a process that has no other children but the opener. */
static unsigned
run_clients(unsigned n, void (*body)(unsigned))
{
	int how;
	pid_t boss = fork();

	if (boss == 0) {
		for (unsigned i = 0; i < n; i++)
			if (fork() == 0)
				body(i);
		_exit((int)wait_all());
	}
	waitpid(boss, &how, 0);
	return (unsigned)WEXITSTATUS(how);
}

static bool
appenders_are(unsigned n)
{
	pid_t pid[32];

	for (int i = 0; i < 1000 && chain_appenders(&chain, pid, 32) != n; i++)
		usleep(20000);
	return chain_appenders(&chain, pid, 32) == n;
}

static void
reload(const char *extra)
{
	msg_start(&m, CTL_SETTINGS);
	msg_put_u32(&m, geteuid() == 0 ? CTL_F_ROOT : 0);
	m.fd = chain_settings_fd(&chain, extra);
	msg_send(chain.ctl, &m);
	close_fd(&m.fd);
	chain_must(taken(chain.ctl), "new settings");
}

#endif
