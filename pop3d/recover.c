/* Interrupted updates, at the start of the service.  Runs in: maildrop. */
#define _GNU_SOURCE /* O_PATH */
#include "pop3d/recover.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/passdb.h"
#include "pop3d/update_child.h"

static void
recovered(void *arg, enum status st)
{
	(void)arg;
	if (st == OK)
		log_info("an interrupted update was finished");
	else if (st == ERR_BUSY) /* perhaps it was not interrupted */
		log_info("an update is in progress elsewhere");
	else
		log_error("error: an interrupted update was not finished: %s",
		    status_text(st));
}

/* Looks for updates that a crash cut short, so that other programs do not see
 * a half-moved mailbox until its owner happens to log in. */
static void
recover_all(const struct settings *settings, const char *dir, struct passdb *db)
{
	struct update_order o = { .n = 0 };
	struct dirent *e;
	DIR *d = NULL;
	int spool = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int top = spool == -1
		      ? -1
		      : openat(spool, ".pennypost",
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (top == -1 || (d = fdopendir(top)) == NULL)
		goto out;
	top = -1;
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' ||
		    passdb_find(db, view_of(e->d_name), false, &o.user) != 1 ||
		    !state_update_pending(spool, &o.user) ||
		    (geteuid() == 0 && o.user.uid == 0) ||
		    mailbox_path(settings, &o.user, &o.path) != OK)
			continue;
		if (!update_child_start(&o, recovered, NULL))
			break;
	}
out:
	if (d != NULL)
		closedir(d);
	close_fd(&top);
	close_fd(&spool);
}

void
recover_start(const struct settings *settings)
{
	char dir[sizeof(((struct mailbox_path *)NULL)->dir)];
	char *err = NULL;
	const char *slash = strrchr(settings->mailbox, '/');
	struct view v = { settings->mailbox, 0 };

	if (slash == NULL)
		return;
	v.n = (size_t)(slash - settings->mailbox);
	if (!view_copy(v, dir, sizeof(dir)) || strchr(dir, '%') != NULL)
		return;
	struct passdb *db = passdb_open(settings, false, &err);
	if (db == NULL)
		log_error("error: %s", err);
	else
		recover_all(settings, dir, db);
	passdb_free(db);
	free(err);
}
