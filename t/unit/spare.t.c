/* Memory given back, and pages that children go on sharing (common/spare.c). */
#define _GNU_SOURCE
#include "common/spare.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/sandbox.h"
#include "t/unit/tap.h"

enum { PAGE = 4096, SMALL = 48, MANY = 400, LARGE = 96 * 1024 };

__attribute__((unused)) static long
faults(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_minflt;
}

static void
test_pages(void)
{
	unsigned char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	memset(p, 'x', 4 * PAGE);
	spare_pages(p + 1, 3 * PAGE - 1);
	ok(p[0] == 'x' && p[PAGE - 1] == 'x' && p[3 * PAGE] == 'x',
	    "what is beside it stays");
	ok(p[PAGE] == 0 && p[3 * PAGE - 1] == 0, "whole pages are given back");
	munmap(p, 4 * PAGE);
}

/* Page faults of a child that has something large, when small things were
 * freed all over the heap before the fork. */
static long
child_faults(bool prepared)
{
	static void *small[MANY], *between[MANY];
	int ends[2];
	long n = -1;

	for (unsigned i = 0; i < MANY; i++) {
		small[i] = malloc(SMALL);
		between[i] = malloc(PAGE);
		if (small[i] == NULL || between[i] == NULL)
			abort();
		memset(between[i], 'x', PAGE);
	}
	for (unsigned i = 0; i < MANY; i++)
		free(small[i]);
	if (prepared)
		spare_heap_before_fork();
	if (pipe(ends) == -1)
		abort();
	pid_t pid = fork();
	if (pid == 0) {
		long before = faults();
		void *volatile large = malloc(LARGE);
		free(large);
		n = faults() - before;
		_exit(write(ends[1], &n, sizeof(n)) == sizeof(n) ? 0 : 1);
	}
	if (read(ends[0], &n, sizeof(n)) != sizeof(n))
		n = -1;
	waitpid(pid, NULL, 0);
	close(ends[0]);
	close(ends[1]);
	for (unsigned i = 0; i < MANY; i++)
		free(between[i]);
	return n;
}

int
main(void)
{
	test_pages();
	if (sandbox_compiled_out()) {
		printf("# malloc is the sanitizer's here\n");
		return done_testing();
	}
	long before = child_faults(false), after = child_faults(true);

	printf("# page faults of a child: %ld, then %ld\n", before, after);
	ok(before > MANY / 2, "a child's first large malloc() is dear");
	ok(after >= 0 && after < MANY / 10, "but not of a prepared process");
	return done_testing();
}
