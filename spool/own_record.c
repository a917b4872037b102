/* Records that the queue itself makes.  Runs in: queue. */
#include "spool/own_record.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/file.h"
#include "common/log.h"
#include "common/msg.h"
#include "spool/handout.h"
#include "spool/publish.h"
#include "spool/slot.h"

struct own {
	struct publish_job job; /* first */
	struct sched_msg *msg;
	void (*done)(void *arg, const char *id, enum status);
	void *arg;
};

static struct queue *queue;
static struct sched *sched;

void
own_record_init(struct queue *q, struct sched *s)
{
	queue = q;
	sched = s;
}

/* As a worker's (smtpd/trace.c), with a number behind it that no worker has. */
void
own_record_id(char *out)
{
	static int64_t last;
	int64_t us = time_us();

	if (us <= last)
		us = last + 1;
	last = us;
	snprintf(out, QUEUE_ID_MAX, "%013llXFFFF",
	    (unsigned long long)us & 0xfffffffffffffULL);
}

static void
published(struct publish_job *job)
{
	struct own *o = (struct own *)(void *)job;
	enum status st = job->pub.status;
	char id[ENVELOPE_ID_MAX + 1];

	view_copy(view_of(job->pub.id), id, sizeof(id));
	if (st == OK) {
		sched_fresh(sched, o->msg);
	} else {
		log_error(
		    "queue: %s: cannot be written: %s", id, status_text(st));
		sched_drop(sched, o->msg);
	}
	o->done(o->arg, id, st);
	free(o);
	handout_run();
}

enum status
own_record_publish(const char *id, struct view head, int content,
    uint64_t length, void (*done)(void *arg, const char *id, enum status),
    void *arg)
{
	return own_record_publish_from(id, head, content, 0, length, done, arg);
}

enum status
own_record_publish_from(const char *id, struct view head, int content,
    uint64_t offset, uint64_t length,
    void (*done)(void *arg, const char *id, enum status), void *arg)
{
	struct own *o = calloc(1, sizeof(*o));
	enum status st = ERR_NOMEM;
	int fd = -1;

	if (o == NULL || (o->msg = sched_reserve(sched, id)) == NULL)
		goto out;
	fd = queue_create(queue, id, &st);
	if (fd == -1)
		goto out;
	st = file_write_at(fd, head.p, head.n, 0);
	if (st != OK)
		goto out;
	o->job.pub.content = content;
	o->job.pub.offset = offset;
	o->job.pub.length = length;
	o->job.done = published;
	o->done = done;
	o->arg = arg;
	view_copy(view_of(id), o->job.pub.id, sizeof(o->job.pub.id));
	publish_submit(&o->job);
	content = -1;
out:
	close_fd(&content);
	if (st != OK && fd != -1)
		queue_forget(queue, id);
	close_fd(&fd); /* the publisher opens it by itself */
	if (st != OK && o != NULL && o->msg != NULL)
		sched_drop(sched, o->msg);
	if (st != OK)
		free(o);
	return st;
}
