/* Descriptors and memory over a fork.  Runs in: pool; children of master, pool,
 * auth, deliver, maildrop and queue. */
#define _GNU_SOURCE
#include "common/fds.h"

#include <sys/mman.h>
#include <unistd.h>

#include "common/log.h"

enum { KEEP_MAX = 96 };

static void
close_between(unsigned first, unsigned last)
{
	if (first > last || close_range(first, last, 0) == 0)
		return;
	/* Kernels before 5.9: the table is not larger than the limit. */
	long top = sysconf(_SC_OPEN_MAX);
	if (last == ~0u)
		last = top > 0 ? (unsigned)top : 65536;
	for (unsigned fd = first; fd <= last; fd++)
		close((int)fd);
}

void
fds_keep_only(const int *keep, unsigned n)
{
	int sorted[KEEP_MAX];
	unsigned m = 0, next = 3;

	for (unsigned i = 0; i < n; i++) {
		unsigned at = m;
		if (keep[i] < 3)
			continue;
		if (m == KEEP_MAX)
			fatal("too many descriptors to keep");
		while (at > 0 && sorted[at - 1] > keep[i]) {
			sorted[at] = sorted[at - 1];
			at--;
		}
		sorted[at] = keep[i];
		m++;
	}
	for (unsigned i = 0; i < m; i++) {
		if ((unsigned)sorted[i] > next)
			close_between(next, (unsigned)sorted[i] - 1);
		next = (unsigned)sorted[i] + 1;
	}
	close_between(next, ~0u);
}

void *
alloc_unforked(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, n, MADV_DONTFORK);
	return p;
}
