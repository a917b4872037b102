/*
 * pennyctl: looks after mailboxes and the queue.  Runs in: a process of the
 * administrator's, or of the mailbox' owner; as root it becomes the owner for
 * good before it reads a mailbox.
 */
#include "spool/pennyctl.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/paths.h"
#include "common/role.h"
#include "common/version.h"
#include "spool/state.h"

static bool progress_shown;

void
ctl_say(const struct ctl_box *b, const char *fmt, ...)
{
	va_list ap;

	ctl_progress_end();
	fprintf(stderr, "pennyctl: %s: ", b->user.name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void
ctl_progress(void *arg, const char *what, uint64_t done, uint64_t all)
{
	static int last = -1;
	int percent = all == 0 ? 100 : (int)(done * 100 / all);

	(void)arg;
	if (percent == last || !isatty(STDERR_FILENO))
		return;
	last = percent;
	progress_shown = true;
	fprintf(stderr, "\r%s: %d %%   ", what, percent);
	fflush(stderr);
}

void
ctl_progress_end(void)
{
	if (progress_shown)
		fputs("\r                              \r", stderr);
	progress_shown = false;
}

static int
usage(void)
{
	fputs("usage: pennyctl [-f file] mailbox verb user [argument ...]\n"
	      "       pennyctl -V\n",
	    stderr);
	ctl_queue_usage();
	for (const struct ctl_verb *v = ctl_mailbox_verbs; v->name != NULL; v++)
		fprintf(stderr, "  mailbox %s user%s%s: %s\n", v->name,
		    v->args[0] != '\0' ? " " : "", v->args, v->help);
	return CTL_FAILED;
}

/* The user, and where the mailbox is. */
static bool
find(struct ctl_box *b, const char *name)
{
	char *err = NULL;
	struct passdb *db = passdb_open(b->settings, false, &err);
	int rc = -1;

	if (db == NULL)
		fprintf(stderr, "pennyctl: %s\n", err == NULL ? "users" : err);
	else
		rc = passdb_find(db, view_of(name), false, &b->user);
	passdb_free(db);
	free(err);
	if (rc == 0)
		fprintf(stderr, "pennyctl: no such user\n");
	if (rc != 1)
		return false;
	if (mailbox_path(b->settings, &b->user, &b->path) == OK)
		return true;
	fprintf(stderr, "pennyctl: %s has no path for that user\n",
	    b->settings->mailbox);
	return false;
}

static bool
open_box(struct ctl_box *b, const struct ctl_verb *v)
{
	char why[300] = "";
	enum status st =
	    mailbox_open(&b->path, &b->user, v->writes ? O_RDWR : O_RDONLY,
		false, &b->mbox, &b->dir, why, sizeof(why));

	if (st == OK)
		st =
		    state_open(&b->path, &b->user, &b->state, why, sizeof(why));
	if (st == OK)
		return true;
	fprintf(stderr, "pennyctl: %s\n", why);
	return false;
}

static int
run(struct settings *s, const struct ctl_verb *v, const char *user, char **argv)
{
	struct ctl_box b = {
		.settings = s, .mbox = -1, .dir = -1, .state = -1
	};

	if (!find(&b, user) || !open_box(&b, v))
		return CTL_FAILED;
	if (geteuid() == 0 && !v->as_root)
		priv_become(b.user.uid, b.user.gid);
	int rc = v->run(&b, argv);
	ctl_progress_end();
	if (fflush(stdout) == EOF)
		return CTL_FAILED;
	return rc;
}

int
main(int argc, char **argv)
{
	const char *file = NULL;
	const struct ctl_verb *v = ctl_mailbox_verbs;
	char *err = NULL;
	int opt;

	while ((opt = getopt(argc, argv, "+f:V")) != -1) {
		if (opt == 'f') {
			file = optarg;
		} else if (opt == 'V') {
			puts("pennypost " PENNYPOST_VERSION);
			return CTL_FINE;
		} else {
			return usage();
		}
	}
	argc -= optind;
	argv += optind;
	if (argc >= 1 && strcmp(argv[0], "queue") == 0) {
		int rc = ctl_queue(file, argc - 1, argv + 1);
		return rc == -1 ? usage() : rc;
	}
	if (argc < 3 || strcmp(argv[0], "mailbox") != 0)
		return usage();
	if (file == NULL)
		file = PENNYPOST_CONFIG_DIR "/pop3d.conf";
	while (v->name != NULL && strcmp(v->name, argv[1]) != 0)
		v++;
	if (v->name == NULL || (unsigned)argc != 3 + v->argc)
		return usage();
	struct settings *s = settings_read(file, true, &err);
	if (s == NULL) {
		fprintf(stderr, "pennyctl: %s\n", err == NULL ? file : err);
		free(err);
		return CTL_FAILED;
	}
	int rc = run(s, v, argv[2], argv + 3);
	settings_free(s);
	return rc;
}
