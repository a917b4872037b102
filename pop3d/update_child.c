/* Children that change a mailbox as its owner.  Runs in: maildrop, and as the
 * user in the children it forks here. */
#define _GNU_SOURCE
#include "pop3d/update_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/role.h"
#include "common/service.h"
#include "spool/index_make.h"
#include "spool/lock.h"

enum {
	CHILDREN_MAX = 32,
	CHILD_MS = 600000, /* a child that takes longer is killed */
	DOTLOCK_STEP_MS = 20
};

struct job {
	struct update_order order;
	update_done *done;
	void *arg;
	int dirfd; /* of the mailbox */
	bool dotlocked;
	int64_t lock_until; /* now_ms(): no more tries at the dotlock */
	int turnstile;	    /* closed while it tries; -1 */
	bool cut_short;	    /* the first child was; the second one mends */
	pid_t pid;
	int report; /* the child writes its status here */
	struct watch *watch;
	struct timer *timer;
	struct job *next;
};

static const struct settings *settings;
static int keep_fd = -1;
static struct job *running, *queued, **queued_end = &queued;
static unsigned running_n;
static bool pump_due;

void
update_child_init(const struct settings *s, int keep)
{
	settings = s;
	keep_fd = keep;
}

/* ---- the child ---- */

/* Nothing of the role may reach code that reads a user's files: closes all but
 * standard error, the log's channel and the report. */
static void
close_others(int report)
{
	int low = report < keep_fd ? report : keep_fd;
	int high = report < keep_fd ? keep_fd : report;

	if (low > 3 && close_range(3, (unsigned)low - 1, 0) == -1)
		fatal("close_range: %s", strerror(errno));
	if (low < 3)
		low = 2;
	if (high > low + 1 &&
	    close_range((unsigned)low + 1, (unsigned)high - 1, 0) == -1)
		fatal("close_range: %s", strerror(errno));
	if (close_range((unsigned)high + 1, ~0u, 0) == -1)
		fatal("close_range: %s", strerror(errno));
}

static enum status
open_both(
    const struct update_order *o, int flags, int *mbox, int *dir, int *state)
{
	char why[300];
	enum status st = mailbox_open(
	    &o->path, &o->user, flags, false, mbox, dir, why, sizeof(why));

	if (st == OK)
		st = state_open(&o->path, &o->user, state, why, sizeof(why));
	if (st != OK && st != ERR_GONE)
		log_write(LOG_LVL_ERROR, "pop3", "error: %s", why);
	return st;
}

static enum status
finish_interrupted(int mbox, int state)
{
	enum status st =
	    lock_wait_state(mbox, true, settings->mailbox_lock_wait, state);

	if (st != OK)
		return st;
	st = update_recover(mbox, state);
	lock_release(mbox);
	return st;
}

static enum status
make_index(const struct update_order *o)
{
	int mbox = -1, dir = -1, state = -1;
	enum status st = open_both(o, O_RDONLY, &mbox, &dir, &state);

	if (st != OK)
		return st;
	if (o->index == INDEX_ANEW)
		index_drop(state);
	return index_make(&(struct index_job){ .mbox = mbox,
	    .state_dir = state,
	    .mboxrd = settings->quoting_mboxrd,
	    .uids = o->index != INDEX_EXTENTS,
	    .lock_wait = settings->mailbox_lock_wait });
}

/* What an administrator would have to look at. */
static enum status
tell(const struct update_order *o, enum status st)
{
	if (st != OK && st != ERR_CHANGED && st != ERR_BUSY)
		log_write(LOG_LVL_ERROR, "pop3",
		    "error: deletions in mailbox %s/%s, journal "
		    "%s/.pennypost/%s/journal: %s",
		    o->path.dir, o->path.name, o->path.dir, o->user.name,
		    status_text(st));
	return st;
}

