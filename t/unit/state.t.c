/* Opening mailboxes as their owner, the state directory, the session lock. */
#define _GNU_SOURCE
#include "spool/state.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

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

static const char *
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

static void
put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd);
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
	own(path, alice.uid, 0600);
}

/* ---- paths ---- */

static void
test_path(void)
{
	static const struct {
		const char *template, *user, *dir, *name;
	} t[] = {
		{ "/var/mail/%u", "alice", "/var/mail", "alice" },
		{ "%h/Mail/inbox", "alice", "/home/alice/Mail", "inbox" },
		{ "/m/%u/mbox", "bob", "/m/bob", "mbox" },
		{ "/100%%/%u", "bob", "/100%", "bob" },
		{ "/%u", "bob", "/", "bob" },
		{ "var/mail/%u", "alice", NULL, NULL },
		{ "/var/mail/", "alice", NULL, NULL },
		{ "/var/../%u", "alice", NULL, NULL },
		{ "/var/mail/%u", "..", NULL, NULL },
		{ "/var/mail/%u", ".pennypost", NULL, NULL },
		{ "/var/mail/%u", "bob.lock", NULL, NULL },
		{ "/var/mail/%x", "bob", NULL, NULL },
		{ "/var/mail/%", "bob", NULL, NULL },
		{ "", "bob", NULL, NULL },
	};

	for (size_t i = 0; i < NELEM(t); i++) {
		char template[128];
		struct user u = { .home = "/home/alice" };
		struct mailbox_path p;
		snprintf(template, sizeof(template), "%s", t[i].template);
		snprintf(u.name, sizeof(u.name), "%s", t[i].user);
		struct settings s = { .mailbox = template };
		enum status st = mailbox_path(&s, &u, &p);
		ok(t[i].dir == NULL
			? st == ERR_INVALID && p.name[0] == '\0'
			: st == OK && strcmp(p.dir, t[i].dir) == 0 &&
			      strcmp(p.name, t[i].name) == 0,
		    "path \"%s\" of %s", t[i].template, t[i].user);
	}
	char longer[1024];
	memset(longer, 'x', sizeof(longer) - 1);
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	struct settings s = { .mailbox = longer };
	ok(mailbox_path(&s, &alice, &box) == ERR_INVALID, "a name too long");
	longer[600] = '/';
	ok(mailbox_path(&s, &alice, &box) == ERR_INVALID, "a path too long");
}

/* ---- the mailbox ---- */

static enum status
try_open(bool create)
{
	int fd, dir;
	enum status st = mailbox_open(
	    &box, &alice, O_RDWR, create, &fd, &dir, why, sizeof(why));

	if ((st == OK) != (fd != -1) || (st == OK) != (dir != -1) ||
	    (st == OK) != (why[0] == '\0'))
		return ERR_INVALID;
	if (st == OK) {
		close(fd);
		close(dir);
	}
	return st;
}

static void
refused(enum status want, const char *what)
{
	enum status st = try_open(true);

	ok(st == want, "%s is refused: %s", what, why);
}

static void
test_links(void)
{
	const char *path = in(spool, "alice");
	char target[256];

	snprintf(target, sizeof(target), "%s", in(base, "target"));
	put(target, "precious\n");
	must(symlink(target, path));
	refused(ERR_UNSAFE, "a symbolic link");
	must(unlink(path));
	must(symlink("nowhere", path));
	refused(ERR_UNSAFE, "a link to nothing");
	ok(access(in(spool, "nowhere"), F_OK) == -1,
	    "and what it means was not made");
	must(unlink(path));
	must(link(target, path));
	refused(ERR_UNSAFE, "a file with a second link");
	must(unlink(path));
	must(unlink(target));
}

