/* What somebody who minds no lock writes while we look, before something is cut
 * off: it stays (spool/append.c, spool/intent.c, spool/torn.c, spool/update.c,
 * spool/move.c).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "spool/append.h"
#include "spool/intent.h"
#include "spool/mbox.h"
#include "spool/torn.h"
#include "spool/update.h"
#include "t/unit/tap.h"

#define FOREIGN "From f@x Fri Nov 20 22:00:00 2026\nSubject: foreign\n\nf\n\n"

static char dir[] = "/tmp/unlocked-XXXXXX";
static int dirfd_ = -1, box = -1;
static char text[1 << 16]; /* the mailbox as it was read last */

/* ---- somebody comes at the n-th call ---- */

enum call { PREAD, FDATASYNC, CALLS };
static const char *const call_names[] = { "read", "flush" };
static enum call come_at;
static unsigned calls, come; /* 0: nobody comes */
static off_t met;	     /* the mailbox' size when he came; -1: not yet */

static void
called(enum call c)
{
	if (c != come_at || ++calls != come)
		return;
	met = (off_t)syscall(SYS_lseek, box, 0, SEEK_END);
	if (syscall(SYS_pwrite64, box, FOREIGN, strlen(FOREIGN), met) == -1)
		abort();
}

ssize_t
pread(int fd, void *p, size_t n, off_t at)
{
	ssize_t k = syscall(SYS_pread64, fd, p, n, at);

	called(PREAD);
	return k;
}

int
fdatasync(int fd)
{
	called(FDATASYNC);
	return (int)syscall(SYS_fdatasync, fd);
}

static void
nobody_comes(void)
{
	come = 0;
}

/* met is -1 when there were not that many calls. */
static void
somebody_comes(enum call c, unsigned n)
{
	come_at = c;
	come = n;
	calls = 0;
	met = -1;
}

/* The next write is torn, and then somebody comes at that read; 0: is not. */
static unsigned tear;

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	bool torn = tear > 0 && fd == box;
	ssize_t k = syscall(SYS_pwrite64, fd, p, torn ? n / 2 : n, at);

	if (!torn)
		return k;
	somebody_comes(PREAD, tear);
	tear = 0;
	errno = ENOSPC;
	return -1;
}

/* ---- the mailbox ---- */

static void
box_put(const char *s)
{
	if (ftruncate(box, 0) == -1 ||
	    syscall(SYS_pwrite64, box, s, strlen(s), 0) == -1)
		abort();
	unlinkat(dirfd_, "journal", 0);
}

