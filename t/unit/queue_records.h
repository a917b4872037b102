#ifndef T_UNIT_QUEUE_RECORDS_H
#define T_UNIT_QUEUE_RECORDS_H
/* A queue directory with records of one message each, for the tests of
 * spool/queue.h; each operation on it can be made to fail (t/unit/fault.h). */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/file.h"
#include "common/msg.h"
#include "spool/queue.h"
#include "t/unit/fault.h"
#include "t/unit/tap.h"

#define ID "0123456789ABCDEF"

static char root[64];
static int root_fd = -1;
static struct queue q;
static char content[100000];

static void
fresh(void)
{
	char why[256];

	queue_close(&q);
	enum status st = queue_open(&q, root_fd, why, sizeof(why));
	if (st != OK) {
		printf("Bail out! queue_open: %s\n", why);
		exit(1);
	}
	queue_sweep(&q);
}

static unsigned
count(const char *sub)
{
	char path[128];
	unsigned n = 0;

	snprintf(path, sizeof(path), "%s/%s", root, sub);
	DIR *d = opendir(path);
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void
count_one(void *arg, const char *id)
{
	(void)id;
	++*(unsigned *)arg;
}

static unsigned
published(void)
{
	unsigned n = 0, foreign;

	return queue_scan(&q, count_one, &n, &foreign) == OK ? n : 999;
}

static void
clear(void)
{
	static const char *const subs[] = { "active", "incoming", "damaged" };
	char path[512];

	for (size_t i = 0; i < NELEM(subs); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, subs[i]);
		DIR *d = opendir(path);
		for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
			if (e->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%s/%s", root, subs[i],
			    e->d_name);
			if (unlink(path) == -1)
				rmdir(path);
		}
		if (d != NULL)
			closedir(d);
	}
}

/* What the role does for one message.  n: octets of content. */
static enum status
deposit(const char *id, size_t n, bool spooled)
{
	struct publication p = { .content = -1, .length = n };
	enum status st = OK;
	struct buf b;

	buf_init(&b, sizeof(content) + 4096);
	envelope_print_head(&b, &(struct envelope){ .id = view_of(id),
				    .arrived_us = 1,
				    .sender = view_of("a@b.example") });
	envelope_print_rcpt(&b, view_of("bob@b.example"), view_of("bob"));
	envelope_print_end(&b, 1, n);
	if (!spooled)
		buf_add(&b, content, n);
	if (spooled) {
		p.content = queue_spool(&q, &st);
		if (p.content != -1)
			st = file_write_at(p.content, content, n, 0);
	}
	int fd = st == OK ? queue_create(&q, id, &st) : -1;
	if (st == OK)
		st = file_write_at(fd, b.p, b.n, 0);
	close_fd(&fd);
	if (st == OK) {
		view_copy(view_of(id), p.id, sizeof(p.id));
		queue_publish(&q, &p, 1);
		st = p.status;
	} else if (fd != -1 || st != ERR_INVALID) {
		queue_forget(&q, id);
	}
	close_fd(&p.content);
	buf_free(&b);
	return st;
}

/* The record is there and holds what was deposited. */
static bool
whole(const char *id, size_t n)
{
	static char back[sizeof(content)];
	struct record r;
	const char *why;

	if (queue_load(&q, id, &r, &why) != OK)
		return false;
	bool good = r.env.rcpt_n == 1 && r.env.content_n == n &&
		    view_eqs(r.env.sender, "a@b.example") &&
		    queue_record_read(&r, back, n) == OK &&
		    memcmp(back, content, n) == 0;
	queue_unload(&r);
	return good;
}

/* A file among the records. */
static void
write_file(const char *name, const char *text, size_t n)
{
	int fd = openat(q.active, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	file_write_at(fd, text, n, 0);
	close(fd);
}

static void
records_begin(void)
{
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (char)(i * 7 + i / 251);
	snprintf(root, sizeof(root), "/tmp/queue.t.XXXXXX");
	if (mkdtemp(root) == NULL)
		exit(1);
	root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	q.incoming = q.active = q.damaged = q.lock = q.deposit = -1;
	fresh();
}

/* What the test's main returns. */
static int
records_end(void)
{
	queue_close(&q);
	clear();
	char cmd[4][128];
	static const char *const rest[] = { "active", "incoming", "hold",
		"damaged" };
	for (size_t i = 0; i < 4; i++) {
		snprintf(cmd[i], sizeof(cmd[i]), "%s/%s", root, rest[i]);
		rmdir(cmd[i]);
	}
	(void)!unlinkat(root_fd, "lock", 0);
	(void)!unlinkat(root_fd, "deposit", 0);
	ok(rmdir(root) == 0, "nothing else was left in the directory");
	return done_testing();
}

#endif
