/*
 * What a worker makes of a pool that is late.  The pool is a child of this
 * process that answers when it is told to.
 */
#include "common/worker.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fds.h"
#include "common/msg.h"
#include "common/pool.h"
#include "t/unit/tap.h"

static struct msg m;
static int pool; /* the other end of the worker's channel */

static void
say(uint32_t what, uint32_t about, uint32_t n, int fd)
{
	msg_start(&m, what);
	msg_put_u32(&m, about);
	if (what != POOL_CHANNEL)
		msg_put_u32(&m, n);
	m.fd = fd;
	if (msg_send(pool, &m) == -1)
		abort();
	m.fd = -1;
}

/* Says that a while after the worker has begun to ask. */
static pid_t
says_later(uint32_t what, uint32_t about, uint32_t n, int fd)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	poll(NULL, 0, 200);
	say(what, about, n, fd);
	_exit(0);
}

static void
worker_begin(struct worker *w, const struct settings *set)
{
	int end[2];

	if (channel_pair(end) == -1)
		abort();
	*w = (struct worker){ .settings = set, .ctl = end[0] };
	w->conn.stop_fd = -1;
	for (unsigned i = 0; i < ROLE__N; i++)
		w->chan[i] = -1;
	pool = end[1];
}

static void
worker_end(struct worker *w)
{
	for (unsigned i = 0; i < ROLE__N; i++)
		close_fd(&w->chan[i]);
	close_fd(&w->ctl);
	close_fd(&pool);
}

/* The answer that was not waited for any more comes when something else has
 * been asked. */
static void
test_late(const struct settings *set)
{
	struct worker w;
	pid_t pid;

	worker_begin(&w, set);
	ok(worker_message(&w), "a pool that says nothing refuses nothing");
	say(POOL_DROP, 1, 7, -1);
	pid = says_later(POOL_SERVE, 0, 0, -1);
	ok(worker_message(&w), "a late no is no answer to the next question");
	waitpid(pid, NULL, 0);
	pid = says_later(POOL_DROP, 1, 9, -1);
	ok(!worker_message(&w) && w.too_fast && w.came == 9,
	    "the answer to that is one");
	waitpid(pid, NULL, 0);

	ok(worker_message(&w), "again it says nothing");
	say(POOL_SERVE, 0, 0, -1);
	pid = says_later(POOL_CHANNEL, ROLE_LOOKUP, 0, 1);
	ok(worker_channel(&w, ROLE_LOOKUP) != -1,
	    "a late yes is no reason not to wait for a channel");
	waitpid(pid, NULL, 0);
	worker_end(&w);
}

/* A channel that comes late can still be used. */
static void
test_late_channel(const struct settings *set)
{
	struct worker w;
	pid_t pid;

	worker_begin(&w, set);
	ok(worker_channel(&w, ROLE_DELIVER) == -1, "no channel in time");
	say(POOL_CHANNEL, ROLE_DELIVER, 0, 1);
	pid = says_later(POOL_DROP, 1, 3, -1);
	ok(!worker_message(&w) && w.came == 3,
	    "a late channel is no answer, either");
	waitpid(pid, NULL, 0);
	ok(worker_channel(&w, ROLE_DELIVER) != -1, "but is taken");
	worker_end(&w);
}

int
main(void)
{
	static struct settings set;

	set.message_rate.n = 1;
	test_late(&set);
	test_late_channel(&set);
	return done_testing();
}
