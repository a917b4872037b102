/*
 * Gives memory back while waiting.  Runs in: worker; pool for its workers.
 */
#define _GNU_SOURCE
#include "common/spare.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	TIDIES = 5000,		/* octets */
	STACK_NEAR = 2048,	/* octets below a frame: the calls from here */
	STACK_DEEP = 256 * 1024 /* what calls go down at most, nearly always */
};

void
spare_pages(void *p, size_t n)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	size_t skip = (size_t)(-(uintptr_t)p & (page - 1));

	if (n >= skip + page)
		/* Fails where part of it is not mapped: the rest is done. */
		madvise((char *)p + skip, (n - skip) & ~(size_t)(page - 1),
		    MADV_DONTNEED);
}

/* The stack grows downwards, and far below it nothing is mapped. */
void
spare_stack(void)
{
	char *near = (char *)__builtin_frame_address(0) - STACK_NEAR;

	spare_pages(near - STACK_DEEP, STACK_DEEP);
}

static void *heap_end; /* when all behind it was free; NULL: not asked for */

void
spare_heap_from(void)
{
	heap_end = sbrk(0);
}

void
spare_heap(void)
{
	if (heap_end == NULL || sbrk(0) == heap_end)
		return;
#ifdef __GLIBC__
	malloc_trim(0);
#endif
	heap_end = sbrk(0);
}

/* glibc does it for what is too large for its caches and small bins. */
void
spare_heap_before_fork(void)
{
	void *volatile p = malloc(TIDIES); /* volatile: not left out */

	free(p);
}
