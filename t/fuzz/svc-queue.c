/* Requests to the queue: whatever one asker sends, what is published is a whole
 * record for local recipients, and nothing is left when it has gone.
 *
 * Input: any number of { u8 type, u8 flags, u16 length, fields }; flags: 1 a
 * descriptor comes along, 2 what was spooled so far grows by the length. */
#define _GNU_SOURCE
#include "spool/deposit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/service.h"
#include "spool/ask_queue.h"
#include "spool/handout.h"
#include "spool/publish.h"
#include "t/fuzz/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct queue queue;
static struct sched *sched;
static struct settings *settings;
static struct msg m;
static int every[2]; /* a pipe that nobody reads */

/* ---- in the place of the publishers, and of what hands out ---- */

static void
check_record(const char *id)
{
	struct record r;
	const char *why;

	must(queue_load(&queue, id, &r, &why) == OK);
	must(r.env.user.n == 0 && r.env.rcpt_n <= 100);
	for (unsigned i = 0; i < r.env.rcpt_n; i++) {
		struct view to = r.env.rcpt[i].address;
		must(r.env.rcpt[i].state == RCPT_TO_DO);
		for (size_t k = to.n; k-- > 0;)
			if (to.p[k] == '@') {
				to = (struct view){ to.p + k, to.n - k };
				must(view_caseeqs(to, "@example.org"));
				break;
			} else if (to.p[k] == '"') {
				break; /* a quoted local part alone */
			}
	}
	queue_unload(&r);
}

static void
publish(void *arg)
{
	struct publish_job *j = arg;
	char id[ENVELOPE_ID_MAX + 1];

	memcpy(id, j->pub.id, sizeof(id));
	queue_publish(&queue, &j->pub, 1);
	if (j->pub.status == OK)
		check_record(id);
	j->done(j);
	queue_remove(&queue, id);
}

void
publish_submit(struct publish_job *j)
{
	timer_add(0, publish, j);
}

void
publish_remove(const char *id)
{
	(void)id;
}

void
handout_run(void)
{
	struct sched_msg *msg;

	while ((msg = sched_activate(sched, 0)) != NULL)
		sched_drop(sched, msg);
}

/* ---- the loop ---- */

static unsigned
files_in(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY);
	DIR *d = fdopendir(fd);
	unsigned n = 0;

	for (struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void
set_up(void)
{
	struct sched_limits l = {
		.active = 8, .retry_min = 1000, .retry_max = 1000, .seed = 1
	};
	char path[128], why[256];

	world_make(0700);
	must(pipe(every) == 0);
	world_put("conf", "local_domains example.org\nrecipients_max 100\n");
	settings = world_settings(false);
	world_dir("queue", 0700);
	snprintf(path, sizeof(path), "%s/queue", world);
	int dir = open(path, O_RDONLY | O_DIRECTORY);
	must(queue_open(&queue, dir, why, sizeof(why)) == OK);
	close(dir);
	sched = sched_new(&l);
	deposit_init(&queue, sched, settings);
	log_level_set(LOG_LVL_ERROR + 1);
}

/* One input on its way through the loop: a request with each turn. */
static struct feed {
	struct view left;
	int sock, spool;
	struct watch *turn;
	int idle; /* turns after the last */
} feed;

static bool
next_request(struct feed *f)
{
	const unsigned char *p = (const unsigned char *)f->left.p;

	if (f->left.n < 4)
		return false;
	size_t n = p[2] | (size_t)p[3] << 8;
	unsigned flags = p[1];
	msg_start(&m, p[0]);
	f->left = (struct view){ f->left.p + 4, f->left.n - 4 };
	if (n > f->left.n)
		n = f->left.n;
	if (n > 0)
		memcpy(m.data, f->left.p, n);
	m.len = (uint32_t)n;
	f->left = (struct view){ f->left.p + n, f->left.n - n };
	if ((flags & 2) && f->spool != -1)
		must(ftruncate(f->spool, (off_t)n) == 0);
	if (flags & 1)
		m.fd = f->spool;
	return msg_send(f->sock, &m) == 0;
}

static void
feeding(void *arg, uint32_t events)
{
	struct feed *f = arg;

	(void)events;
	while (f->sock != -1 && msg_recv(f->sock, &m) == 1)
		if (m.fd != -1) {
			close_fd(&f->spool);
			f->spool = m.fd;
		}
	if (f->sock != -1 && !next_request(f))
		close_fd(&f->sock);
	if (f->sock == -1 && ++f->idle > 3) {
		watch_del(f->turn);
		service_stop();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int end[2];

	if (settings == NULL)
		set_up();
	int ep = fcntl(0, F_DUPFD_CLOEXEC, 3); /* the number it will have */
	close(ep);
	service_init();
	must(channel_pair(end) == 0);
	deposit_peer(end[1], ""); /* users may send to other hosts */
	feed = (struct feed){ .left = { (const char *)data, size },
		.sock = end[0],
		.spool = -1 };
	/* Room in a pipe: true with every turn of the loop. */
	feed.turn = watch_add(every[1], EPOLLOUT, feeding, &feed);
	service_run();
	close_fd(&feed.spool);
	close(ep);
	must(sched_count(sched) == 0);
	must(files_in(queue.incoming) == 0 && files_in(queue.active) == 0);
	return 0;
}
