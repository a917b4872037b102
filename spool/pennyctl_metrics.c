/*
 * pennyctl metrics: figures in the text format of Prometheus, on standard
 * output or in a file for node_exporter's textfile collector.
 * Runs in: pennyctl.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/file.h"
#include "spool/pennyctl.h"
#include "spool/pennyctl_ask.h"

enum { TEXT_MAX = 65536, MODE = 0644 };

/* NULL: it is not a family of its own. */
static const struct {
	const char *name, *help;
} families[POOL_F__N] = {
	[POOL_F_ACCEPTED] = { "sessions_total", "Clients accepted." },
	[POOL_F_MESSAGES] = { "messages_total", "Messages taken by SMTP." },
	[POOL_F_LOGINS] = { "logins_total", "Logins of users." },
	[POOL_F_AUTH_FAILURES] = { "auth_failures_total",
	    "Logins that failed." },
	[POOL_F_REFUSED_MANY] = { "refused_clients_total",
	    "Clients refused because there were too many at the same time." },
	[POOL_F_REFUSED_RATE] = { "refused_rate_total",
	    "Clients refused because they came too often." },
	[POOL_F_DEFERRED] = { "deferred_messages_total",
	    "Messages put off because their client sends too many." },
	[POOL_F_DIED] = { "workers_died_total", "Workers that failed." },
};

static void
family(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_addf(b, "# HELP pennypost_%s %s\n# TYPE pennypost_%s %s\n", name,
	    help, name, type);
}

static void
daemons(struct buf *b, const struct ctl_daemon *d, int n)
{
	family(b, "up", "gauge", "Whether the daemon answers.");
	for (int i = 0; i < n; i++)
		buf_addf(
		    b, "pennypost_up{daemon=\"%s\"} %d\n", d[i].name, d[i].up);
	family(b, "start_time_seconds", "gauge",
	    "When counting began: a start, a reload.");
	for (int i = 0; i < n; i++)
		if (d[i].up)
			buf_addf(b,
			    "pennypost_start_time_seconds{daemon=\"%s\"} "
			    "%" PRId64 "\n",
			    d[i].name, d[i].since);
	family(b, "workers", "gauge", "Worker processes.");
	for (int i = 0; i < n; i++)
		if (d[i].up)
			buf_addf(b,
			    "pennypost_workers{daemon=\"%s\",state=\"idle\"} "
			    "%" PRIu64 "\n"
			    "pennypost_workers{daemon=\"%s\",state=\"busy\"} "
			    "%" PRIu64 "\n",
			    d[i].name, d[i].idle, d[i].name, d[i].busy);
	family(b, "workers_max", "gauge", "Worker processes there may be.");
	for (int i = 0; i < n; i++)
		if (d[i].up)
			buf_addf(b,
			    "pennypost_workers_max{daemon=\"%s\"} "
			    "%" PRIu64 "\n",
			    d[i].name, d[i].max);
	family(b, "clients", "gauge", "Clients that differ by address.");
	for (int i = 0; i < n; i++)
		if (d[i].up)
			buf_addf(b, "pennypost_clients{daemon=\"%s\"} %zu\n",
			    d[i].name, ctl_clients(&d[i]));
	for (int f = 0; f < POOL_F__N; f++) {
		family(b, families[f].name, "counter", families[f].help);
		for (int i = 0; i < n; i++)
			if (d[i].up)
				buf_addf(b,
				    "pennypost_%s{daemon=\"%s\"} %" PRIu64 "\n",
				    families[f].name, d[i].name, d[i].all[f]);
	}
}

static void
queue(struct buf *b, const struct ctl_where *w)
{
	struct ctl_queue_count q;

	ctl_ask_queue(w, &q);
	family(b, "queue_up", "gauge", "Whether the queue answers.");
	buf_addf(b, "pennypost_queue_up %d\n", q.up);
	if (!q.up)
		return;
	family(b, "queue_messages", "gauge", "Messages in the queue.");
	buf_addf(b,
	    "pennypost_queue_messages{state=\"active\"} %" PRIu64 "\n"
	    "pennypost_queue_messages{state=\"queued\"} %" PRIu64 "\n"
	    "pennypost_queue_messages{state=\"hold\"} %" PRIu64 "\n",
	    q.active, q.queued, q.hold);
	family(b, "queue_octets", "gauge", "Their size.");
	buf_addf(b, "pennypost_queue_octets %" PRIu64 "\n", q.octets);
}

/* By rename: whoever reads the file finds all of it.  The collector looks at
 * names that end in .prom only. */
static int
write_file(const char *path, const struct buf *b)
{
	char *name = NULL;
	enum status st = ERR_NOMEM;
	int fd = -1;

	if (asprintf(&name, "%s.%ld", path, (long)getpid()) == -1)
		name = NULL;
	if (name == NULL)
		goto out;
	fd = open(
	    name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, MODE);
	st = fd == -1 || fchmod(fd, MODE) == -1 ? status_from_errno(errno) : OK;
	if (st == OK)
		st = file_write_at(fd, b->p, b->n, 0);
	if (st == OK && rename(name, path) == -1)
		st = status_from_errno(errno);
	if (st != OK && fd != -1)
		unlink(name);
out:
	if (fd != -1)
		close(fd);
	free(name);
	if (st == OK)
		return CTL_FINE;
	fprintf(stderr, "pennyctl: %s: %s\n", path, status_text(st));
	return CTL_FAILED;
}

int
ctl_metrics(const char *config, int argc, char **argv)
{
	struct ctl_daemon d[CTL_DAEMONS];
	struct ctl_where w;
	const char *path = NULL;
	struct buf b;
	int opt, rc = CTL_FINE;

	optind = 0;
	while ((opt = getopt(argc, argv, "o:")) != -1) {
		if (opt != 'o')
			return -1;
		path = optarg;
	}
	if (optind != argc)
		return -1;
	if (!ctl_find(config, NULL, &w))
		return CTL_FAILED;
	buf_init(&b, TEXT_MAX);
	int n = ctl_ask(&w, d);
	daemons(&b, d, n);
	ctl_ask_free(d, n);
	if (w.only == NULL || strcmp(w.only, "smtpd") == 0)
		queue(&b, &w);
	if (b.bad)
		rc = CTL_FAILED;
	else if (path != NULL)
		rc = write_file(path, &b);
	else if (fwrite(b.p, 1, b.n, stdout) != b.n || fflush(stdout) == EOF)
		rc = CTL_FAILED;
	buf_free(&b);
	return rc;
}
