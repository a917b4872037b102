#ifndef T_UNIT_CHAIN_H
#define T_UNIT_CHAIN_H
/*
 * The deliver role in a child process, with a spool of its own below /tmp, for
 * tests and measurements: whoever introduces askers to it is this process.  As
 * root it drops and becomes numeric users; without root all belongs to the
 * caller.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/ctl.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/role.h"
#include "common/settings.h"
#include "spool/ask_deliver.h"
#include "spool/svc_deliver.h"

enum { CHAIN_UID = 20001, CHAIN_APPEND = 20010, CHAIN_MAIL = 20008 };

struct chain {
	char base[64]; /* a directory; base/mail is the spool */
	pid_t opener;
	int ctl;	    /* the master's end */
	int workers, queue; /* where askers are introduced */
	int log;	    /* read end; lines of the role */
};

static void
chain_must(bool good, const char *what)
{
	if (good)
		return;
	printf("# %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Settings as the master sends them. */
static int
chain_settings_fd(const struct chain *c, const char *extra)
{
	FILE *f = tmpfile();
	bool root = geteuid() == 0;

	chain_must(f != NULL, "tmpfile");
	fprintf(f,
	    "hostname mail.example.org\nlocal_domains example.org\n"
	    "system_users no\nusers %s/users\nmailbox %s/mail/%%u\n"
	    "empty_directory %s/empty\n%s",
	    c->base, c->base, c->base, extra);
	if (root)
		fprintf(f, "role_user append %d\n", CHAIN_APPEND);
	fflush(f);
	rewind(f);
	int fd = dup(fileno(f));
	fclose(f);
	return fd;
}

/* n users: alice, bob, and u2 ... */
static void
chain_dirs(struct chain *c, unsigned n)
{
	char path[128];
	bool root = geteuid() == 0;

	snprintf(c->base, sizeof(c->base), "/tmp/deliver.XXXXXX");
	chain_must(mkdtemp(c->base) != NULL, c->base);
	chmod(c->base, 0755);
	snprintf(path, sizeof(path), "%s/empty", c->base);
	chain_must(mkdir(path, 0755) == 0, path);
	snprintf(path, sizeof(path), "%s/mail", c->base);
	chain_must(mkdir(path, 0755) == 0, path);
	if (root)
		chain_must(chown(path, 0, CHAIN_MAIL) == 0, "chown");
	chmod(path, 02775);
	snprintf(path, sizeof(path), "%s/users", c->base);
	FILE *f = fopen(path, "w");
	chain_must(f != NULL, path);
	for (unsigned i = 0; i < n; i++) {
		char name[16];
		snprintf(name, sizeof(name), "u%u", i);
		fprintf(f, "%s:*:%u:%u::/nonexistent\n",
		    i == 0   ? "alice"
		    : i == 1 ? "bob"
			     : name,
		    root ? CHAIN_UID + i : geteuid(),
		    root ? CHAIN_UID + i : getegid());
	}
	fclose(f);
	chmod(path, 0600);
}

static void
chain_child(struct role *r)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log_open(r->peer[ROLE_LOG], "local");
	svc_deliver_main(r);
}

static void
chain_start(struct chain *c, unsigned users, const char *extra)
{
	struct role r = { .id = ROLE_DELIVER, .root = geteuid() == 0 };
	int ctl[2], pool[2], queue[2], log[2];
	char *err = NULL;
	static struct msg m;

	chain_dirs(c, users);
	chain_must(channel_pair(ctl) == 0 && channel_pair(pool) == 0 &&
		       channel_pair(queue) == 0 && channel_pair(log) == 0,
	    "channels");
	for (unsigned i = 0; i < ROLE__N; i++)
		r.peer[i] = -1;
	r.ctl = ctl[1];
	r.peer[ROLE_POOL] = pool[1];
	r.peer[ROLE_QUEUE] = queue[1];
	r.peer[ROLE_LOG] = log[1];
	r.settings = settings_read_fd(
	    chain_settings_fd(c, extra), "settings", false, &err);
	if (r.settings == NULL)
		printf("# %s\n", err);
	chain_must(r.settings != NULL, "settings");
	fflush(stdout);
	c->opener = fork();
	chain_must(c->opener != -1, "fork");
	if (c->opener == 0) {
		close(ctl[0]);
		close(pool[0]);
		close(queue[0]);
		close(log[0]);
		chain_child(&r);
		_exit(1);
	}
	settings_free(r.settings);
	close(ctl[1]);
	close(pool[1]);
	close(queue[1]);
	close(log[1]);
	c->ctl = ctl[0];
	c->workers = pool[0];
	c->queue = queue[0];
	c->log = log[0];
	/* READY, or what is wrong. */
	fcntl(c->ctl, F_SETFL, 0);
	for (int i = 0; msg_recv(c->ctl, &m) == -1 && i < 12000; i++)
		usleep(10000);
	char text[300] = "";
	if (m.type == CTL_FAILED)
		msg_get_str(&m, text, sizeof(text));
	if (m.type != CTL_READY)
		printf("# not ready: %s\n", text);
	chain_must(m.type == CTL_READY, "deliver");
}

static int
chain_asker(const struct chain *c, bool queue)
{
	struct intro in = { .kind = queue ? INTRO_QUEUE : INTRO_WORKER };
	int fd = introduce(queue ? c->queue : c->workers, &in);

	chain_must(fd != -1, "introduce");
	return fd;
}

/* Ends it in order.  True: it ended with status 0 within a minute. */
static bool
chain_stop(struct chain *c)
{
	static struct msg m;
	int how = -1;
	char cmd[128];

	msg_start(&m, CTL_STOP);
	msg_put_u32(&m, 30000);
	msg_send(c->ctl, &m);
	for (int i = 0; i < 6000; i++) {
		if (waitpid(c->opener, &how, WNOHANG) == c->opener)
			break;
		usleep(10000);
	}
	kill(c->opener, SIGKILL);
	close(c->ctl);
	close(c->workers);
	close(c->queue);
	close(c->log);
	snprintf(cmd, sizeof(cmd), "%s", c->base);
	pid_t pid = fork();
	if (pid == 0) {
		execlp("rm", "rm", "-rf", cmd, (char *)NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	return how == 0;
}

/* Its append processes. */
__attribute__((unused)) static unsigned
chain_appenders(const struct chain *c, pid_t *pid, unsigned max)
{
	char path[64];
	unsigned n = 0;
	long p;

	snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children",
	    (long)c->opener, (long)c->opener);
	FILE *f = fopen(path, "r");
	/* The first is the runner. */
	bool runner = true;
	while (f != NULL && n < max && fscanf(f, "%ld", &p) == 1) {
		if (!runner)
			pid[n++] = (pid_t)p;
		runner = false;
	}
	if (f != NULL)
		fclose(f);
	return n;
}

/* One delivery of text to a user. */
__attribute__((unused)) static struct delivery
chain_deliver(int asker, const char *recipient, const char *text)
{
	struct delivery d = { .id = "AB12",
		.recipient = recipient,
		.original = recipient,
		.sender = "eve@example.com",
		.content = view_of(text),
		.file = -1 };

	ask_deliver(asker, &d);
	return d;
}
#endif
