#ifndef T_UNIT_MAILDROP_ROLE_H
#define T_UNIT_MAILDROP_ROLE_H
/*
 * The maildrop role, whole: in a process of its own, in its sandbox, against a
 * spool in /tmp.  What changes the mailbox is of this file, so that it can see
 * as whom it runs, and die.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/msg.h"
#include "pop3d/ask_maildrop.h"
#include "spool/lock.h"
#include "spool/update.h"
#include "pop3d/svc_maildrop.h"
#include "t/unit/tap.h"

/* ---- what the children did ---- */

enum mood { FINE, DIES, HANGS, HALF_MOVED };
struct seen {
	enum mood mood;
	enum status status;
	unsigned runs, recovers;
	uid_t uid;
	gid_t gid;
	int groups;
	unsigned fds;
	bool dotlocked, recover_dotlocked, writable, locked;
	unsigned n;
	struct update_del del[4];
	uint64_t size;
	int64_t ctime_ns;
	char name[64];
};
static struct seen *seen;
static char spool[] = "/tmp/maildrop-XXXXXX";

__attribute__((unused)) static bool
exists(const char *name)
{
	char path[200];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", spool, name);
	return lstat(path, &st) == 0;
}

__attribute__((unused)) static unsigned
open_fds(void)
{
	unsigned n = 0;

	for (int fd = 3; fd < 1024; fd++)
		n += fcntl(fd, F_GETFL) != -1;
	return n;
}

enum status
update_run(const struct update_job *job)
{
	seen->runs++;
	seen->uid = geteuid();
	seen->gid = getegid();
	seen->groups = getgroups(0, NULL);
	seen->fds = open_fds();
	seen->dotlocked = exists("alice.lock");
	seen->n = job->n;
	for (unsigned i = 0; i < job->n && i < NELEM(seen->del); i++)
		seen->del[i] = job->del[i];
	seen->size = job->size;
	seen->ctime_ns = job->ctime_ns;
	seen->writable = (fcntl(job->mbox, F_GETFL) & O_ACCMODE) == O_RDWR;
	snprintf(seen->name, sizeof(seen->name), "%s", job->mbox_name);
	if (seen->mood == DIES)
		raise(SIGKILL);
	while (seen->mood == HANGS)
		poll(NULL, 0, 10);
	if (seen->mood == HALF_MOVED) {
		int fd = openat(job->state_dir, "journal",
		    O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd == -1 || write(fd, "half", 4) != 4)
			abort();
		close(fd);
		return ERR_IO;
	}
	return seen->status;
}

enum status
update_recover(int mbox, int state_dir)
{
	seen->recovers++;
	seen->recover_dotlocked = exists("alice.lock");
	/* Our own lock would not be in our way: it is another's that counts. */
	char name[200];
	snprintf(name, sizeof(name), "%s/alice", spool);
	int fd = open(name, O_RDWR | O_CLOEXEC);
	seen->locked = fd != -1 && lock_try(fd, true) == ERR_BUSY;
	close(fd);
	(void)mbox;
	if (seen->status == OK)
		unlinkat(state_dir, "journal", 0);
	return seen->status;
}

/* ---- the role ---- */

static struct settings settings = { .hostname = (char[]){ "mx.example" },
	.users = (char[]){ "" },
	.empty_directory = (char[]){ "/" },
	.mailbox_lock_wait = 300,
	.lock_fcntl = true,
	.lock_dotlock = true,
	.quoting_mboxrd = true };
static struct intro alice = {
	.kind = INTRO_USER, .user = "alice", .home = "/nowhere"
};
static int auth = -1, ctl = -1;
static pid_t role_pid;

__attribute__((unused)) static void
role_begin(void)
{
	int a[2], c[2];

	if (channel_pair(a) == -1 || channel_pair(c) == -1)
		abort();
	role_pid = fork();
	if (role_pid == 0) {
		struct role r = { .id = ROLE_MAILDROP,
			.pop3 = true,
			.root = geteuid() == 0,
			.settings = &settings,
			.ctl = c[1] };
		close(a[0]);
		close(c[0]);
		for (int i = 0; i < ROLE__N; i++)
			r.peer[i] = -1;
		r.peer[ROLE_AUTH] = a[1];
		svc_maildrop_main(&r);
		_exit(9);
	}
	close(a[1]);
	close(c[1]);
	auth = a[0];
	ctl = c[0];
}

/* Lets it end by itself and says whether it did so in order. */
__attribute__((unused)) static bool
role_end(void)
{
	int status;

	close(ctl);
	close(auth);
	waitpid(role_pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

__attribute__((unused)) static void
put_file(const char *name, const char *text, uid_t uid)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", spool, name);
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1 ||
	    write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
	    (geteuid() == 0 && fchown(fd, uid, uid) == -1))
		abort();
	close(fd);
}

static const char mail[] =
    "From a@x Mon Jan  5 10:00:00 2026\nSubject: one\n\nbody\n\n";

/* A right with the lock and the mailbox: LOCK and OPEN were answered. */
__attribute__((unused)) static int
opened(int *lock)
{
	char text[MAILDROP_TEXT_MAX];
	enum status st;
	int right = introduce(auth, &alice);

	*lock = ask_maildrop_lock(right, &st, text, sizeof(text));
	int fd = ask_maildrop_open(right, &st, text, sizeof(text));
	close_fd(&fd);
	return right;
}

static const struct maildrop_del dels[] = { { 0, 20, "0123456789abcde" },
	{ 25, 10, "0123456789abcdf" } };

__attribute__((unused)) static enum status
commit(unsigned n)
{
	char text[MAILDROP_TEXT_MAX];
	int lock, right = opened(&lock);
	enum status st = ask_maildrop_commit(right,
	    &(struct maildrop_seen){ 1, 2, strlen(mail), 77 }, dels, n, text,
	    sizeof(text));

	close(lock);
	close(right);
	return st;
}

__attribute__((unused)) static void
spool_begin(void)
{
	char line[200];

	signal(SIGPIPE, SIG_IGN);
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED || mkdtemp(spool) == NULL)
		abort();
	chmod(spool, 01777);
	static char mailbox[64], users[128];
	snprintf(mailbox, sizeof(mailbox), "%s/%%u", spool);
	snprintf(users, sizeof(users), "%s/users", spool);
	settings.mailbox = mailbox;
	settings.users = users;
	alice.uid = geteuid() == 0 ? 54321 : geteuid();
	alice.gid = geteuid() == 0 ? 54321 : getegid();
	snprintf(line, sizeof(line), "alice:*:%u:%u::/nowhere\n",
	    (unsigned)alice.uid, (unsigned)alice.gid);
	put_file("users", line, geteuid());
	put_file("alice", mail, alice.uid);
}

__attribute__((unused)) static void
spool_end(void)
{
	pid_t rm = fork();

	if (rm == 0)
		execlp("rm", "rm", "-r", spool, (char *)NULL);
	waitpid(rm, NULL, 0);
}
#endif