static enum status
child_work(const struct update_order *o, bool mend)
{
	int mbox = -1, dir = -1, state = -1;

	if (o->index != INDEX_NONE)
		return make_index(o);
	enum status st = open_both(o, O_RDWR, &mbox, &dir, &state);
	if (st == ERR_GONE && !mend)
		return ERR_CHANGED;
	if (st != OK)
		return st;
	if (mend)
		return tell(o, finish_interrupted(mbox, state));
	st = update_run(&(struct update_job){ .mbox = mbox,
	    .mbox_dir = dir,
	    .mbox_name = o->path.name,
	    .state_dir = state,
	    .lock_wait = settings->mailbox_lock_wait,
	    .dotlock = false, /* the parent has it */
	    .dev = o->dev,
	    .ino = o->ino,
	    .size = o->size,
	    .ctime_ns = o->ctime_ns,
	    .del = o->del,
	    .n = o->n });
	return tell(o, st);
}

/* The child, from fork to exit: does not return. */
static void
child_main(const struct update_order *o, bool mend, int report)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGTERM };

	/* Ctrl-C at a daemon in the foreground must not cut an update short. */
	for (size_t i = 0; i < NELEM(ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	close_others(report);
	if (geteuid() == 0)
		priv_become(o->user.uid, o->user.gid);
	uint32_t packed = status_pack(child_work(o, mend));
	log_flush();
	if (write(report, &packed, sizeof(packed)) != sizeof(packed))
		_exit(1);
	_exit(0);
}

/* ---- the parent ---- */

static void pump(void *unused);

static void
pump_soon(void)
{
	if (pump_due)
		return;
	pump_due = true;
	timer_add(0, pump, NULL);
}

static void
unlink_running(struct job *j)
{
	struct job **at = &running;

	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	running_n--;
}

/* Is the mailbox half moved?  Nothing of the user's is believed but this: who
 * makes it up keeps himself waiting. */
static bool
pending(const struct job *j)
{
	return j->dirfd != -1 && state_update_pending(j->dirfd, &j->order.user);
}

static void
finish(struct job *j, enum status st)
{
	if (j->dotlocked && !pending(j))
		mailbox_dotlock_release(
		    j->dirfd, j->order.path.name, &j->order.user);
	close_fd(&j->turnstile);
	close_fd(&j->dirfd);
	unlink_running(j);
	j->done(j->arg, st);
	free(j->order.del);
	free(j);
	if (queued != NULL)
		pump_soon();
}

static void child_start(struct job *j);

static void
child_gone(struct job *j, bool reported, enum status st)
{
	bool mending = j->cut_short || j->order.n == 0;

	watch_del(j->watch);
	j->watch = NULL;
	timer_del(j->timer);
	j->timer = NULL;
	close_fd(&j->report);
	if (!reported) {
		log_write(LOG_LVL_ERROR, "pop3",
		    "error: the process that %s the mailbox of %s died",
		    j->order.index != INDEX_NONE ? "indexed"
		    : mending			 ? "mended"
						 : "updated",
		    j->order.user.name);
		st = ERR_IO;
	}
	if (!mending && (!reported || (st != OK && pending(j)))) {
		j->cut_short = true;
		child_start(j);
		return;
	}
	/* What became of the messages is not known any more. */
	if (j->cut_short && st == OK)
		st = ERR_IO;
	finish(j, st);
}

static void
child_report(void *arg, uint32_t events)
{
	struct job *j = arg;
	uint32_t packed = 0;
	ssize_t n = read(j->report, &packed, sizeof(packed));

	(void)events;
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	child_gone(j, n == sizeof(packed), status_unpack(packed));
}

/* The report's end is not closed yet, so that pid is still our child's. */
static void
child_overdue(void *arg)
{
	struct job *j = arg;

	j->timer = NULL;
	log_write(LOG_LVL_ERROR, "pop3",
	    "error: updating the mailbox of %s takes too long; killed",
	    j->order.user.name);
	kill(j->pid, SIGKILL);
}

static void
child_start(struct job *j)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) == -1) {
		finish(j, ERR_NOMEM);
		return;
	}
	log_flush(); /* or both of us would send it */
	j->pid = fork();
	if (j->pid == 0)
		child_main(&j->order, j->cut_short || j->order.n == 0, p[1]);
	close(p[1]);
	j->report = p[0];
	if (j->pid != -1)
		j->watch = watch_add(p[0], EPOLLIN, child_report, j);
	if (j->watch == NULL) {
		/* Without a watch the child could not be waited for. */
		if (j->pid != -1)
			kill(j->pid, SIGKILL);
		close_fd(&j->report);
		finish(j, ERR_NOMEM);
		return;
	}
	j->timer = timer_add(CHILD_MS, child_overdue, j);
}

