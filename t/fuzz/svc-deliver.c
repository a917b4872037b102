/* Requests to the role deliver, of a worker or of the queue: whatever is asked,
 * a channel to a mailbox comes with OK alone, is that user's, and what a
 * process that acts as a user answers is checked, too. Input: u8: 1: the queue
 * asks, 0: a worker; then as in channel.h.  An order to a user's process takes
 * the next record for its answer. */
#define _GNU_SOURCE
#include "spool/svc_deliver.c"
#include "spool/terminal.h"
#include "t/fuzz/channel.h"
#include "t/fuzz/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool as_queue;
static const char *handed; /* whose mailbox append was given last */

/* ---- in the place of append ---- */

struct held {
	int channel, turns;
};

/* append closes its end after a while. */
static void
held_due(void *arg)
{
	struct held *h = arg;

	if (h->turns-- > 0) {
		timer_add(0, held_due, h);
		return;
	}
	close(h->channel);
	free(h);
}

void
appenders_start(const struct role *r, unsigned n, appender_lookup *find)
{
	(void)r;
	(void)n;
	(void)find;
}

void
appenders_resize(unsigned n)
{
	(void)n;
}

void
appenders_stop(void (*all_gone)(void))
{
	all_gone();
}

enum status
appenders_hand(const char *user, int fd)
{
	struct held *h = malloc(sizeof(*h));

	must(h != NULL);
	*h = (struct held){ fcntl(fd, F_DUPFD_CLOEXEC, 3), 5 };
	must(h->channel != -1);
	timer_add(0, held_due, h);
	handed = strcmp(user, "bob") == 0     ? "bob"
		 : strcmp(user, "carol") == 0 ? "carol"
					      : NULL;
	must(handed != NULL);
	return OK;
}

/* ---- in the place of the processes that act as users ---- */

struct job {
	int end;
};

static void
job_due(void *arg)
{
	struct job *j = arg;
	int sock = channel.sock;
	bool owed = channel.owed, breach = channel.breach;

	channel.sock = j->end;
	channel.breach = false;
	if (sock != -1) {
		static struct msg asked;
		memcpy(&asked, &channel_asked, sizeof(asked));
		channel_next();
		memcpy(&channel_asked, &asked, sizeof(asked));
	}
	channel.sock = sock;
	channel.owed = owed;
	channel.breach = breach;
	close(j->end);
	free(j);
}

enum status
runner_fork(const struct role *r)
{
	(void)r;
	return OK;
}

void
runner_watch(void)
{
}

enum status
runner_job(const struct user *u, int64_t ms, int end)
{
	struct job *j = malloc(sizeof(*j));

	must(j != NULL && ms > 0 && u->uid != 0);
	*j = (struct job){ fcntl(end, F_DUPFD_CLOEXEC, 3) };
	timer_add(0, job_due, j);
	return OK;
}

struct shown {
	void (*done)(void *, bool);
	void *arg;
	bool reached;
};

static void
shown_due(void *arg)
{
	struct shown *s = arg;

	s->done(s->arg, s->reached);
	free(s);
}

bool
terminal_start(const struct user *u, struct view text, int log_fd,
    void (*done)(void *, bool), void *arg)
{
	struct shown *s = malloc(sizeof(*s));

	(void)log_fd;
	must(s != NULL && u->uid != 0);
	for (size_t i = 0; i < text.n; i++) /* nothing that moves a cursor */
		must(text.p[i] != '\033' && text.p[i] != '\b' &&
		     text.p[i] != '\0');
	*s = (struct shown){ done, arg, text.n % 2 == 0 };
	timer_add(0, shown_due, s);
	return true;
}

/* ---- */

static void
check(const struct msg *rq, struct msg *rp)
{
	enum status st = status_unpack(msg_get_u32(rp));
	char user[USER_NAME_MAX];

	must(as_queue || rq->type == DELIVER_OPEN);
	if (rq->type != DELIVER_OPEN && rq->type != DELIVER_OPEN_HERE) {
		must(rp->fd == -1);
		return;
	}
	must((rp->fd != -1) == (st == OK));
	msg_get_str(rp, user, sizeof(user));
	struct view text = msg_get_view(rp, DELIVER_TEXT_MAX);
	must(msg_done(rp));
	if (st == OK)
		must(handed != NULL && strcmp(user, handed) == 0);
	if (!as_queue) /* no path for a process that faces the network */
		must(memchr(text.p, '/', text.n) == NULL);
	handed = NULL;
}

static void
add(int sock)
{
	(as_queue ? add_queue : add_worker)(sock,
	    &(struct intro){ .kind = as_queue ? INTRO_QUEUE : INTRO_WORKER });
}

/* ---- */

static void
set_up(void)
{
	static struct role r = { .id = ROLE_DELIVER };
	unsigned uid = geteuid() == 0 ? 54321 : (unsigned)geteuid();
	char *err = NULL;

	world_make(0755);
	world_dir("mail", 01777);
	world_dir("home", 0755);
	world_put("users",
	    "bob:!:%u:%u:Bob:%s\ncarol:!:%u:%u::%s/home\n"
	    "zero:!:0:0::/\n#./x:!:%u:%u::/\n",
	    uid, uid, world, uid, uid, world, uid, uid);
	world_put("home/.forward", "\\carol, bob@elsewhere.test\n");
	world_give("home/.forward", uid);
	world_put("conf",
	    "local_domains example.org\nusers %s/users\nsystem_users no\n"
	    "mailbox %s/mail/%%u\nforward yes\npostmaster bob\n",
	    world, world);
	r.settings = world_settings(false);
	log_level_set(LOG_LVL_ERROR + 1);
	intent_init();
	users = passdb_open(r.settings, false, &err);
	must(users != NULL);
	role = &r;
	terminal_init(resolve, -1);
	forward_init(resolve, settings_now, find_by_name);
	channel.add = add;
	channel.check = check;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (role == NULL)
		set_up();
	if (size == 0)
		return 0;
	as_queue = data[0] & 1;
	handed = NULL;
	channel_run(
	    as_queue ? &queue_service : &worker_service, data + 1, size - 1);
	return 0;
}
