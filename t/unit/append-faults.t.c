/* A delivery each call of which fails: the answer is true, and the mailbox is
 * as it says. */
#define _GNU_SOURCE
#include "t/crash/append.h"
#include "t/crash/faults.h"

#include <sys/wait.h>

static struct image was, delivered, next_alone, next_behind;

static bool
mailbox_is(struct image want)
{
	struct image now = disk_get(MBOX);
	bool same = now.n == want.n && memcmp(now.p, want.p, now.n) == 0;

	free(now.p);
	return same;
}

/* In a process of its own, which has nothing allocated yet.  The answer, and
 * whether a call did fail. */
static enum status
deliver_faulty(unsigned kind, int error, unsigned nth, bool big, bool *hit)
{
	int status;

	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		disk.fail_errno = error;
		disk.fail_at = nth;
		disk.calls = 0;
		disk.fail_kinds = kind;
		enum status st = deliver(0, big);
		disk.fail_kinds = 0;
		_exit((disk.calls >= nth ? 64 : 0) | -(int)st);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return ERR_INVALID;
	*hit = (WEXITSTATUS(status) & 64) != 0;
	return (enum status) - (WEXITSTATUS(status) & 63);
}

/* What may be said of that call. */
static bool
honest(enum status st, int error)
{
	if (error == 0 || error == EINTR)
		return st == OK;
	return st == OK || st == status_from_errno(error) || st == ERR_IO ||
	       st == ERR_CHANGED; /* it cannot be told */
}

static bool
fault_delivery(unsigned kind, int error, unsigned nth, bool big, bool *hit)
{
	struct image none = { NULL, 0 };

	disk_put(MBOX, was);
	disk_put(JOURNAL, none);
	enum status st = deliver_faulty(kind, error, nth, big, hit);
	if (!honest(st, error) || (st == OK && !mailbox_is(delivered)))
		return false;
	if (st != OK && !mailbox_is(was))
		return false;
	if (deliver(BATCHES, false) != OK)
		return false;
	return mailbox_is(st == OK ? next_behind : next_alone);
}

static void
fault_images(bool big)
{
	struct image none = { NULL, 0 };

	for (unsigned i = 0; i < 2; i++) {
		disk_put(MBOX, was);
		disk_put(JOURNAL, none);
		if (i == 1 && deliver(0, big) != OK)
			abort();
		if (i == 1)
			delivered = disk_get(MBOX);
		if (deliver(BATCHES, false) != OK)
			abort();
		*(i == 0 ? &next_alone : &next_behind) = disk_get(MBOX);
	}
}

static void
faults(bool big)
{
	unsigned long bad = 0, calls = 0;

	fault_images(big);
	for (size_t k = 0; k < NELEM(all_faults); k++) {
		const struct fault *f = &all_faults[k];
		bool hit = true;
		for (unsigned n = 1; hit; n++, calls++) {
			if (fault_delivery(f->kind, f->error, n, big, &hit))
				continue;
			printf("# %s, call %u\n", f->name, n);
			bad++;
		}
	}
	ok(bad == 0 && calls > 2 * NELEM(all_faults),
	    "a delivery%s, each call of which fails: %lu times",
	    big ? " of several writes" : "", calls);
	free(delivered.p);
	free(next_alone.p);
	free(next_behind.p);
}

int
main(void)
{
	appends_begin();
	was = (struct image){ (char *)(uintptr_t)ONE TWO "torn", 0 };
	was.n = strlen(was.p);
	faults(false);
	faults(true);
	return appends_end();
}