static void
test_types(void)
{
	const char *path = in(spool, "alice");

	must(mkfifo(path, 0600));
	own(path, alice.uid, 0600);
	alarm(5);
	refused(ERR_UNSAFE, "a FIFO");
	must(mkfifo(in(spool, "other"), 0600));
	must(unlink(in(spool, "other")));
	int fd, dir;
	ok(mailbox_open(&box, &alice, O_WRONLY, true, &fd, &dir, why,
	       sizeof(why)) == ERR_UNSAFE &&
		fd == -1,
	    "a FIFO to be written only, too");
	alarm(0);
	must(unlink(path));
	must(mkdir(path, 0700));
	own(path, alice.uid, 0700);
	refused(ERR_UNSAFE, "a directory");
	must(rmdir(path));
	if (!root) {
		tap_skip("a device", "making one needs root");
		return;
	}
	if (mknod(path, S_IFCHR | 0600, makedev(1, 3)) == -1) {
		tap_skip("a device", "not allowed to make one here");
		return;
	}
	own(path, alice.uid, 0600);
	/* Not openable at all where the file system is mounted nodev. */
	enum status st = try_open(true);
	ok(st == ERR_UNSAFE || st == ERR_PERM, "a device is refused: %s", why);
	must(unlink(path));
}

static void
test_owner(void)
{
	const char *path = in(spool, "alice");

	put(path, "");
	must(chmod(path, 0602));
	refused(ERR_UNSAFE, "one that everybody may write");
	must(chmod(path, 0660));
	ok(try_open(true) == OK, "one that a group may write is not");
	if (!root) {
		tap_skip("a foreign owner", "needs root");
		must(unlink(path));
		return;
	}
	own(path, BOB, 0600);
	refused(ERR_PERM, "another user's");
	own(path, BOB, 0660);
	must(chown(path, BOB, alice.gid));
	refused(ERR_UNSAFE, "another user's that ours may write");
	own(path, 0, 0600);
	refused(ERR_PERM, "root's");
	must(unlink(path));
	struct user nobody = alice;
	nobody.uid = 0;
	int fd;
	ok(mailbox_open(&box, &nobody, O_RDWR, true, &fd, NULL, why,
	       sizeof(why)) == ERR_PERM &&
		fd == -1,
	    "uid 0 has none: %s", why);
}

static void
test_create(void)
{
	const char *path = in(spool, "alice");
	struct stat st;

	ok(try_open(false) == ERR_GONE, "a missing one is not there: %s", why);
	mode_t old = umask(0);
	ok(try_open(true) == OK, "it is made: %s", why);
	umask(old);
	must(stat(path, &st));
	ok((st.st_mode & 07777) == 0600 && st.st_uid == alice.uid &&
		st.st_size == 0,
	    "0600, of the user, empty");
	ok(!root || st.st_gid == MAIL, "with the directory's group");
	ok(try_open(true) == OK, "and found again");
	must(unlink(path));
	ok(geteuid() == (root ? 0 : alice.uid) &&
		(uid_t)setfsuid((uid_t)-1) == geteuid() &&
		(gid_t)setfsgid((gid_t)-1) == getegid(),
	    "the process is itself again");
	must(chmod(spool, 02755));
	if (root) {
		refused(ERR_PERM, "making one where the user may not");
		must(chown(spool, 0, 0));
		must(chmod(spool, 02775));
		refused(ERR_PERM, "making one with the group of root");
		must(chown(spool, 0, MAIL));
	}
	must(chmod(spool, 02775));
	must(chmod(spool, 0777));
	refused(ERR_UNSAFE, "a directory that everybody may write");
	must(chmod(spool, 01777));
	ok(try_open(true) == OK, "but not when it is sticky: %s", why);
	must(unlink(path));
	if (root) {
		must(chown(spool, BOB, MAIL));
		refused(ERR_UNSAFE, "another user's directory");
		must(chown(spool, 0, MAIL));
	}
	must(chmod(spool, 02775));
}

