/*
 * The runner, and how deliver asks it.  Runs in: deliver; runner (root,
 * without a sandbox), a process of it.
 */
#define _GNU_SOURCE
#include "spool/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fds.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/service.h"
#include "spool/order.h"
#include "spool/runner_job.h"

enum { JOBS_MAX = 256, AGAIN = 100 /* ms */ };

/* ---- the runner ---- */

struct job {
	pid_t pid;
	int alive; /* a pipe that ends with the process */
	struct watch *watch;
	struct timer *timer;
};
static unsigned jobs;
static int log_fd = -1;
static const struct role *role;

static void
job_ended(void *arg, uint32_t events)
{
	struct job *j = arg;

	(void)events;
	watch_del(j->watch);
	timer_del(j->timer);
	close_fd(&j->alive);
	while (waitpid(j->pid, NULL, 0) == -1 && errno == EINTR)
		;
	jobs--;
	free(j);
}

/* Its own clock, which is shorter, has not helped. */
static void
job_overdue(void *arg)
{
	struct job *j = arg;

	j->timer = NULL;
	kill(j->pid, SIGKILL); /* what it has started goes with it */
}

static noreturn void
child(const char *name, uid_t uid, gid_t gid, int end, int alive)
{
	const int keep[] = { end, alive, log_fd };

	signal(SIGCHLD, SIG_DFL);
	fds_keep_only(keep, NELEM(keep));
	/* The terminal's Ctrl-C is for the master. */
	setpgid(0, 0);
	proc_title("runner: %s", name);
	if (geteuid() == 0)
		priv_become(uid, gid);
	/* What the change of user has cleared. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	runner_job_main(role, uid, end);
}

static void
start(const char *name, uid_t uid, gid_t gid, int64_t ms, int end)
{
	int alive[2] = { -1, -1 };
	struct job *j = NULL;

	if (jobs >= JOBS_MAX || uid == 0 || gid == 0 ||
	    (geteuid() != 0 && uid != geteuid()) ||
	    pipe2(alive, O_CLOEXEC | O_NONBLOCK) == -1)
		return;
	j = calloc(1, sizeof(*j));
	log_flush();
	if (j != NULL)
		j->pid = fork();
	if (j != NULL && j->pid == 0)
		child(name, uid, gid, end, alive[1]);
	close_fd(&alive[1]);
	if (j == NULL || j->pid == -1) {
		close_fd(&alive[0]);
		free(j);
		return;
	}
	jobs++;
	j->alive = alive[0];
	j->timer = timer_add(ms, job_overdue, j);
	j->watch = watch_add(j->alive, EPOLLIN, job_ended, j);
	if (j->watch == NULL)
		fatal("watching a user's process: %s", strerror(errno));
}

static enum answer
answer_job(struct peer *p, struct msg *rq, struct msg *rp)
{
	char name[USER_NAME_MAX];

	(void)p;
	(void)rp;
	msg_get_str(rq, name, sizeof(name));
	uint32_t uid = msg_get_u32(rq), gid = msg_get_u32(rq);
	uint64_t ms = msg_get_u64(rq);
	if (!msg_done(rq) || ms > INT32_MAX)
		return ANSWER_DROP;
	start(name, uid, gid, (int64_t)ms, rq->fd);
	return ANSWER_NONE;
}

static void
deliver_gone(struct peer *p)
{
	(void)p;
	_exit(0); /* the users' processes go, too */
}

static const struct request requests[] = {
	{ RUNNER_JOB, 20, 256, true, BIT(RUNNER_JOB), answer_job,
	    "RUNNER_JOB" },
};
static const struct service deliver_service = { .name = "deliver",
	.requests = requests,
	.n = 1,
	.first = BIT(RUNNER_JOB),
	.gone = deliver_gone };

static void
limit_core(void)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) == -1)
		fatal("setrlimit: %s", strerror(errno));
}

static noreturn void
runner_main(const struct role *r, int sock)
{
	static const int keep_caps[] = { CAP_SETUID, CAP_SETGID, CAP_KILL };
	const int keep[] = { sock, r->peer[ROLE_LOG] };

	log_fd = r->peer[ROLE_LOG];
	role = r;
	signal(SIGPIPE, SIG_IGN);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* No program gets more rights than its user has. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		fatal("no_new_privs: %s", strerror(errno));
	limit_core();
	/* It becomes users, and ends what they have started. */
	priv_keep(keep_caps, NELEM(keep_caps));
	fds_keep_only(keep, NELEM(keep));
	proc_title("runner");
	service_init();
	if (service_add(sock, &deliver_service, NULL) == NULL)
		_exit(1);
	service_run();
	_exit(0);
}

/* ---- deliver ---- */

static int runner_sock = -1;

enum status
runner_fork(const struct role *r)
{
	int pair[2];

	if (channel_pair(pair) == -1)
		return ERR_NOMEM;
	log_flush();
	pid_t pid = fork();
	if (pid == 0)
		runner_main(r, pair[1]);
	close_fd(&pair[1]);
	runner_sock = pair[0];
	if (pid == -1)
		close_fd(&runner_sock);
	return pid == -1 ? ERR_NOMEM : OK;
}

static void
runner_gone(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
	fatal("the runner has gone");
}

void
runner_watch(void)
{
	if (watch_add(runner_sock, EPOLLIN, runner_gone, NULL) == NULL)
		fatal("watching the runner: %s", strerror(errno));
}

enum status
runner_job(const struct user *u, int64_t ms, int end)
{
	msg_start(&scratch, RUNNER_JOB);
	msg_put_str(&scratch, u->name);
	msg_put_u32(&scratch, u->uid);
	msg_put_u32(&scratch, u->gid);
	msg_put_u64(&scratch, (uint64_t)ms);
	scratch.fd = end;
	return msg_send(runner_sock, &scratch) == 0 ? OK
						    : status_from_errno(errno);
}
