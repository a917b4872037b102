/* Where a mailbox is, and opening it as its owner. */
#define _GNU_SOURCE
#include "spool/mailbox.h"

#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "common/view.h"
#include "t/unit/spool_dir.h"

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

/* Somebody does this between the opening of the mailbox and the look at it. */
static void (*meanwhile)(void);

int
fstat(int fd, struct stat *st)
{
	if (syscall(SYS_newfstatat, fd, "", st, AT_EMPTY_PATH) == -1)
		return -1;
	if (meanwhile == NULL || !S_ISREG(st->st_mode))
		return 0;
	meanwhile();
	meanwhile = NULL;
	return (int)syscall(SYS_newfstatat, fd, "", st, AT_EMPTY_PATH);
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
take_away(void)
{
	must(unlink(in(spool, "alice")));
}

static void
move_away(void)
{
	must(rename(in(spool, "alice"), in(spool, "moved")));
}

/* A second name that is there only while the file is opened: when its links are
 * counted it has one, which is not the mailbox'. */
static void
test_swapped(void)
{
	const char *path = in(spool, "alice");
	char target[256];

	snprintf(target, sizeof(target), "%s", in(base, "target"));
	put(target, "precious\n");
	must(link(target, path));
	meanwhile = take_away;
	refused(ERR_CHANGED, "a second name that was taken away meanwhile");
	must(unlink(target));
	put(path, "");
	meanwhile = move_away;
	refused(ERR_CHANGED, "a mailbox that was moved meanwhile");
	must(unlink(in(spool, "moved")));
}

static void
test_types(void)
{
	const char *path = in(spool, "alice");

	must(mkfifo(path, 0600));
	own(path, alice.uid, 0600);
	alarm(60);
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

int
main(void)
{
	struct mailbox_path here;

	spool_start();
	here = box;
	test_path();
	box = here;
	test_create();
	test_links();
	test_swapped();
	test_types();
	test_owner();
	test_home();
	spool_end();
	return done_testing();
}