/* A home directory, where the user may do anything. */
static void
test_home(void)
{
	char home[256];

	snprintf(home, sizeof(home), "%s", in(base, "home"));
	must(mkdir(home, 0700));
	own(home, alice.uid, 0700);
	struct mailbox_path spool_box = box;
	snprintf(box.dir, sizeof(box.dir), "%s", home);
	ok(try_open(true) == OK, "a mailbox at home: %s", why);
	must(unlink(in(home, "alice")));
	snprintf(box.dir, sizeof(box.dir), "%s/Mail", home);
	refused(ERR_GONE, "a directory that is not there");
	must(symlink(spool, in(home, "Mail")));
	refused(ERR_UNSAFE, "a link that the user made on the way");
	must(unlink(in(home, "Mail")));
	put(in(home, "Mail"), "");
	refused(ERR_UNSAFE, "a file on the way");
	must(unlink(in(home, "Mail")));
	must(rmdir(home));
	box = spool_box;

	/* Not even root's own link, as others can write higher up (/tmp). */
	must(mkdir(in(base, "r"), 0755));
	must(symlink(spool, in(in(base, "r"), "mail")));
	snprintf(box.dir, sizeof(box.dir), "%s/r/mail", base);
	refused(ERR_UNSAFE, "a link below a directory that others can write");
	must(unlink(in(in(base, "r"), "mail")));
	must(rmdir(in(base, "r")));
	box = spool_box;
	/* Where only root can write, root's links are followed: on a Linux
	 * host /proc/self is one. */
	snprintf(box.dir, sizeof(box.dir), "/proc/self/fd");
	snprintf(box.name, sizeof(box.name), "none");
	enum status st = try_open(false);
	ok(st == (root ? ERR_PERM : ERR_GONE) || st == ERR_GONE,
	    "a link in root's own directory is followed: %s", why);
	box = spool_box;
}

/* ---- the state directory ---- */

static enum status
state_try(void)
{
	int fd;
	enum status st = state_open(&box, &alice, &fd, why, sizeof(why));

	if ((st == OK) != (fd != -1) || (st == OK) != (why[0] == '\0'))
		return ERR_INVALID;
	close(fd);
	return st;
}