static const char *
box_get(void)
{
	ssize_t n = syscall(SYS_pread64, box, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static bool
ends_with(const char *what)
{
	size_t n = strlen(box_get()), k = strlen(what);

	return n >= k && strcmp(text + n - k, what) == 0;
}

#define OLD "From a@x Mon Jan  5 10:00:00 2026\n\nold\n\n"

/* ---- what an append wrote that fails ---- */

static void
test_append(void)
{
	const struct append_msg m = { .sender = "s@x",
		.original_to = "r@x",
		.delivered_to = "r@x",
		.content = view_of("Subject: torn\r\n\r\nhalf of it\r\n"),
		.file = -1 };
	unsigned tries = 0, kept = 0;

	for (unsigned n = 1; n < 1000; n++) {
		box_put(OLD);
		met = -1;
		tear = n;
		enum status st = append_batch(box, &m, 1, true, 1768000000);
		nobody_comes();
		if (met == -1) {
			ok(st == ERR_NOSPACE && strcmp(box_get(), OLD) == 0,
			    "a torn write is cut off");
			break;
		}
		tries++;
		kept += st == ERR_NOSPACE && ends_with(FOREIGN);
	}
	ok(tries >= 1 && kept == tries,
	    "with what came behind it meanwhile it stays (%u of %u)", kept,
	    tries);
}

/* ---- what an append left that died ---- */

#define TORN "From s@x Mon Jan  5 11:00:00 2026\nSubject: torn\n\nhal"

static void
leave_torn(int record)
{
	struct stat sb;

	box_put(OLD TORN);
	if (fstat(box, &sb) == -1)
		abort();
	struct intent in = { .dev = sb.st_dev,
		.ino = sb.st_ino,
		.offset = strlen(OLD),
		.n = 1,
		.start = { strlen(OLD) },
		.head_n = strlen(TORN) };
	memcpy(in.head, TORN, strlen(TORN));
	if (intent_write(record, &in) != OK)
		abort();
}

static void
test_intent(void)
{
	int record = openat(dirfd_, "append", O_RDWR | O_CREAT, 0600);
	unsigned tries = 0, kept = 0;
	bool mended = false;
	uint64_t gone = 0;

	intent_init();
	leave_torn(record);
	ok(intent_recover(record, box, &gone, &mended) == OK &&
		gone == strlen(TORN) && strcmp(box_get(), OLD) == 0,
	    "what an append left that died is cut off");
	for (unsigned n = 1; n < 1000; n++) {
		leave_torn(record);
		somebody_comes(PREAD, n);
		enum status st = intent_recover(record, box, &gone, &mended);
		nobody_comes();
		if (met == -1)
			break;
		tries++;
		kept += st == OK && gone == 0 && ends_with(FOREIGN) &&
			intent_recover(record, box, &gone, &mended) == OK &&
			ends_with(FOREIGN);
	}
	ok(tries >= 4 && kept == tries,
	    "or stays with what came behind it meanwhile (%u of %u)", kept,
	    tries);
	close(record);
}

static void
test_torn(void)
{
	unsigned tries = 0, kept = 0;
	bool mended = false;

	for (unsigned n = 1; n < 1000; n++) {
		box_put(OLD "From s@x Mo");
		somebody_comes(PREAD, n);
		enum status st = torn_mend(box, strlen(OLD), &mended);
		nobody_comes();
		if (met == -1)
			break;
		tries++;
		kept += st == OK && !mended && ends_with(FOREIGN);
	}
	ok(tries >= 2 && kept == tries,
	    "what came behind a torn From_ line is not written over "
	    "(%u of %u)",
	    kept, tries);
}

/* ---- deletions ---- */

#define M1 "From a@x Mon Jan  5 10:00:00 2026\nSubject: one\n\n1\n\n"
#define M2 "From b@x Mon Jan  5 11:00:00 2026\nSubject: two\n\n2, longer\n\n"
#define M3 "From c@x Mon Jan  5 12:00:00 2026\nSubject: three\n\n3\n\n"
#define M4                                                                     \
	"From d@x Mon Jan  5 13:00:00 2026\nSubject: four\n\nthis one is "     \
	"longer than what goes, so that the journal is needed, and some "      \
	"more of it, and again, and once more, until it is really long\n\n"

/* Removes message number `which` (from 0); somebody comes at call n. */
static enum status
remove_one(unsigned which, const struct mbox_list *l, uint64_t window,
    enum call c, unsigned n)
{
	struct update_del d = { .offset = l->msg[which].offset,
		.length = l->msg[which].length };
	struct stat sb;

	if (fstat(box, &sb) == -1 ||
	    mbox_unique_id(box, &l->msg[which], d.uid) != OK)
		abort();
	uint64_t size = strlen(M1 M2 M3 M4);
	struct update_job job = { .mbox = box,
		.mbox_dir = dirfd_,
		.mbox_name = "box",
		.state_dir = dirfd_,
		.dev = sb.st_dev,
		.ino = sb.st_ino,
		.size = size,
		.del = &d,
		.n = 1,
		.window = window };
	somebody_comes(c, n);
	enum status st = update_run(&job);
	nobody_comes();
	return st;
}

/* Once without anybody, then with somebody at each call of that kind. */
static void
update_with(enum call c, unsigned which, uint64_t window, const char *rest)
{
	static const char all[] = M1 M2 M3 M4;
	struct mbox_list l = { .n = 0 };
	unsigned tries = 0, kept = 0;

	box_put(all);
	if (mbox_scan(box, strlen(all), true, &l) != OK || l.n != 4)
		abort();
	ok(remove_one(which, &l, window, c, 0) == OK &&
		strcmp(box_get(), rest) == 0,
	    "message %u is removed", which + 1);
	for (unsigned n = 1; n < 1000; n++) {
		box_put(all);
		enum status st = remove_one(which, &l, window, c, n);
		if (met == -1)
			break;
		tries++;
		if (update_unfinished(dirfd_) &&
		    update_recover(box, dirfd_) != OK)
			continue;
		/* All gone that was to go, or nothing, and he is there. */
		bool whole = strncmp(box_get(), all, strlen(all)) == 0;
		bool done = strncmp(text, rest, strlen(rest)) == 0 &&
			    strlen(text) == strlen(rest) + strlen(FOREIGN);
		bool good = ends_with(FOREIGN) && (st == OK ? done : whole);
		if (!good)
			printf("# %s %u: %s\n", call_names[c], n, text);
		kept += good;
	}
	ok(tries > 0 && kept == tries,
	    "message %u, journal of %llu: what came at any %s stays "
	    "(%u of %u)",
	    which + 1, (unsigned long long)window, call_names[c], kept, tries);
	mbox_list_free(&l);
}

static void
test_updates(void)
{
	static const uint64_t windows[] = { 0, 64, 300 };

	for (enum call c = PREAD; c < CALLS; c++)
		for (size_t i = 0; i < NELEM(windows); i++) {
			update_with(c, 3, windows[i], M1 M2 M3);
			update_with(c, 2, windows[i], M1 M2 M4);
			update_with(c, 0, windows[i], M2 M3 M4);
		}
}

int
main(void)
{
	if (mkdtemp(dir) == NULL)
		abort();
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	box = openat(dirfd_, "box", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (box == -1)
		abort();
	test_append();
	test_intent();
	test_torn();
	test_updates();
	static const char *const names[] = { "box", "append", "journal",
		"journal.bad", "index" };
	for (size_t i = 0; i < NELEM(names); i++)
		unlinkat(dirfd_, names[i], 0);
	close(box);
	close(dirfd_);
	rmdir(dir);
	return done_testing();
}
