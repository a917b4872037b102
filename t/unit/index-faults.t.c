/* Each call that makes an index fails, ends short, or is the last one of its
 * process: what is left is never believed where it is wrong, and the next one
 * who makes it makes it right. */
#define _GNU_SOURCE
#include "spool/index_make.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/log.h"
#include "spool/mbox.h"
#include "t/unit/fault.h"
#include "t/unit/tap.h"

enum { BEFORE = 100, ALL = 150, KINDS_OF_TEXT = 50 };

static char dir[] = "/tmp/index-faults.XXXXXX";
static int state, mbox;
static struct mbox_list list;
static unsigned char uid[ALL][16];

static void
must(bool good)
{
	if (!good) {
		perror("index-faults");
		abort();
	}
}

/* Makes the mailbox have n messages; equal ones are KINDS_OF_TEXT apart. */
static void
put(unsigned n)
{
	char text[200];
	off_t at = 0;

	must(ftruncate(mbox, 0) == 0);
	for (unsigned i = 0; i < n; i++) {
		int k = snprintf(text, sizeof(text),
		    "From a@x Mon Jan  5 10:00:00 2026\nSubject: "
		    "%u\n\n%.*s\n\n",
		    i % KINDS_OF_TEXT, (int)(i % KINDS_OF_TEXT),
		    "one two three four five six seven eight nine ten eleven");
		must(pwrite(mbox, text, (size_t)k, at) == k);
		at += k;
	}
}

static enum status
make(void)
{
	const struct index_job job = { .mbox = mbox,
		.state_dir = state,
		.mboxrd = true,
		.uids = true,
		.lock_wait = 1000 };

	return index_make(&job);
}

/* Does what is there say nothing that is wrong?  *n: of so many messages; 0
 * also where blocks are damaged, which a reader notices. */
static bool
right(uint64_t *n)
{
	int fd = openat(state, "index", O_RDONLY | O_CLOEXEC);
	struct index ix = { .fd = -1 };
	struct index_entry e;
	struct stat sb;
	uint64_t from = 0;
	bool good = true, whole = true;

	*n = 0;
	must(fstat(mbox, &sb) == 0);
	if (fd == -1 || index_open(fd, &ix) != OK ||
	    index_fits(&ix, mbox, &sb, true) == INDEX_STALE)
		goto out;
	if (index_tail(&ix, mbox, &sb, n, &from) != OK) {
		*n = 0;
		goto out;
	}
	good = *n <= list.n &&
	       from == (*n < list.n ? list.msg[*n].offset : list.size);
	for (uint64_t i = 0; good && i < *n; i++) {
		struct mbox_msg m;
		if (index_get(&ix, i, &e) != OK) {
			whole = false;
			continue;
		}
		index_msg(&e, &m);
		good = m.offset == list.msg[i].offset &&
		       m.length == list.msg[i].length &&
		       m.wire == list.msg[i].wire;
		if (i < ix.h.uids)
			good = good && memcmp(e.uid, uid[i], 16) == 0 &&
			       e.copy == i / KINDS_OF_TEXT + 1;
	}
	if (!whole)
		*n = 0;
out:
	index_close(&ix);
	return good;
}

/* As it was before: none, or one of the first messages. */
static void
before(bool old)
{
	(void)unlinkat(state, "index", 0);
	put(old ? BEFORE : ALL);
	if (old)
		must(make() == OK);
	put(ALL);
}

/* True: the call was there to fail. */
static bool
one(enum fault_kind kind, int error, long nth, bool old, bool *good)
{
	uint64_t n = 0, after = 0;
	enum status st = ERR_IO;
	bool came = false;
	int status;

	before(old);
	if (kind == FAULT_DIE) {
		pid_t pid = fork();
		if (pid == 0) {
			fault_arm(kind, nth, 0);
			(void)make();
			_exit(1); /* it was not there */
		}
		must(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
		came = WEXITSTATUS(status) == 0;
	} else {
		fault_arm(kind, nth, error);
		st = make();
		came = fault_disarm();
	}
	*good = right(&n) && (st != OK || n == ALL);
	*good = *good && make() == OK && right(&after) && after == ALL;
	if (!*good)
		printf("# call %ld: %s, %llu, %llu\n", nth, status_text(st),
		    (unsigned long long)n, (unsigned long long)after);
	return came;
}

static void
each(enum fault_kind kind, int error, bool old, const char *name)
{
	unsigned long calls = 0, bad = 0;
	bool good, came = true;

	for (long nth = 1; came && nth < 2000; nth++) {
		came = one(kind, error, nth, old, &good);
		calls += came;
		bad += !good;
	}
	ok(bad == 0 && calls > 5, "%s, %s: each of %lu calls", name,
	    old ? "the mailbox grew" : "no index yet", calls);
}

int
main(void)
{
	log_level_set(LOG_LVL_ERROR + 1);
	must(mkdtemp(dir) != NULL);
	state = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mbox = openat(state, "mbox", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(state != -1 && mbox != -1);
	put(ALL);
	must(mbox_scan(mbox, (uint64_t)lseek(mbox, 0, SEEK_END), true, &list) ==
		 OK &&
	     list.n == ALL);
	for (size_t i = 0; i < ALL; i++)
		must(mbox_unique_id(mbox, &list.msg[i], uid[i]) == OK);
	for (int old = 0; old < 2; old++) {
		each(FAULT_ERROR, EIO, old, "EIO");
		each(FAULT_ERROR, ENOSPC, old, "ENOSPC");
		each(FAULT_ERROR, EDQUOT, old, "EDQUOT");
		each(FAULT_ERROR, EINTR, old, "EINTR");
		each(FAULT_SHORT, 0, old, "a short count");
		each(FAULT_DIE, 0, old, "kill -9");
	}
	mbox_list_free(&list);
	unlinkat(state, "index", 0);
	unlinkat(state, "mbox", 0);
	close(mbox);
	close(state);
	rmdir(dir);
	return done_testing();
}
