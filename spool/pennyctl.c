/*
 * pennyctl: looks after mailboxes, the queue and the daemons.  Runs in: a
 * process of the administrator's, or of the mailbox' owner; as root it becomes
 * the owner for good before it reads a mailbox.
 */
#include "spool/pennyctl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/paths.h"
#include "common/role.h"
#include "common/service.h"
#include "common/version.h"
#include "spool/state.h"

/* -1: wrong usage. */
static const struct {
	const char *name;
	int (*run)(const char *config, int argc, char **argv);
	const char *args, *help;
} verbs[] = {
	{ "queue", ctl_queue, "verb ...", "see below" },
	{ "status", ctl_status, "[-d daemon] [-w] [-n times] [--json]",
	    "workers, clients, figures, queue" },
	{ "top", ctl_top, "[-d daemon] [-n times]", "the same on a screen" },
	{ "sessions", ctl_sessions, "[-d daemon] [--json]",
	    "who is served now" },
	{ "kick", ctl_kick, "[-d daemon] pid|user|address", "ends sessions" },
	{ "passwd", ctl_passwd,
	    "[--uid n --gid n --home dir [--gecos text]] [--scram] [--plain] "
	    "user",
	    "adds or changes a user" },
	{ "check", ctl_check, "[--pop3d file]",
	    "configurations, queue, mailboxes" },
	{ "metrics", ctl_metrics, "[-o file]", "figures for Prometheus" },
	{ "log", ctl_log, "[-f] [-F file] [--json] id",
	    "the lines of a message" },
};

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
	for (size_t i = 0; i < NELEM(verbs); i++)
		if (verbs[i].run != ctl_queue)
			fprintf(stderr, "       pennyctl [-f file] %s %s: %s\n",
			    verbs[i].name, verbs[i].args, verbs[i].help);
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

struct all {
	struct settings *settings;
	int worst;
};

static int
run_as_owner(struct ctl_box *b, const struct ctl_verb *v, char **argv)
{
	if (geteuid() == 0 && !v->as_root)
		priv_become(b->user.uid, b->user.gid);
	int rc = v->run(b, argv);
	ctl_progress_end();
	if (fflush(stdout) == EOF)
		return CTL_FAILED;
	return rc;
}

/* The dotlock as deletions take it (pop3d/update_child.c): where nobody of the
 * user's may make one there need be none. */
static enum status
take_dotlock(const struct ctl_box *b)
{
	int64_t until = now_ms() + b->settings->mailbox_lock_wait;
	enum status st;

	for (;;) {
		st = mailbox_dotlock_take(b->dir, b->path.name, &b->user);
		if (st != ERR_BUSY || now_ms() >= until)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	}
	return st;
}

/* What changes the mailbox does so in a child, which becomes the user; the
 * dotlock stays with who may remove it. */
static int
run_dotlocked(struct ctl_box *b, const struct ctl_verb *v, char **argv)
{
	enum status st = take_dotlock(b);
	bool taken = st == OK;

	if (st != OK && st != ERR_PERM) {
		ctl_say(b, "%s/%s.lock: %s", b->path.dir, b->path.name,
		    st == ERR_BUSY ? "another program has it"
				   : status_text(st));
		return CTL_FAILED;
	}
	signal(SIGINT, SIG_IGN); /* the child ends by it, and we clean up */
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGINT, SIG_DFL);
		_exit(run_as_owner(b, v, argv));
	}
	int rc = ctl_wait(pid);
	/* Others stay out of a mailbox that is half moved. */
	if (taken && !state_update_pending(b->dir, &b->user))
		mailbox_dotlock_release(b->dir, b->path.name, &b->user);
	return rc == -1 ? CTL_FAILED : rc;
}

static int
run(struct settings *s, const struct ctl_verb *v, const char *user, char **argv)
{
	struct ctl_box b = {
		.settings = s, .mbox = -1, .dir = -1, .state = -1
	};

	if (!find(&b, user) || !open_box(&b, v))
		return CTL_FAILED;
	return v->writes && s->lock_dotlock ? run_dotlocked(&b, v, argv)
					    : run_as_owner(&b, v, argv);
}

/* Who has got no mail yet has no mailbox, and that is no fault. */
static int
verify_user(struct settings *s, const struct user *u)
{
	const struct ctl_verb *v = ctl_mailbox_verbs;
	struct mailbox_path path;
	char name[sizeof(path.dir) + sizeof(path.name) + 1];
	char *none[] = { NULL };

	if (mailbox_path(s, u, &path) == OK) {
		snprintf(name, sizeof(name), "%s/%s", path.dir, path.name);
		if (access(name, F_OK) == -1 && errno == ENOENT) {
			printf("%s: no mailbox yet\n", u->name);
			return fflush(stdout) == EOF ? CTL_FAILED : CTL_FINE;
		}
	}
	while (v->name != NULL && v->run != ctl_verify)
		v++;
	return run(s, v, u->name, none);
}

/* In a process of its own, which becomes the user. */
static bool
verify_one(void *arg, const struct user *u)
{
	struct all *all = arg;

	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		_exit(verify_user(all->settings, u));
	int rc = ctl_wait(pid);
	if (rc != CTL_FINE)
		all->worst = CTL_FOUND;
	return true;
}

int
ctl_verify_all(const char *config)
{
	struct all all = { .worst = CTL_FINE };
	char *err = NULL;
	struct passdb *db = NULL;

	all.settings = settings_read(config, true, &err);
	if (all.settings != NULL) {
		/* Of the system there are many who have no mailbox. */
		all.settings->system_users = false;
		db = passdb_open(all.settings, false, &err);
	}
	if (db == NULL) {
		fprintf(stderr, "pennyctl: %s\n", err == NULL ? config : err);
		all.worst = CTL_FAILED;
	} else {
		passdb_each(db, verify_one, &all);
	}
	free(err);
	passdb_free(db);
	settings_free(all.settings);
	return all.worst;
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
	for (size_t i = 0; argc >= 1 && i < NELEM(verbs); i++) {
		if (strcmp(argv[0], verbs[i].name) != 0)
			continue;
		int skip = verbs[i].run == ctl_queue;
		int rc = verbs[i].run(file, argc - skip, argv + skip);
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
