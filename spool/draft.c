/* Messages being deposited.  Runs in: queue. */
#include "spool/draft.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/file.h"
#include "common/msg.h"

static struct queue *queue;
static struct sched *sched;

void
draft_init(struct queue *q, struct sched *s)
{
	queue = q;
	sched = s;
}

struct draft *
draft_new(const char *id)
{
	struct draft *d = calloc(1, sizeof(*d));

	if (d == NULL || (d->msg = sched_reserve(sched, id)) == NULL) {
		free(d);
		return NULL;
	}
	d->fd = d->job.pub.content = -1;
	buf_init(&d->out, 2 * MSG_DATA_MAX + DRAFT_KEEP);
	return d;
}

enum status
draft_write(struct draft *d)
{
	enum status st = OK;

	if (d->out.bad)
		return ERR_NOMEM;
	if (d->fd == -1)
		d->fd = queue_create(queue, d->msg->id, &st);
	if (st == OK)
		st = file_write_at(d->fd, d->out.p, d->out.n, d->written);
	d->written += d->out.n;
	buf_clear(&d->out);
	return st;
}

enum status
draft_content(struct draft *d, int fd, uint64_t length)
{
	struct stat s;

	d->job.pub.content = fd;
	d->job.pub.length = length;
	if (fstat(fd, &s) == -1)
		return status_from_errno(errno);
	return (uint64_t)s.st_size < length ? ERR_INVALID : OK;
}

void
draft_free(struct draft *d, bool forget)
{
	if (d == NULL)
		return;
	if (forget && d->fd != -1)
		queue_forget(queue, d->msg->id);
	if (forget)
		sched_drop(sched, d->msg);
	close_fd(&d->fd);
	close_fd(&d->job.pub.content);
	buf_free(&d->out);
	free(d);
}
