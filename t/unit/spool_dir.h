#ifndef T_UNIT_SPOOL_DIR_H
#define T_UNIT_SPOOL_DIR_H
/* A spool of its own below /tmp, as root with users of its own, for tests of
 * what opens files in it. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/mailbox.h"
#include "t/unit/tap.h"

enum { ALICE = 20001, BOB = 20002, MAIL = 20008 };

static char base[] = "/tmp/state.XXXXXX";
static char spool[64];
static struct user alice;
static struct mailbox_path box;
static char why[300];
static bool root;

static void
must(int rc)
{
	if (rc == -1) {
		perror("# set-up");
		abort();
	}
}

__attribute__((unused)) static const char *
in(const char *dir, const char *name)
{
	static char path[4][256];
	static unsigned i;
	char *p = path[i++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static void
own(const char *path, uid_t uid, mode_t mode)
{
	if (root)
		must(chown(path, uid, uid));
	must(chmod(path, mode));
}

__attribute__((unused)) static void
put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd);
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
	own(path, alice.uid, 0600);
}

static void
spool_start(void)
{
	root = geteuid() == 0;
	if (root)
		must(setgroups(0, NULL));
	must(mkdtemp(base) == NULL ? -1 : 0);
	must(chmod(base, 0755));
	alice = (struct user){ .name = "alice",
		.uid = root ? ALICE : geteuid(),
		.gid = root ? ALICE : getegid() };
	snprintf(spool, sizeof(spool), "%s/mail", base);
	must(mkdir(spool, 0755));
	if (root)
		must(chown(spool, 0, MAIL));
	must(chmod(spool, 02775));
	snprintf(box.dir, sizeof(box.dir), "%s", spool);
	snprintf(box.name, sizeof(box.name), "alice");
}

/* All that was made is gone again, or this fails. */
static void
spool_end(void)
{
	ok(rmdir(spool) == 0 && rmdir(base) == 0, "nothing is left");
}
#endif
