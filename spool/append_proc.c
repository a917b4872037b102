/*
 * The append process: writes messages into mailboxes that it was handed.  It
 * has a uid of its own, sees no name in the file system, and holds nothing but
 * the channels of deliveries that are under way.
 *
 * Runs in: append.
 */
#define _GNU_SOURCE
#include "spool/append_grant.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/service.h"
#include "spool/append_box.h"
#include "spool/append_proc.h"

enum {
	IDLE_MAX = 30000,    /* ms from its making to the message */
	CHANNELS_MAX = 8192, /* at once */
	ADOPT_TURN = 64	     /* channels taken before others get a turn */
};

static unsigned channels;
static bool leaving; /* no more channels will come */

/* ---- one channel ---- */

/* The opener put its messages into the channel before it gave the asker its
 * end, so they are there and they are the first. */
static bool
take_grant(int sock, struct job *j)
{
	static struct msg m;
	struct stat st;
	bool good = false;

	if (msg_recv(sock, &m) != 1 || m.type != GRANT || m.fd == -1 ||
	    !grant_get(&m, &j->grant) || fstat(m.fd, &st) == -1 ||
	    !S_ISREG(st.st_mode))
		goto out;
	j->dev = st.st_dev;
	j->ino = st.st_ino;
	j->mbox = m.fd;
	m.fd = -1;
	if (msg_recv(sock, &m) != 1 || m.type != GRANT_DIR || m.fd == -1 ||
	    m.len != 0)
		goto out;
	j->dir = m.fd;
	m.fd = -1;
	if (j->grant.intent) {
		if (msg_recv(sock, &m) != 1 || m.type != GRANT_INTENT ||
		    m.fd == -1 || m.len != 0)
			goto out;
		j->intent = m.fd;
		m.fd = -1;
	}
	good = true;
out:
	close_fd(&m.fd);
	return good;
}

static bool
queue_id(const char *s)
{
	return s[0] != '\0' && s[strspn(s, "0123456789ABCDEF")] == '\0';
}

static bool
get_envelope(struct job *j, struct msg *rq)
{
	const struct append_msg m = { .sender = j->sender,
		.original_to = j->original,
		.delivered_to = j->grant.delivered_to };

	msg_get_str(rq, j->id, sizeof(j->id));
	msg_get_str(rq, j->sender, sizeof(j->sender));
	msg_get_str(rq, j->original, sizeof(j->original));
	return !rq->bad && queue_id(j->id) && append_fields_ok(&m);
}

static enum answer
queue_job(struct job *j)
{
	timer_del(j->idle);
	j->idle = NULL;
	box_queue(j);
	return ANSWER_LATER;
}

static enum answer
answer_append_inline(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct job *j = p->state;
	bool good = get_envelope(j, rq);
	struct view content = msg_get_view(rq, MSG_INLINE_MAX);

	(void)rp;
	if (!good || !msg_done(rq) || content.n > j->grant.length_max)
		return ANSWER_DROP;
	j->content = malloc(content.n + 1);
	if (j->content == NULL) {
		box_refuse(j, ERR_NOMEM);
		return ANSWER_LATER;
	}
	if (content.n > 0)
		memcpy(j->content, content.p, content.n);
	j->content_n = content.n;
	return queue_job(j);
}

static enum answer
answer_append_file(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct job *j = p->state;
	struct stat st;

	(void)rp;
	bool good = get_envelope(j, rq);
	j->offset = msg_get_u64(rq);
	j->length = msg_get_u64(rq);
	if (!good || !msg_done(rq) || fstat(rq->fd, &st) == -1 ||
	    !S_ISREG(st.st_mode) || j->offset > (uint64_t)st.st_size ||
	    j->length > (uint64_t)st.st_size - j->offset ||
	    j->length > j->grant.length_max)
		return ANSWER_DROP;
	j->file = rq->fd;
	rq->fd = -1;
	return queue_job(j);
}