/* Did a job that failed leave the dotlock for this one? */
static bool
left_dotlock(const struct job *j)
{
	for (const struct job *o = running; o != NULL; o = o->next)
		if (o != j && o->dotlocked &&
		    strcmp(o->order.path.name, j->order.path.name) == 0 &&
		    strcmp(o->order.path.dir, j->order.path.dir) == 0)
			return false;
	return mailbox_dotlock_own(
	    j->dirfd, j->order.path.name, &j->order.user);
}

/* Keeps deliveries out until the job is done (spool/lock.h). */
static void
close_turnstile(struct job *j)
{
	if (j->turnstile == -1)
		j->turnstile = state_turnstile_open(j->dirfd, &j->order.user);
	turnstile_close(j->turnstile);
}

/* Takes the dotlock, in tries, then starts the child. */
static void
take_dotlock(void *arg)
{
	struct job *j = arg;

	j->timer = NULL;
	if (!settings->lock_dotlock || j->order.index != INDEX_NONE) {
		child_start(j);
		return;
	}
	enum status st =
	    mailbox_dotlock_take(j->dirfd, j->order.path.name, &j->order.user);
	if (st == ERR_BUSY && left_dotlock(j))
		st = OK;
	switch (st) {
	case OK:
		j->dotlocked = true;
		child_start(j);
		break;
	case ERR_PERM:
		/* Where neither the user nor the directory's group may make
		 * one, no other program of the user's can, either. */
		child_start(j);
		break;
	case ERR_BUSY:
		if (now_ms() < j->lock_until) {
			close_turnstile(j);
			j->timer = timer_add(DOTLOCK_STEP_MS, take_dotlock, j);
			break;
		}
		finish(j, st);
		break;
	default:
		finish(j, st);
		break;
	}
}

static void
begin(struct job *j)
{
	char why[300];

	j->next = running;
	running = j;
	running_n++;
	enum status st = mailbox_dir_open(
	    &j->order.path, &j->order.user, &j->dirfd, NULL, why, sizeof(why));
	if (st != OK) {
		log_write(LOG_LVL_ERROR, "pop3", "error: %s", why);
		finish(j, st);
		return;
	}
	j->lock_until = now_ms() + settings->mailbox_lock_wait;
	take_dotlock(j);
}

static bool
user_running(uid_t uid)
{
	for (const struct job *j = running; j != NULL; j = j->next)
		if (j->order.user.uid == uid)
			return true;
	return false;
}

/* Starts what may start: one job of a user at a time, so that nobody's slow
 * mailboxes take all the places. */
static void
pump(void *unused)
{
	struct job **at = &queued;

	(void)unused;
	pump_due = false;
	while (*at != NULL && running_n < CHILDREN_MAX) {
		struct job *j = *at;
		if (geteuid() == 0 && user_running(j->order.user.uid)) {
			at = &j->next;
			continue;
		}
		*at = j->next;
		if (*at == NULL)
			queued_end = at;
		begin(j);
	}
}

bool
update_child_start(const struct update_order *o, update_done *done, void *arg)
{
	struct job *j = calloc(1, sizeof(*j));

	if (j == NULL) {
		free(o->del);
		return false;
	}
	*j = (struct job){ .order = *o,
		.done = done,
		.arg = arg,
		.dirfd = -1,
		.turnstile = -1,
		.report = -1 };
	*queued_end = j;
	queued_end = &j->next;
	pump_soon();
	return true;
}

/* A job that has not begun to change anything is given up; the others end by
 * themselves, in bounded time. */
void
update_child_drain(void)
{
	pump(NULL);
	while (running != NULL) {
		struct job *j = running;
		struct pollfd p = { .fd = j->report, .events = POLLIN };
		if (j->report == -1) {
			timer_del(j->timer);
			finish(j, ERR_BUSY);
		} else if (poll(&p, 1, CHILD_MS) == 0) {
			kill(j->pid, SIGKILL);
		} else if (p.revents != 0) {
			child_report(j, 0);
		}
		if (running == NULL)
			pump(NULL);
	}
}
