/*
 * Dropping privileges, and what ps shows.  Runs in: every role, once, at its
 * start.
 */
#define _GNU_SOURCE
#include "common/role.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/view.h"

extern char **environ;

/* ---- what ps shows ---- */

static char *title;
static size_t title_size;
static char title_prefix[16];

/* The kernel shows the memory that argv and the environment took at exec; the
 * master makes the environment large enough (group_exec.c). */
void
proc_title_init(int argc, char **argv)
{
	char *end = argv[0];
	const char *slash = strrchr(argv[0], '/');

	snprintf(title_prefix, sizeof(title_prefix), "%s",
	    slash == NULL ? argv[0] : slash + 1);
	char *colon = strchr(title_prefix, ':');
	if (colon != NULL)
		*colon = '\0';
	for (int i = 0; i < argc; i++)
		if (argv[i] == end)
			end += strlen(argv[i]) + 1;
	for (char **e = environ; *e != NULL; e++)
		if (*e == end)
			end += strlen(*e) + 1;
	title = argv[0];
	title_size = (size_t)(end - argv[0]);
}

void
proc_title(const char *fmt, ...)
{
	char text[128];
	va_list ap;

	if (title == NULL || title_size < 2)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	int n = snprintf(title, title_size, "%s: %s", title_prefix, text);
	if (n < 0)
		return;
	size_t used = (size_t)n < title_size ? (size_t)n : title_size - 1;
	/* Titles are rewritten often: what is behind was cleared before. */
	static size_t before;
	if (before == 0)
		before = title_size;
	if (used < before)
		memset(title + used, 0, before - used);
	before = used + 1;
}

/* ---- which user a role is ---- */

static const char *
user_of(const struct role *r, enum role_id as, char *dflt, size_t size)
{
	const char *role = as == ROLE_POOL     ? "worker"
			   : as == ROLE_EXPAND ? "lookup"
			   : as == ROLE_DIALER ? "relay"
					       : role_name(as);
	const struct settings *s = r->settings;

	for (unsigned i = 0; i < s->role_user_n; i++)
		if (strcmp(s->role_users[i].role, role) == 0)
			return s->role_users[i].user;
	if (strcmp(role, "worker") == 0)
		role = r->pop3 ? "pop3d" : "smtpd";
	snprintf(dflt, size, "pennypost-%s", role);
	return dflt;
}

bool
priv_user(const struct role *r, enum role_id as, uid_t *uid, gid_t *gid,
    char *err, size_t size)
{
	char dflt[64];
	const char *name = user_of(r, as, dflt, sizeof(dflt));
	unsigned long long number;
	const struct passwd *pw;

	if (view_number(view_of(name), 0x7fffffff, &number)) {
		*uid = (uid_t)number;
		*gid = (gid_t)number;
	} else if ((pw = getpwnam(name)) != NULL) {
		*uid = pw->pw_uid;
		*gid = pw->pw_gid;
	} else {
		snprintf(err, size,
		    "there is no user \"%s\" for the role %s; "
		    "create it (useradd --system --no-create-home %s) or name "
		    "another one: role_user %s USER",
		    name, role_name(as), name,
		    as == ROLE_POOL ? "worker" : role_name(as));
		return false;
	}
	if (*uid == 0 || *gid == 0) {
		snprintf(err, size,
		    "the role %s must not run as root; name "
		    "another user: role_user %s USER",
		    role_name(as), as == ROLE_POOL ? "worker" : role_name(as));
		return false;
	}
	return true;
}

/* ---- dropping ---- */

static void
prove(uid_t uid, gid_t gid)
{
	uid_t ru, eu, su;
	gid_t rg, eg, sg;
	struct __user_cap_header_struct h = { .version =
						  _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	if (getresuid(&ru, &eu, &su) == -1 || ru != uid || eu != uid ||
	    su != uid)
		fatal("uid was not dropped");
	if (getresgid(&rg, &eg, &sg) == -1 || rg != gid || eg != gid ||
	    sg != gid)
		fatal("gid was not dropped");
	if (getgroups(0, NULL) != 0)
		fatal("groups were not dropped");
	if (setresuid(0, 0, 0) != -1 || setuid(0) != -1 || seteuid(0) != -1)
		fatal("uid 0 could be taken back");
	if (setresgid(0, 0, 0) != -1)
		fatal("gid 0 could be taken back");
	if (syscall(SYS_capget, &h, d) == -1 ||
	    (d[0].effective | d[0].permitted | d[0].inheritable |
		d[1].effective | d[1].permitted | d[1].inheritable) != 0)
		fatal("capabilities were not dropped");
}

void
priv_become(uid_t uid, gid_t gid)
{
	if (prctl(PR_SET_KEEPCAPS, 0) == -1 || setgroups(0, NULL) == -1 ||
	    setresgid(gid, gid, gid) == -1 || setresuid(uid, uid, uid) == -1)
		fatal("becoming uid %u: %s", (unsigned)uid, strerror(errno));
	prove(uid, gid);
}

void
priv_keep(const int *caps, unsigned n)
{
	struct __user_cap_header_struct h = { .version =
						  _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2],
	    want[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	/* Without them nothing that is executed gets any. */
	for (unsigned long c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		if (geteuid() == 0 &&
		    prctl(PR_CAPBSET_DROP, c, 0, 0, 0) == -1 && errno != EPERM)
			fatal("capabilities: %s", strerror(errno));
	if (syscall(SYS_capget, &h, d) == -1)
		fatal("capabilities: %s", strerror(errno));
	/* A container may have left out some. */
	for (unsigned i = 0; i < n; i++)
		want[CAP_TO_INDEX((unsigned)caps[i])].permitted |=
		    d[CAP_TO_INDEX((unsigned)caps[i])].permitted &
		    CAP_TO_MASK((unsigned)caps[i]);
	for (unsigned i = 0; i < 2; i++)
		want[i].effective = want[i].permitted;
	if (syscall(SYS_capset, &h, want) == -1)
		fatal("capabilities: %s", strerror(errno));
}

static void
enter_root(const char *root)
{
	struct stat st;

	if (stat(root, &st) == -1 || !S_ISDIR(st.st_mode))
		fatal(
		    "%s: not a directory; create it (mkdir -p %s)", root, root);
	if (chroot(root) == -1 || chdir("/") == -1)
		fatal("chroot %s: %s", root, strerror(errno));
}

void
priv_drop(const struct role *r, enum role_id as, const char *root)
{
	uid_t uid;
	gid_t gid;
	char err[256];
	time_t now = time(NULL);
	struct tm tm;

	umask(077);
	tzset(); /* reads files: before the chroot */
	localtime_r(&now, &tm);
	if (!r->root)
		return; /* the master has said which walls are missing */
	if (as == ROLE_AUTH || as == ROLE_DELIVER || as == ROLE_MAILDROP) {
		if (setgroups(0, NULL) == -1 || chdir("/") == -1)
			fatal("setgroups: %s", strerror(errno));
		return; /* stays root: it becomes users */
	}
	if (!priv_user(r, as, &uid, &gid, err, sizeof(err)))
		fatal("%s", err);
	if (root != NULL)
		enter_root(root);
	else if (chdir("/") == -1)
		fatal("chdir /: %s", strerror(errno));
	priv_become(uid, gid);
}
