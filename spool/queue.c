/* The queue directory: its layout, locks and records.  Runs in: queue and its
 * publishers. */
#define _GNU_SOURCE /* O_TMPFILE, renameat2 */
#include "spool/queue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/msg.h"
#include "spool/lock.h"
#include "spool/queue_file.h"

enum { READ_FIRST = 16384, NAMES_MAX = 1000 };

/* ---- opening ---- */

static enum status
check_owned(int fd, const char *name, char *why, size_t size)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return status_from_errno(errno);
	if (st.st_uid == geteuid() && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return OK;
	snprintf(why, size,
	    "%s: must belong to uid %u and be writable for nobody else "
	    "(chown %u, chmod 700)",
	    name, (unsigned)geteuid(), (unsigned)geteuid());
	return ERR_UNSAFE;
}

/* Opens, and makes if missing, a directory of ours. */
static enum status
open_dir(int dir, const char *name, int *fd, char *why, size_t size)
{
	enum status st = OK;

	if (mkdirat(dir, name, 0700) == -1 && errno != EEXIST)
		st = status_from_errno(errno);
	if (st == OK)
		*fd = openat(
		    dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (st == OK && *fd == -1)
		st = status_from_errno(errno);
	if (st != OK)
		snprintf(why, size, "%s: %s", name, strerror(errno));
	return st == OK ? check_owned(*fd, name, why, size) : st;
}

static enum status
open_lock(int dir, const char *name, int *fd, char *why, size_t size)
{
	*fd = openat(dir, name,
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (*fd != -1)
		return OK;
	enum status st = status_from_errno(errno);
	snprintf(why, size, "%s: %s", name, strerror(errno));
	return st;
}

enum status
queue_open(struct queue *q, int dir, char *why, size_t size)
{
	enum status st;

	*q = (struct queue){ .incoming = -1,
		.active = -1,
		.hold = -1,
		.damaged = -1,
		.lock = -1,
		.deposit = -1 };
	why[0] = '\0';
	if ((st = check_owned(dir, "the queue directory", why, size)) != OK ||
	    (st = open_dir(dir, "incoming", &q->incoming, why, size)) != OK ||
	    (st = open_dir(dir, "active", &q->active, why, size)) != OK ||
	    (st = open_dir(dir, "hold", &q->hold, why, size)) != OK ||
	    (st = open_dir(dir, "damaged", &q->damaged, why, size)) != OK ||
	    (st = open_lock(dir, "lock", &q->lock, why, size)) != OK ||
	    (st = open_lock(dir, "deposit", &q->deposit, why, size)) != OK)
		goto out;
	st = queue_run(q);
	if (st == ERR_BUSY)
		st = OK;
	if (st != OK)
		snprintf(why, size, "lock: %s", status_text(st));
out:
	if (st != OK)
		queue_close(q);
	return st;
}

void
queue_close(struct queue *q)
{
	close_fd(&q->incoming);
	close_fd(&q->active);
	close_fd(&q->hold);
	close_fd(&q->damaged);
	close_fd(&q->lock);
	close_fd(&q->deposit);
	q->runner = false;
}

enum status
queue_run(struct queue *q)
{
	enum status st = q->runner ? OK : lock_try(q->lock, true);

	q->runner = st == OK;
	return st;
}

/* Takes up to NAMES_MAX names at a time, as it is not said what readdir does in
 * a directory from which names are removed. */
static unsigned
sweep_some(int dir)
{
	unsigned n = 0;
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;
	char(*names)[NAME_MAX + 1] = calloc(NAMES_MAX, NAME_MAX + 1);
	unsigned found = 0;

	if (d == NULL && fd != -1)
		close(fd);
	while (d != NULL && names != NULL && found < NAMES_MAX &&
	       (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			n += view_copy(
			    view_of(e->d_name), names[found++], NAME_MAX + 1);
	if (d != NULL)
		closedir(d);
	n = 0;
	for (unsigned i = 0; i < found; i++)
		n += unlinkat(dir, names[i], 0) == 0;
	free(names);
	return n;
}

unsigned
queue_sweep(struct queue *q)
{
	unsigned all = 0, n = 0;

	/* Alone on the deposit lock, so nobody else writes in incoming/. */
	if (lock_try(q->deposit, true) == OK)
		do {
			n = sweep_some(q->incoming);
			all += n;
		} while (n > 0);
	lock_try(q->deposit, false); /* we may write there now */
	return all;
}

void
queue_touch(struct queue *q)
{
	futimens(q->lock, NULL);
}

bool
queue_touched(struct queue *q)
{
	struct stat st;

	if (fstat(q->lock, &st) == -1)
		return true;
	int64_t ns =
	    (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	bool news = ns != q->touched_ns;
	q->touched_ns = ns;
	return news;
}

/* ---- published records ---- */

/* Reads the envelope: the text grows until its empty line is there. */
static enum status
read_envelope(int fd, uint64_t size, struct buf *text, const char **why)
{
	char piece[READ_FIRST];
	enum status st = OK;
	size_t end = 0;

	while (st == OK && end == 0) {
		uint64_t left = size - text->n;
		size_t n = left < sizeof(piece) ? (size_t)left : sizeof(piece);
		/* The empty line may lie across two pieces. */
		size_t from = text->n > 0 ? text->n - 1 : 0;
		*why = n == 0 ? "no end of the envelope" : "too long";
		if (n == 0 || text->n + n > ENVELOPE_MAX)
			return ERR_DAMAGED;
		st = file_read_at(fd, piece, n, text->n);
		if (st == OK && !buf_add(text, piece, n))
			st = ERR_NOMEM;
		if (st != OK)
			break;
		end = envelope_end(
		    (struct view){ text->p + from, text->n - from });
		if (end != 0)
			text->n = from + end;
	}
	*why = "it shrank while it was read";
	return st == ERR_CHANGED ? ERR_DAMAGED : st;
}

static enum status
check_file(int fd, uint64_t *size, const char **why)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return status_from_errno(errno);
	*why = "not a regular file";
	if (!S_ISREG(st.st_mode))
		return ERR_DAMAGED;
	*size = (uint64_t)st.st_size;
	return OK;
}

static enum status
load(int dir, const char *id, struct record *out, const char **why)
{
	uint64_t size = 0;
	enum status st = OK;

	*out = (struct record){ .fd = -1, .read_fd = -1 };
	*why = "";
	buf_init(&out->text, ENVELOPE_MAX + READ_FIRST);
	out->fd = openat(dir, id, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (out->fd == -1) {
		*why = "not a regular file";
		st = status_from_errno(errno);
		/* A link, a directory, a fifo: nothing of ours. */
		st = st == ERR_UNSAFE ? ERR_DAMAGED : st;
		goto out;
	}
	if ((st = check_file(out->fd, &size, why)) != OK ||
	    (st = read_envelope(out->fd, size, &out->text, why)) != OK ||
	    (st = envelope_parse(buf_view(&out->text), &out->env, why)) != OK)
		goto out;
	*why = "the id is not the file's name";
	if (!view_eqs(out->env.id, id))
		st = ERR_DAMAGED;
	if (st == OK && out->env.content_at + out->env.content_n != size) {
		*why = "the content is not as long as it should be";
		st = ERR_DAMAGED;
	}
out:
	if (st != OK)
		queue_unload(out);
	return st;
}

enum status
queue_load(
    struct queue *q, const char *id, struct record *out, const char **why)
{
	return load(q->active, id, out, why);
}

enum status
queue_load_held(
    struct queue *q, const char *id, struct record *out, const char **why)
{
	return load(q->hold, id, out, why);
}

enum status
queue_record_read(const struct record *r, char *p, size_t n)
{
	enum status st = file_read_at(r->fd, p, n, r->env.content_at);

	return st == ERR_CHANGED ? ERR_DAMAGED : st;
}

int
queue_record_reader(struct queue *q, struct record *r, enum status *st)
{
	char id[ENVELOPE_ID_MAX + 1];

	*st = OK;
	if (r->read_fd == -1 && view_copy(r->env.id, id, sizeof(id))) {
		r->read_fd = openat(q->active, id,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (r->read_fd == -1)
			*st = status_from_errno(errno);
	}
	return r->read_fd;
}

enum status
queue_mark(struct record *r, unsigned i, char state)
{
	struct envelope_rcpt *c = &r->env.rcpt[i];

	c->state = state;
	return file_write_at(r->fd, &state, 1, c->at);
}

void
queue_unload(struct record *r)
{
	close_fd(&r->fd);
	close_fd(&r->read_fd);
	envelope_free(&r->env);
	buf_free(&r->text);
}

enum status
queue_remove(struct queue *q, const char *id)
{
	return unlinkat(q->active, id, 0) == 0 ? OK : status_from_errno(errno);
}

enum status
queue_remove_held(struct queue *q, const char *id)
{
	return unlinkat(q->hold, id, 0) == 0 ? OK : status_from_errno(errno);
}

/* The new name is on disk before the old one goes for good. */
static enum status
put_over(int from, int to, const char *id)
{
	if (file_move(from, id, to, id) == -1)
		return errno == EEXIST ? ERR_INVALID : status_from_errno(errno);
	return fsync(to) == 0 && fsync(from) == 0 ? OK
						  : status_from_errno(errno);
}

enum status
queue_hold(struct queue *q, const char *id)
{
	return put_over(q->active, q->hold, id);
}

enum status
queue_release(struct queue *q, const char *id)
{
	return put_over(q->hold, q->active, id);
}

enum status
queue_set_aside(struct queue *q, const char *id, char *name, size_t size)
{
	for (unsigned n = 0; n < NAMES_MAX; n++) {
		snprintf(name, size, n == 0 ? "%s" : "%s.%u", id, n);
		if (file_move(q->active, id, q->damaged, name) == 0)
			return OK;
		if (errno != EEXIST)
			return status_from_errno(errno);
	}
	return ERR_LIMIT;
}

enum status
queue_scan(struct queue *q, void (*found)(void *arg, const char *id), void *arg,
    unsigned *foreign)
{
	int fd = openat(q->active, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	enum status st = OK;
	struct dirent *e;

	*foreign = 0;
	if (d == NULL) {
		st = status_from_errno(errno);
		close_fd(&fd);
		return st;
	}
	for (errno = 0; (e = readdir(d)) != NULL; errno = 0)
		if (envelope_id_valid(view_of(e->d_name)))
			found(arg, e->d_name);
		else if (e->d_name[0] != '.')
			++*foreign;
	if (errno != 0)
		st = status_from_errno(errno);
	closedir(d);
	return st;
}