static void
test_state(void)
{
	struct stat st;
	char top[128], own_dir[256];
	int fd;

	snprintf(top, sizeof(top), "%s/.pennypost", spool);
	snprintf(own_dir, sizeof(own_dir), "%s/alice", top);
	mode_t old = umask(077);
	ok(state_try() == OK, "the state directory is made: %s", why);
	umask(old);
	must(stat(top, &st));
	ok((st.st_mode & 07777) == 0755 && st.st_uid == geteuid(),
	    ".pennypost is 0755 whatever the umask is, and ours");
	must(stat(own_dir, &st));
	ok((st.st_mode & 07777) == 0700 && st.st_uid == alice.uid &&
		st.st_gid == alice.gid,
	    "that in it is 0700 and the user's");
	ok(state_try() == OK, "both are found again");

	fd = open(spool, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ok(!state_update_pending(fd, &alice), "no deletions are pending");
	put(in(own_dir, "journal"), "x");
	ok(state_update_pending(fd, &alice), "with a journal they are");
	must(unlink(in(own_dir, "journal")));
	close(fd);

	must(chmod(own_dir, 0770));
	ok(state_try() == ERR_UNSAFE, "one that a group may write: %s", why);
	must(chmod(own_dir, 0700));
	must(chmod(top, 0775));
	ok(state_try() == ERR_UNSAFE, ".pennypost that a group may write");
	must(chmod(top, 0755));
	if (root) {
		must(chown(own_dir, 0, 0));
		ok(state_try() == OK && stat(own_dir, &st) == 0 &&
			st.st_uid == alice.uid,
		    "one that was not given away yet is");
		must(chown(own_dir, BOB, BOB));
		ok(state_try() == ERR_UNSAFE, "another user's: %s", why);
		must(chown(own_dir, alice.uid, alice.gid));
		must(chown(top, BOB, BOB));
		ok(state_try() == ERR_UNSAFE, ".pennypost of another user");
		must(chown(top, alice.uid, alice.gid));
		ok(state_try() == ERR_UNSAFE, "even of this one");
		must(chown(top, 0, 0));
	}
	must(rmdir(own_dir));
	must(symlink("/tmp", own_dir));
	ok(state_try() == ERR_UNSAFE, "a link in it");
	must(unlink(own_dir));
	must(rmdir(top));
	must(symlink("/tmp", top));
	ok(state_try() == ERR_UNSAFE, "a link in its place");
	must(unlink(top));
	put(top, "");
	ok(state_try() == ERR_UNSAFE, "a file in its place");
	must(unlink(top));

	struct mailbox_path spool_box = box;
	snprintf(box.dir, sizeof(box.dir), "%s/home", base);
	must(mkdir(box.dir, 0700));
	own(box.dir, alice.uid, 0700);
	ok(state_try() == OK, "beside a mailbox at home: %s", why);
	must(stat(in(box.dir, ".pennypost"), &st));
	ok(st.st_uid == alice.uid, "it is the user's own");
	must(rmdir(in(box.dir, ".pennypost/alice")));
	must(rmdir(in(box.dir, ".pennypost")));
	must(rmdir(box.dir));
	box = spool_box;
}

/* ---- the session lock ---- */

static enum status
session(int dir, int *fd, char *holder, size_t size)
{
	return session_lock(
	    dir, &alice, 4711, "mail.example.org", fd, holder, size);
}

static void
foreign_text(int dir, int holder_fd, const char *text, const char *want)
{
	char holder[200];
	int fd;

	if (ftruncate(holder_fd, 0) == -1 ||
	    pwrite(holder_fd, text, strlen(text), 0) != (ssize_t)strlen(text))
		abort();
	enum status st = session(dir, &fd, holder, sizeof(holder));
	ok(st == ERR_BUSY && fd == -1 && strcmp(holder, want) == 0,
	    "holder: %s", holder);
}

static void
test_session(void)
{
	char holder[200], lock[256];
	int dir, a, b;

	if (state_open(&box, &alice, &dir, why, sizeof(why)) != OK)
		abort();
	snprintf(lock, sizeof(lock), "%s/.pennypost/alice/lock", spool);
	ok(session(dir, &a, holder, sizeof(holder)) == OK, "a session begins");
	ok(session(dir, &b, holder, sizeof(holder)) == ERR_BUSY && b == -1,
	    "a second one does not");
	ok(strncmp(holder, "pid 4711 on mail.example.org since 20", 37) == 0 &&
		strcmp(holder + strlen(holder) - 4, " UTC") == 0,
	    "and is told why: %s", holder);
	foreign_text(dir, a, "1 h 0\n",
	    "pid 1 on h since "
	    "1970-01-01 00:00:00 UTC");
	foreign_text(dir, a, "", "another session");
	foreign_text(dir, a, "1 h 0", "another session");
	foreign_text(dir, a, "x h 0\n", "another session");
	foreign_text(dir, a, "1 h\033[2J 0\n", "another session");
	foreign_text(dir, a, "1 h 99999999999999999\n", "another session");
	pid_t pid = fork();
	if (pid == 0)
		pause();
	close(a);
	ok(session(dir, &a, holder, sizeof(holder)) == ERR_BUSY,
	    "it lives as long as a copy of its descriptor");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ok(session(dir, &a, holder, sizeof(holder)) == OK,
	    "and not one moment longer, kill -9 included");
	close(a);

	must(unlink(lock));
	must(symlink("/etc/passwd", lock));
	ok(session(dir, &a, holder, sizeof(holder)) == ERR_UNSAFE && a == -1,
	    "a link in place of the lock");
	must(unlink(lock));
	must(mkfifo(lock, 0600));
	own(lock, alice.uid, 0600);
	alarm(5);
	ok(session(dir, &a, holder, sizeof(holder)) == ERR_UNSAFE,
	    "a FIFO in place of the lock");
	alarm(0);
	must(unlink(lock));
	put(lock, "mine\n");
	must(link(lock, in(spool, "precious")));
	ok(session(dir, &a, holder, sizeof(holder)) == ERR_UNSAFE,
	    "a second link to the lock");
	must(unlink(in(spool, "precious")));
	must(unlink(lock));
	close(dir);
	must(rmdir(in(spool, ".pennypost/alice")));
	must(rmdir(in(spool, ".pennypost")));
}

int
main(void)
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
	test_path();
	snprintf(box.dir, sizeof(box.dir), "%s", spool);
	snprintf(box.name, sizeof(box.name), "alice");
	test_create();
	test_links();
	test_types();
	test_owner();
	test_home();
	test_state();
	test_session();
	/* All that was made is gone again, or these fail. */
	ok(rmdir(spool) == 0 && rmdir(base) == 0, "nothing is left");
	return done_testing();
}