/* clang-format off */
static const struct request requests[] = {
	{ APPEND_INLINE, 1, MSG_DATA_MAX,     false, 0,
	    answer_append_inline, "APPEND_INLINE" },
	{ APPEND_FILE,   1, 4096,             true,  0,
	    answer_append_file,   "APPEND_FILE" },
};
/* clang-format on */

static void
job_free(struct job *j)
{
	close_fd(&j->mbox);
	close_fd(&j->dir);
	close_fd(&j->intent);
	close_fd(&j->file);
	free(j->content);
	free(j);
}

static void
channel_gone(struct peer *p)
{
	struct job *j = p->state;

	box_forget(j);
	timer_del(j->idle);
	job_free(j);
	p->state = NULL;
	channels--;
	if (leaving && channels == 0)
		service_stop();
}

static const struct service channel = {
	.name = "delivery",
	.requests = requests,
	.n = NELEM(requests),
	.first = BIT(APPEND_INLINE) | BIT(APPEND_FILE),
	.gone = channel_gone,
};

/* The answer ends the channel: the opener sees by that that it is over. */
static void
job_done(struct job *j, enum status st)
{
	static struct msg m;
	uint64_t id = j->peer;

	msg_start(&m, 0);
	msg_put_u32(&m, status_pack(st));
	msg_put_str(&m, st == OK ? "delivered to mailbox" : status_text(st));
	peer_answer(service_find(id), &m);
	struct peer *p = service_find(id);
	if (p != NULL)
		peer_drop(p);
}

static void
idle_due(void *arg)
{
	struct job *j = arg;

	j->idle = NULL;
	peer_drop(service_find(j->peer));
}

void
append_adopt(int sock)
{
	struct job *j = channels < CHANNELS_MAX ? calloc(1, sizeof(*j)) : NULL;

	if (j == NULL) {
		close(sock);
		return;
	}
	j->mbox = j->dir = j->intent = j->file = -1;
	if (!take_grant(sock, j)) {
		log_warn("warning: a delivery came without its mailbox");
		close(sock);
		job_free(j);
		return;
	}
	struct peer *p = service_add(sock, &channel, j);
	if (p == NULL) {
		job_free(j);
		return;
	}
	j->peer = p->id;
	j->idle = timer_add(IDLE_MAX, idle_due, j);
	channels++;
}

/* ---- the opener ---- */

static struct watch *adopt_watch, *ctl_watch;
static int adopt_sock, ctl_sock;

static void
adopt_ready(void *arg, uint32_t events)
{
	static struct msg m;

	(void)arg;
	(void)events;
	for (int i = 0; i < ADOPT_TURN; i++) {
		int rc = msg_recv(adopt_sock, &m);
		if (rc == 1 && m.type == ADOPT && m.fd != -1) {
			append_adopt(m.fd);
			m.fd = -1;
		} else if (rc == 0) {
			watch_del(adopt_watch);
			leaving = true;
			if (channels == 0)
				service_stop();
			return;
		} else if (rc == -1 && errno != EBADMSG) {
			return;
		} else {
			/* Out of descriptors: the asker sees the end. */
			log_warn("warning: a delivery's channel was lost");
			close_fd(&m.fd);
		}
	}
}

static void
ctl_gone(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
	watch_del(ctl_watch);
	service_stop();
}

void
append_start(int adopt, int ctl)
{
	channels = 0;
	leaving = false;
	adopt_sock = adopt;
	ctl_sock = ctl;
	service_init();
	box_init(ctl, job_done);
	adopt_watch = watch_add(adopt, EPOLLIN, adopt_ready, NULL);
	ctl_watch = watch_add(ctl, EPOLLRDHUP, ctl_gone, NULL);
	if (adopt_watch == NULL || ctl_watch == NULL)
		fatal("append: %s", strerror(errno));
}

noreturn void
append_process(int adopt, int ctl)
{
	append_start(adopt, ctl);
	service_run();
	log_flush();
	_exit(0);
}
