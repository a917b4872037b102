/*
 * The command line.  Runs in: master, before anything else.
 */
#define _GNU_SOURCE
#include "common/master.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/running.h"
#include "common/upgrade.h"
#include "common/version.h"

static int
usage(const struct daemon *d)
{
	fprintf(
	    stderr, "usage: %s [-beirtuV] [-f file] [-T keyword]\n", d->name);
	return 2;
}

/* 0: go on; else: exit with this status less one. */
static int
parse(int argc, char **argv, const struct daemon *d, struct options *o)
{
	int c;

	*o = (struct options){ .config = d->config, .state_fd = -1 };
	while ((c = getopt(argc, argv, "bef:irtT:uV")) != -1) {
		switch (c) {
		case 'b':
			o->background = true;
			break;
		case 'e':
			o->to_stderr = true;
			break;
		case 'f':
			o->config = optarg;
			break;
		case 'i':
			o->inetd = true;
			break;
		case 'r':
			o->reload = true;
			break;
		case 't':
			o->check = true;
			break;
		case 'T':
			o->show = optarg;
			break;
		case 'u':
			o->upgrade = true;
			break;
		case 'V':
			printf("pennypost %s %s\n", d->name, PENNYPOST_VERSION);
			return 1;
		default:
			return usage(d) + 1;
		}
	}
	return optind == argc ? 0 : usage(d) + 1;
}

static int
show(const struct daemon *d, const struct options *o, const struct settings *s)
{
	char *text = settings_show(s, d->pop3, o->show);

	if (text == NULL) {
		fprintf(stderr,
		    "%s: there is no keyword \"%s\"; %s.conf(5) "
		    "has them all\n",
		    d->name, o->show, d->name);
		return 2;
	}
	fputs(text, stdout);
	free(text);
	return 0;
}

/* Waits until the daemon says that it serves; returns its exit status. */
static int
wait_started(int fd)
{
	char c = 0;
	ssize_t n = read(fd, &c, 1);

	return n == 1 && c == '\n' ? 0 : 1;
}

/* In the background the standard descriptors are /dev/null once it serves; what
 * went wrong before was said on the terminal. */
static int
background(int *ready_fd)
{
	int end[2];

	if (pipe2(end, O_CLOEXEC) == -1)
		return -1;
	pid_t pid = fork();
	if (pid == -1)
		return -1;
	if (pid > 0) {
		close(end[1]);
		_exit(wait_started(end[0]));
	}
	close(end[0]);
	*ready_fd = end[1];
	return setsid() == -1 ? -1 : 0;
}

/* Descriptors 0 to 2 must be open, or a socket becomes one of them. */
static void
open_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd < 3);
	if (fd >= 3)
		close(fd);
}

int
daemon_main(int argc, char **argv, const struct daemon *d)
{
	struct options o;
	char *err = NULL;
	int ready_fd = -1;

	open_standard();
	if (argc > 1 && strncmp(argv[1], "--role=", 7) == 0)
		role_start(argc, argv, d->mains);
	int rc = parse(argc, argv, d, &o);
	if (rc != 0)
		return rc - 1;
	o.successor = upgrade_successor(&ready_fd, &o.state_fd);
	struct settings *s = settings_read(o.config, d->pop3, &err);
	if (s == NULL) {
		if (!o.inetd) /* there the client is on descriptor 2 */
			fprintf(stderr, "%s: %s\n", d->name, err);
		free(err);
		return 1;
	}
	if (o.show != NULL || o.check) {
		rc = o.show != NULL ? show(d, &o, s)
				    : config_check(d, &o, s) != 0;
		settings_free(s);
		return rc;
	}
	if (o.reload || o.upgrade) {
		rc = o.upgrade ? running_upgrade(s, d->name)
			       : running_reload(s, d->name);
		settings_free(s);
		return rc;
	}
	if (o.to_stderr || o.inetd) {
		free(s->log_to);
		s->log_to = strdup(o.inetd ? "syslog" : "stderr");
		if (s->log_to == NULL)
			return 1;
	}
	/* One line now instead of one from each role that fails for it. */
	if (!o.inetd && config_check_places(d, &o, s) != 0) {
		settings_free(s);
		return 1;
	}
	upgrade_init(argv);
	/* A successor is in the background from the beginning. */
	if (o.background && !o.successor && background(&ready_fd) == -1) {
		fprintf(stderr, "%s: -b: %s\n", d->name, strerror(errno));
		settings_free(s);
		return 1;
	}
	return master_run(d, &o, s, ready_fd);
}
