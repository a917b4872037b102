/* Requests to the role maildrop: whatever a session sends, it is handed its own
 * lock and mailbox and nothing else, each once, and what is to be removed are
 * extents in order inside of what it said. */
#define _GNU_SOURCE
#include "pop3d/svc_maildrop.c"
#include "t/fuzz/channel.h"
#include "t/fuzz/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct intro bob = { .kind = INTRO_USER, .user = "bob", .home = "/" };
static struct stat box;

/* ---- in the place of the children ---- */

struct job {
	update_done *done;
	void *arg;
	enum status st;
};

static void
job_due(void *arg)
{
	struct job *j = arg;

	j->done(j->arg, j->st);
	free(j);
}

void
update_child_init(const struct settings *s, int keep_fd)
{
	(void)s;
	(void)keep_fd;
}

void
update_child_drain(void)
{
}

bool
update_child_start(const struct update_order *o, update_done *done, void *arg)
{
	struct job *j = malloc(sizeof(*j));
	uint64_t end = 0;

	must(j != NULL && strcmp(o->user.name, "bob") == 0);
	must(o->user.uid == bob.uid && o->user.gid == bob.gid);
	must(strcmp(o->path.name, "bob") == 0);
	for (unsigned i = 0; i < o->n; i++) {
		must(o->del[i].offset >= end && o->del[i].length > 0);
		must(o->del[i].length <= o->size - o->del[i].offset);
		end = o->del[i].offset + o->del[i].length;
	}
	free(o->del);
	*j = (struct job){ done, arg,
		o->n % 3 == 1	? ERR_IO
		: o->n % 3 == 2 ? ERR_BUSY
				: OK };
	timer_add(0, job_due, j);
	return true;
}

/* ---- */

static void
check(const struct msg *rq, struct msg *rp)
{
	struct stat st;

	enum status said = status_unpack(msg_get_u32(rp));
	must(!rp->bad);
	if (rq->type == MAILDROP_DELETE || rq->type == MAILDROP_COMMIT) {
		must(rp->fd == -1);
		return;
	}
	must((rp->fd != -1) == (said == OK));
	if (rp->fd == -1)
		return;
	must(fstat(rp->fd, &st) == 0 && S_ISREG(st.st_mode));
	must(st.st_uid == bob.uid);
	int how = fcntl(rp->fd, F_GETFL) & O_ACCMODE;
	if (rq->type == MAILDROP_OPEN)
		must(st.st_ino == box.st_ino && how == O_RDONLY);
	else
		must(st.st_ino != box.st_ino &&
		     (rq->type == MAILDROP_LOCK || how == O_RDONLY));
}

static void
add(int sock)
{
	add_right(sock, &bob);
}

static void
set_up(void)
{
	char file[80];

	world_make(01777);
	bob.uid = bob.gid = geteuid() == 0 ? 54321 : geteuid();
	world_put("conf", "mailbox %s/%%u\n", world);
	settings = world_settings(true);
	world_put("bob", "From a Mon\n\nx\n\n");
	world_give("bob", bob.uid);
	snprintf(file, sizeof(file), "%s/bob", world);
	must(stat(file, &box) == 0);
	memcpy(host, "host", sizeof("host"));
	log_level_set(LOG_LVL_ERROR + 1);
	channel.add = add;
	channel.check = check;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (settings == NULL)
		set_up();
	channel_run(&service, data, size);
	return 0;
}
